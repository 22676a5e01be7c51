"""Entry of `python scripts/demo_channel`: hands over to `demo_channel.command`.

Running a directory puts that directory itself on the module path, which would turn each module here
into a top-level one; its parent takes its place, so that there is one name for each module.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)

from demo_channel.command import main  # noqa: E402  # needs the path set above

if __name__ == "__main__":
    sys.exit(main())
