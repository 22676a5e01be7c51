"""Temporary files and directories, the atomic write, and removing what killed processes left.

A temporary lies beside the path that it will replace, as `.NAME.lading-XXXXXXXX`. Its owner holds
an flock on it while it lives; if we can take the lock, the owner has exited and the temporary can
be removed. (A process id would not do: several machines may share a file system, each with ids of
its own.) On network file systems a lock may not be seen by other machines, so there a leftover must
also be a day old, by the clock of that file system.
"""

import fcntl
import logging
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from lading.system.filesystem import network_file_system
from lading.system.removal import remove_tree
from lading.system.untrusted import open_lock

NAME_BYTES = 100
"""How much of the final name goes into the name of a temporary."""

AGE_SECONDS = 86_400
"""Age of a leftover where locks cannot be trusted: nothing takes a day to write."""

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789_"
_TEMPORARY = re.compile(r"\.(.+)\.lading-[a-z0-9_]{8}", re.DOTALL)

_log = logging.getLogger(__name__)


@contextmanager
def temporary_directory(parent: Path, name: str) -> Iterator[Path]:
    """Create a directory in `parent` (mode 0700), to be renamed to `name` within the block.

    If it still has its temporary name when the block ends, it is removed.

    Raises:
        OSError: It cannot be created.
    """
    descriptor = None
    while descriptor is None:
        path = _unused(parent, name)
        # The name is chosen first, so that an interruption at any moment removes the directory.
        try:
            path.mkdir(mode=0o700)
            descriptor = _claimed(path, os.O_RDONLY | os.O_DIRECTORY)
            if descriptor is not None:
                yield path
        finally:
            _remove_as_far_as_possible(path)
            if descriptor is not None:
                os.close(descriptor)


@contextmanager
def temporary_file(parent: Path, name: str) -> Iterator[tuple[Path, BinaryIO]]:
    """Create and open a file in `parent` (mode 0600), to be renamed to `name` within the block.

    If it still has its temporary name when the block ends, it is removed. The end of the block
    closes the stream and releases the lock.

    Raises:
        OSError: It cannot be created or written.
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


def write_atomically(
    path: Path, data: bytes | Iterable[bytes], *, mode: int = 0o644, sync: bool = False
) -> None:
    """Replace the file at `path`: readers see the old content or the new one, never a part.

    Missing parent directories are created, and what killed processes left of earlier writes of
    this path is removed.

    Args:
        path: The file; a symbolic link there is replaced, not followed.
        data: Its new content, or the pieces of it.
        mode: Its permissions, whatever the umask says.
        sync: Write file and name to disk before returning, so that a power failure cannot leave an
            empty file. For files that cannot be made again (a lockfile), and for those that vouch
            for data which is on disk already (the checksums of a tarball). Caches need it not:
            their readers compare digests.

    Raises:
        OSError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_stale_temporaries(path.parent, is_temporary_of(path.name))
    with temporary_file(path.parent, path.name) as (temporary, stream):
        stream.writelines([data] if isinstance(data, bytes) else data)
        stream.flush()
        os.fchmod(stream.fileno(), mode)
        if sync:
            os.fsync(stream.fileno())
        temporary.replace(path)
    if sync:
        _sync_directory(path.parent)


def remove_atomically(path: Path, aside: Path | None = None) -> None:
    """Remove a directory tree so that it is never seen half removed.

    Args:
        path: The directory.
        aside: A directory on the same file system; `path` is moved into a temporary there (default:
            beside itself), where `remove_stale_temporaries` finds what a kill leaves.

    Raises:
        OSError: It cannot be removed.
    """
    with temporary_directory(aside or path.parent, path.name) as temporary:
        path.rename(temporary / path.name)
        remove_tree(temporary)


@contextmanager
def take_turns(target: Path) -> Iterator[None]:
    """Let one process at a time make what will be at `target`; the others wait for it.

    The lock beside it is gone when nobody waits any more. Where files cannot be locked, nobody
    waits.

    Raises:
        OSError: The lock cannot be created, or belongs to another user.
    """
    # Named as temporaries are: what a killed process leaves of it is removed with them.
    path = target.with_name(f".{_beginning(target.name)}.lading-one_turn")
    while True:
        with open_lock(path) as descriptor:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            except OSError as error:
                _log.debug("%s cannot be locked: %s", path, error.strerror)
            # Who had the lock before may have removed the file.
            if not _is_at(descriptor, path):
                continue
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return


