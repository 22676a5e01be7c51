"""Temporaries, and what killed processes left of them.

A temporary lies beside what it will be, as `.NAME.lading-XXXXXXXX`, and its maker holds a lock on
it (flock) for as long as it works. The system lets go of a lock when its holder ends, however it
ends; so whoever gets the lock knows that the maker is gone. The number of a process would not tell:
several machines may share a file system, each with numbers of its own.

Where locks do not reach from machine to machine, or there are none, a leftover must also be a day
old, by the clock of its file system.
"""

import fcntl
import logging
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from lading.system.filesystem import network_file_system

__all__ = [
    "is_temporary_of",
    "remove_stale_temporaries",
    "temporary_directory",
    "temporary_file",
]

NAME_BYTES = 100
"""Of the name of what a temporary will be that go into its own."""

AGE_SECONDS = 86_400
"""Of a leftover whose lock tells nothing: nobody works on one temporary for a day."""

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789_"
_TEMPORARY = re.compile(r"\.(.+)\.lading-[a-z0-9_]{8}", re.DOTALL)

_log = logging.getLogger(__name__)


@contextmanager
def temporary_directory(parent: Path, name: str) -> Iterator[Path]:
    """A new directory in `parent` that will be called `name`; mode 0700.

    It is to be renamed; if at the end of the block it still has its temporary name, it is gone.

    Raises:
        OSError: It cannot be made.
    """
    descriptor = None
    while descriptor is None:
        path = _unused(parent, name)
        # Its name is known before it is there: whenever this process is interrupted, it goes.
        try:
            path.mkdir(mode=0o700)
            descriptor = _claimed(path, os.O_RDONLY | os.O_DIRECTORY)
            if descriptor is not None:
                yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
            if descriptor is not None:
                os.close(descriptor)


@contextmanager
def temporary_file(parent: Path, name: str) -> Iterator[tuple[Path, BinaryIO]]:
    """A new file in `parent` that will be called `name`, open for writing; mode 0600.

    It is to be renamed while the block runs; if at its end it still has its temporary name, it is
    gone. The stream is closed with the block, and the lock with the stream.

    Raises:
        OSError: It cannot be made, or not be written.
    """
    descriptor = None
    while descriptor is None:
        path = _unused(parent, name)
        try:
            descriptor = _claimed(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
            if descriptor is not None:
                with os.fdopen(descriptor, "wb") as stream:
                    yield path, stream
        finally:
            path.unlink(missing_ok=True)


def remove_stale_temporaries(
    parent: Path,
    belongs: Callable[[str], bool] = lambda _name: True,
    network: Callable[[Path], str] = network_file_system,
) -> tuple[Path, ...]:
    """Remove temporaries in `parent` whose makers are gone; those that are gone now.

    What cannot be removed stays, and is told as a warning: it does not stand in anybody's way.

    Args:
        parent: A directory that need not exist.
        belongs: Says of the name that a temporary would have got, or its first 100 bytes, whether
            it is meant.
        network: Names the network file system that a directory lies on, or nothing.
    """
    try:
        names = sorted(os.listdir(parent))  # noqa: PTH208  # names are what is looked at
    except OSError:
        # What cannot be listed can still be written to; then nothing is tidied there.
        return ()
    removed = []
    for name in names:
        found = _TEMPORARY.fullmatch(name)
        if found and belongs(found[1]) and _remove_if_left(parent / name, network):
            removed.append(parent / name)
    return tuple(removed)


def is_temporary_of(*names: str) -> Callable[[str], bool]:
    """For `remove_stale_temporaries`: whether a temporary would have got one of `names`."""
    return frozenset(map(_beginning, names)).__contains__


def _beginning(name: str) -> str:
    """As much of a name as leaves room for more in one of 255 bytes."""
    return os.fsencode(name)[:NAME_BYTES].decode(errors="ignore")


def _unused(parent: Path, name: str) -> Path:
    """A name for a temporary that nothing has, among some 10^12."""
    while True:
        text = "".join(secrets.choice(_LETTERS) for _ in range(8))
        path = parent / f".{_beginning(name)}.lading-{text}"
        if not os.path.lexists(path):
            return path


def _claimed(path: Path, flags: int) -> int | None:
    """Open and lock a new temporary; None where it was taken for a leftover before that."""
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_ours = True
    except BlockingIOError:
        is_ours = False
    except OSError as error:
        # No locks here: then it is its age that protects it.
        _log.debug("%s cannot be locked: %s", path, error.strerror)
        is_ours = True
    if is_ours and _is_at(descriptor, path):
        return descriptor
    os.close(descriptor)
    return None


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether `path` is still the name of an open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _remove_if_left(path: Path, network: Callable[[Path], str]) -> bool:
    """Remove one temporary if its maker is gone; whether it was removed.

    The lock is held until nothing is left: two that tidy at once do not meet.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        # It is gone, somebody else's, or a link, which no temporary is.
        return False
    try:
        if not _is_left(descriptor, path, network):
            return False
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            shutil.rmtree(path)
        else:
            path.unlink()
    except FileNotFoundError:
        # Its maker, which is about to end, was faster.
        return False
    except OSError as error:
        _log.warning("%s is left over and cannot be removed: %s", path, error.strerror)
        return False
    finally:
        os.close(descriptor)
    return True


def _is_left(descriptor: int, path: Path, network: Callable[[Path], str]) -> bool:
    status = os.fstat(descriptor)
    if not (stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode)):
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock_tells = not network(path.parent)
    except BlockingIOError:
        return False
    except OSError:
        lock_tells = False
    return _is_at(descriptor, path) and (lock_tells or _age(status, path.parent) > AGE_SECONDS)


def _age(status: os.stat_result, parent: Path) -> float:
    """Seconds since a file was changed, by the clock that times files there."""
    with tempfile.TemporaryFile(dir=parent) as stream:
        return os.fstat(stream.fileno()).st_mtime - status.st_mtime
