"""Proof that the environment works: the checks of `data-service`, and pyarrow comes from pip.

Run it with the environment's own interpreter: `PREFIX/bin/python check.py`.
"""

from __future__ import annotations

import runpy
import sys
from importlib.metadata import distribution
from pathlib import Path


def main() -> None:
    """Check who installed pyarrow, then everything else."""
    installer = (distribution("pyarrow").read_text("INSTALLER") or "").strip()
    if installer == "conda" or list(Path(sys.prefix, "conda-meta").glob("pyarrow-*.json")):
        message = "pyarrow is a conda package here"
        raise RuntimeError(message)
    sys.stdout.write(f"ok pyarrow installer: {installer}\n")
    shared = Path(__file__).resolve().parent.parent / "data-service" / "check.py"
    runpy.run_path(str(shared), run_name="__main__")


if __name__ == "__main__":
    main()
