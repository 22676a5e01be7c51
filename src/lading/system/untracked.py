"""Directories that hold what is made, which no version control should see."""

from pathlib import Path

NAME = ".gitignore"


def make_untracked(directory: Path) -> None:
    """Create a directory with a `.gitignore` that names everything in it; one that is there stays.

    Raises:
        OSError: It cannot be written.
    """
    if not directory.exists():
        directory.mkdir(parents=True, exist_ok=True)
        (directory / NAME).write_text("*\n")
