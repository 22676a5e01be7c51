"""Paths below a directory, opened without following links."""

import ctypes
import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from itertools import count
from pathlib import Path

import pytest

from lading.system.beneath import Beneath, Open, best_opener, openat2, walk

AT_FDCWD = -100
RENAME_EXCHANGE = 2


@pytest.fixture(params=[openat2, walk])
def opener(request: pytest.FixtureRequest) -> Open:
    """Each way of opening that this kernel has."""
    found: Open = request.param
    if found is openat2 and best_opener() is not openat2:
        pytest.skip("this kernel, or its sandbox, has no openat2")
    return found


@pytest.fixture
def beneath(tmp_path: Path, opener: Open) -> Iterator[Beneath]:
    """A directory with `a/b/file`, and links: `out` leads away, `in` to `a`, `a/file` to a file."""
    (tmp_path / "root/a/b").mkdir(parents=True)
    (tmp_path / "root/a/b/file").write_bytes(b"content")
    (tmp_path / "away").mkdir()
    (tmp_path / "away/file").write_bytes(b"secret")
    (tmp_path / "root/out").symlink_to(tmp_path / "away")
    (tmp_path / "root/in").symlink_to("a")
    (tmp_path / "root/a/file").symlink_to("b/file")
    with Beneath(tmp_path / "root", opener) as opened:
        yield opened


def refused(*numbers: int) -> AbstractContextManager[object]:
    """The block raises an error of the system with one of these numbers."""
    return pytest.raises(OSError, check=lambda error: error.errno in numbers)


def names(directory: Path) -> list[str]:
    """What is in a directory."""
    return [path.name for path in directory.iterdir()]


def test_a_file_is_read(beneath: Beneath) -> None:
    """However deep it lies."""
    with os.fdopen(beneath.open("a/b/file"), "rb") as stream:
        assert b"content" == stream.read()


@pytest.mark.parametrize("path", ["out/file", "in/b/file", "a/file", "out"])
def test_links_are_not_followed(beneath: Beneath, path: str) -> None:
    """Neither those that lead away, nor those that stay inside, nor the last part."""
    with refused(errno.ELOOP, errno.ENOTDIR):
        beneath.open(path)


@pytest.mark.parametrize("path", ["../away/file", "a/../../away/file", "/etc/passwd"])
def test_nothing_leads_out(beneath: Beneath, path: str) -> None:
    """No path climbs, or begins elsewhere."""
    with refused(errno.EXDEV):
        beneath.open(path)


def test_a_file_is_created(beneath: Beneath, tmp_path: Path) -> None:
    """Its directories first, those that are there are left alone."""
    beneath.make_directories("a/b/c/d")
    beneath.make_directories("a/b/c/d")
    os.close(beneath.open("a/b/c/d/new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640))
    assert (tmp_path / "root/a/b/c/d/new").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("path", ["out/c", "in/c", "a/b/file/c"])
def test_directories_are_not_created_behind_links(
    beneath: Beneath, path: str, tmp_path: Path
) -> None:
    """Nor below a file."""
    with refused(errno.ELOOP, errno.ENOTDIR):
        beneath.make_directories(path)
    with Beneath(tmp_path / "root", mode=0o755) as making, refused(errno.ELOOP, errno.ENOTDIR):
        making.above(f"{path}/new")
    assert ["file"] == names(tmp_path / "away")


def test_a_link_is_removed_not_its_target(beneath: Beneath, tmp_path: Path) -> None:
    """A tree goes with what is in it; what is not there is not missed."""
    for path in ("out", "a", "a", "nowhere/at/all"):
        beneath.remove(path)
    assert (["in"], ["file"]) == (names(tmp_path / "root"), names(tmp_path / "away"))


def test_a_directory_that_is_made_again_is_another_one(beneath: Beneath) -> None:
    """What was opened before it was removed is not used again."""
    assert beneath.above("a/b/file")[1] == "file"
    beneath.remove("a")
    beneath.make_directories("a/b")
    above, name = beneath.above("a/b/file")
    os.close(os.open(name, os.O_WRONLY | os.O_CREAT, dir_fd=above))


def test_somebody_exchanges_a_directory_for_a_link(
    beneath: Beneath, tmp_path: Path, swapping: Callable[[Path, Path], None]
) -> None:
    """While files are created and removed by the thousand, none is created or removed behind it."""
    swapping(tmp_path / "root/a", tmp_path / "away")
    numbers = count()
    created = failed = 0
    # On a busy machine the other thread may not run for as long as thousands of files take.
    while (number := next(numbers)) < 3000 or not (created and failed):
        try:
            os.close(beneath.open(f"a/{number}", os.O_WRONLY | os.O_CREAT | os.O_EXCL))
            created += 1
        except OSError:
            failed += 1
        with suppress(OSError):
            beneath.remove("a/file")
        with suppress(OSError):
            beneath.make_directories(f"a/c/{number}")
    assert ["file"] == names(tmp_path / "away")


@pytest.fixture
def swapping() -> Iterator[Callable[[Path, Path], None]]:
    """Starts a thread that exchanges a directory for a link to another one, again and again."""
    exchange = getattr(ctypes.CDLL(None), "renameat2", None)
    if exchange is None:
        pytest.skip("needs the exchange of two names in one call, renameat2")
    stop = threading.Event()
    threads = []

    def start(directory: Path, target: Path) -> None:
        link = directory.with_name("link")
        link.symlink_to(target)

        def swap() -> None:
            while not stop.is_set():
                exchange(AT_FDCWD, bytes(link), AT_FDCWD, bytes(directory), RENAME_EXCHANGE)

        threads.append(threading.Thread(target=swap))
        threads[0].start()

    yield start
    stop.set()
    for thread in threads:
        thread.join()
