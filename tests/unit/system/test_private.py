"""Directories that only this user may write to."""

import os
from pathlib import Path

import pytest

from lading.system.private import make_private_directory


def test_a_missing_one_is_created(tmp_path: Path) -> None:
    """Closed, whatever the umask."""
    before = os.umask(0)
    try:
        make_private_directory(tmp_path / "a/b")
    finally:
        os.umask(before)
    assert 0o700 == (tmp_path / "a/b").stat().st_mode & 0o777


def test_what_is_in_it_stays(tmp_path: Path) -> None:
    """A directory that nobody else could write to is left as it is."""
    (tmp_path / "file").touch()
    make_private_directory(tmp_path)
    assert (tmp_path / "file").exists()


def test_what_others_could_write_is_emptied(tmp_path: Path) -> None:
    """What lies in it may be theirs; links in it are not followed."""
    place = tmp_path / "cache"
    (place / "ab").mkdir(parents=True)
    (place / "ab/planted.frame").touch()
    (tmp_path / "kept").mkdir()
    (place / "link").symlink_to(tmp_path / "kept")
    place.chmod(0o777)
    make_private_directory(place)
    assert ([], 0o700, True) == (
        list(place.iterdir()),
        place.stat().st_mode & 0o777,
        (tmp_path / "kept").exists(),
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_one_of_another_user_is_refused(tmp_path: Path) -> None:
    """With the name of its owner."""
    os.chown(tmp_path, 54321, -1)
    with pytest.raises(PermissionError, match="it belongs to user 54321"):
        make_private_directory(tmp_path)
