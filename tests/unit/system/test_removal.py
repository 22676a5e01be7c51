"""Removing directory trees."""

import os
from pathlib import Path

import pytest

from lading.system.removal import remove_tree


def nest(path: Path, levels: int) -> None:
    """Directories in one another, each with a file and a link that leads out."""
    path.mkdir()
    descriptor = os.open(path, os.O_RDONLY)
    for _ in range(levels):
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
        os.symlink("/", "link", dir_fd=descriptor)
        os.mkdir("d", dir_fd=descriptor)
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)


@pytest.mark.parametrize("levels", [0, 3, 1200])
def test_any_depth_is_removed(tmp_path: Path, levels: int) -> None:
    """Deeper than the stack of python."""
    nest(tmp_path / "tree", levels)
    remove_tree(tmp_path / "tree")
    assert [] == list(tmp_path.iterdir())


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """Neither one to a tree, nor one in it."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/kept").touch()
    (tmp_path / "link").symlink_to("elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        remove_tree(tmp_path / "link")
    assert (tmp_path / "elsewhere/kept").exists()


def test_nothing_is_there(tmp_path: Path) -> None:
    """That is the caller's error."""
    with pytest.raises(FileNotFoundError):
        remove_tree(tmp_path / "none")
