"""Whether what a store holds of a frame is still what was put there."""

import os
from pathlib import Path

import pytest

from lading.format.manifest import FrameSlice
from lading.format.opening import open_tarball
from lading.node.frame_writer import directories_of, make_directories, write_frame
from lading.node.stored_frame import changed_files
from simulators.versions import versioned_tarball


@pytest.fixture
def frame(tmp_path: Path) -> tuple[Path, FrameSlice]:
    """A directory that a frame was extracted into, and its bill."""
    directory = tmp_path / "frame"
    directory.mkdir()
    with open_tarball(versioned_tarball(tmp_path / "tarballs").plan.tarball) as opened:
        found = next(item for item in opened.frames() if item.bill.package.name == "base")
        make_directories(directory, directories_of(found.bill.files))
        write_frame(found, directory, None)
    return directory, found.bill


def changed(frame: tuple[Path, FrameSlice], *, thorough: bool = False) -> list[str]:
    """The paths of what was changed."""
    return [item.path for item in changed_files(*frame, thorough=thorough)]


@pytest.mark.parametrize("thorough", [False, True])
def test_what_was_put_there_is_unchanged(frame: tuple[Path, FrameSlice], *, thorough: bool) -> None:
    """Neither at a glance nor when all is hashed."""
    assert [] == changed(frame, thorough=thorough)


def test_links_and_directories_do_not_matter(frame: tuple[Path, FrameSlice]) -> None:
    """They are made by the bill, wherever the frame is linked."""
    (frame[0] / "lib/libbase.so").unlink()
    (frame[0] / "var/empty").rmdir()
    assert [] == changed(frame)


def test_a_changed_byte_is_found(frame: tuple[Path, FrameSlice]) -> None:
    """By the time of the file that tells of it."""
    path = frame[0] / "share/base/data"
    path.write_bytes(path.read_bytes()[::-1])
    assert ["share/base/data"] == changed(frame)


@pytest.mark.parametrize(("thorough", "found"), [(False, []), (True, ["share/base/data"])])
def test_a_time_that_was_set_back_is_seen_through_by_hashing(
    frame: tuple[Path, FrameSlice], found: list[str], *, thorough: bool
) -> None:
    """At a glance such a file is as it was."""
    path = frame[0] / "share/base/data"
    before = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert found == changed(frame, thorough=thorough)


def test_what_was_only_touched_is_set_right(frame: tuple[Path, FrameSlice]) -> None:
    """Its content is what it was; time and mode are again."""
    path = frame[0] / "share/base/data"
    path.touch()
    path.chmod(0o755)
    found = changed(frame)
    assert ([], 1_700_000_000, 0o100644) == (found, path.stat().st_mtime, path.stat().st_mode)


def test_a_fifo_is_no_file(frame: tuple[Path, FrameSlice]) -> None:
    """Nobody waits for what comes out of it."""
    path = frame[0] / "share/base/data"
    path.unlink()
    os.mkfifo(path)
    assert ["share/base/data"] == changed(frame, thorough=True)
