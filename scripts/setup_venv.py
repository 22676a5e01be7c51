"""Make the virtual environment of the project.

Usage: python scripts/setup_venv.py DIRECTORY REQUIREMENTS

It runs on a bare Python 3.11: standard library only. Every package is checked against the hashes in
REQUIREMENTS; the index is whichever pip is configured for.
"""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

OLDEST = (3, 11)


def main(directory: Path, requirements: Path) -> int:
    """The exit code of making `directory` from `requirements`."""
    if sys.version_info < OLDEST:
        return fail(f"Python {sys.version.split()[0]} is too old", "run make PYTHON=python3.11")
    shutil.rmtree(directory, ignore_errors=True)
    try:
        python = create(directory)
    except (OSError, subprocess.CalledProcessError) as error:
        return fail(f"cannot make {directory}: {error}", "on Debian: apt-get install python3-venv")
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # Only what belongs to pip may steer it: a PYTHONPATH of the caller would shine through.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    steps = (
        [*install, "--require-hashes", "--only-binary", ":all:", "-r", str(requirements)],
        [*install, "--no-deps", "--no-build-isolation", "--editable", "."],
    )
    sys.stderr.write(f"{directory}: downloading and installing; the first time takes a minute\n")
    for step in steps:
        if subprocess.run(step, env=environment, check=False).returncode != 0:
            return fail("pip could not install the requirements", "its last lines say why")
    return 0


def create(directory: Path) -> str:
    """The python of a new virtual environment in `directory`."""
    venv.create(directory, with_pip=True, symlinks=True)
    return str(directory / "bin/python")


def fail(message: str, hint: str) -> int:
    """Say what went wrong and what to do; the exit code."""
    sys.stderr.write(f"error: {message}\nhint: {hint}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
