"""Entry of `python scripts/bench`: hands over to `bench.command`.

Running a directory puts that directory itself on the module path, which would turn each module here
into a top-level one; its parent takes its place, so that there is one name for each module.
"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)

from bench.command import main  # noqa: E402  # needs the path set above

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