def exchange(new: Path, old: Path) -> None:
    """Give each of two directories the name of the other, at once where the system can do so.

    Raises:
        OSError: It cannot be done.
    """
    import ctypes  # noqa: PLC0415  # few need it, and it takes milliseconds

    library = ctypes.CDLL(None, use_errno=True)
    rename = getattr(library, "renameat2", None)
    words = (_AT_FDCWD, os.fsencode(new), _AT_FDCWD, os.fsencode(old), _RENAME_EXCHANGE)
    if rename is not None and rename(*words) == 0:
        return
    # Some file systems cannot; then the name is missing for a moment.
    aside = _unused(old.parent, old.name)
    old.rename(aside)
    try:
        new.rename(old)
    except BaseException:
        aside.rename(old)
        raise
    aside.rename(new)


def remove_stale_temporaries(
    parent: Path,
    belongs: Callable[[str], bool] = lambda _name: True,
    network: Callable[[Path], str] = network_file_system,
) -> tuple[Path, ...]:
    """Remove the temporaries in `parent` whose owners have exited; return the paths removed.

    What cannot be removed is logged as a warning and stays; it blocks nothing.

    Args:
        parent: A directory; may be missing.
        belongs: Given the first 100 bytes of the final name of a temporary, returns whether to
            consider it.
        network: Returns the type of the network file system that a directory lies on, or empty.
    """
    try:
        names = sorted(os.listdir(parent))  # noqa: PTH208  # names are what is looked at
    except OSError:
        # A directory that we may not list may still be writable.
        return ()
    removed = []
    for name in names:
        found = _TEMPORARY.fullmatch(name)
        if found and belongs(found[1]) and _remove_if_stale(parent / name, network):
            removed.append(parent / name)
    return tuple(removed)


def is_temporary_of(*names: str) -> Callable[[str], bool]:
    """Return a filter for `remove_stale_temporaries`: temporaries of one of `names`."""
    return frozenset(map(_beginning, names)).__contains__


def _beginning(name: str) -> str:
    """The beginning of a name, short enough to leave room for a suffix within 255 bytes."""
    return os.fsencode(name)[:NAME_BYTES].decode(errors="ignore")


def _unused(parent: Path, name: str) -> Path:
    """An unused name for a temporary, random among some 10^12."""
    while True:
        text = "".join(_LETTERS[byte % len(_LETTERS)] for byte in os.urandom(8))
        path = parent / f".{_beginning(name)}.lading-{text}"
        if not os.path.lexists(path):
            return path


def _claimed(path: Path, flags: int) -> int | None:
    """Open and lock a new temporary; None if it was removed as stale before we had the lock."""
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
        # A file system without locks: there its age protects it.
        _log.debug("%s cannot be locked: %s", path, error.strerror)
        is_ours = True
    if is_ours and _is_at(descriptor, path):
        return descriptor
    os.close(descriptor)
    return None


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether `path` still names the open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _remove_as_far_as_possible(path: Path) -> None:
    try:
        if os.path.lexists(path):
            remove_tree(path)
    except OSError:
        import shutil  # noqa: PLC0415  # slow to load, and seldom needed

        shutil.rmtree(path, ignore_errors=True)


def _sync_directory(path: Path) -> None:
    """Write the names in a directory to disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_if_stale(path: Path, network: Callable[[Path], str]) -> bool:
    """Remove a temporary if its owner has exited; return whether it was removed.

    The lock is held until it is gone, so that two processes do not remove it at once.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        # It is gone, it belongs to another user, or it is a link.
        return False
    try:
        if not _is_stale(descriptor, path, network):
            return False
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            remove_tree(path)
        else:
            path.unlink()
    except FileNotFoundError:
        # Its owner, about to exit, was faster.
        return False
    except OSError as error:
        _log.warning("%s is left over and cannot be removed: %s", path, error.strerror)
        return False
    finally:
        os.close(descriptor)
    return True


def _is_stale(descriptor: int, path: Path, network: Callable[[Path], str]) -> bool:
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
    """Seconds since a file was changed, by the clock of its file system."""
    import tempfile  # noqa: PLC0415  # slow to load, and seldom needed

    with tempfile.TemporaryFile(dir=parent) as stream:
        return os.fstat(stream.fileno()).st_mtime - status.st_mtime
