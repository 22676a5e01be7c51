"""The file system of a directory: its type, and writing it to disk.

Source: proc_pid_mountinfo(5), syncfs(2), sync_file_range(2).
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

Sync = Callable[[Path], None]
"""Writes the file system of a directory to disk."""

_NETWORK = re.compile(
    r"nfs4?|cifs|smb3?|smbfs|lustre|gpfs|fuse(\..+)?|ceph|afs|beegfs|panfs|9p|coda|ocfs2|gfs2?"
)
_SYNC_FILE_RANGE_WRITE = 2
_ESCAPED = re.compile(r"\\([0-7]{3})")


def read_mounts() -> str:
    """The text of `/proc/self/mountinfo`, empty where the system has none."""
    try:
        return Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
    except OSError:
        return ""


def file_system_type(directory: Path, read: Callable[[], str] = read_mounts) -> str:
    """The type of the file system that `directory` lies on, such as `ext4`; empty if unknown.

    `directory` is absolute and need not exist; `read` returns the mounts as `/proc/self/mountinfo`
    does.
    """
    resolved = directory.resolve()
    # The longest mount point counts, and of several at one place the last.
    found = max(
        (
            (len(point.parts), number, kind)
            for number, (point, kind) in enumerate(_mounts(read()))
            if resolved.is_relative_to(point)
        ),
        default=(0, 0, ""),
    )
    return found[-1]


def nearest_directory(path: Path) -> Path:
    """The nearest directory that exists: `path` itself or one above it.

    `path` is absolute; any name will do, too long ones as well.
    """
    return next(item for item in (path, *path.parents) if os.path.isdir(item))  # noqa: PTH112  # never raises


def network_file_system(directory: Path, read: Callable[[], str] = read_mounts) -> str:
    """The type of the network file system that `directory` lies on, such as `nfs4`; else empty.

    Arguments are as of `file_system_type`.
    """
    kind = file_system_type(directory, read)
    return kind if _NETWORK.fullmatch(kind) else ""


def _mounts(text: str) -> Iterator[tuple[Path, str]]:
    """Mount point and file system type of each mount, in the order of mounting."""
    for line in text.splitlines():
        fields, _, rest = line.partition(" - ")
        point = _ESCAPED.sub(lambda code: chr(int(code[1], 8)), fields.split(" ")[4])
        yield Path(point), rest.split(" ")[0]


def sync_file_system(directory: Path) -> None:
    """Write what the file system of `directory` still holds in memory to disk.

    One call for tens of thousands of files: fsync of each would take as many waits for the disk.

    Raises:
        OSError: A write failed.
    """
    import ctypes  # noqa: PLC0415  # few need it, and it takes milliseconds

    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:
        os.sync()
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(directory))
    finally:
        os.close(descriptor)


def begin_write_out(descriptor: int, offset: int, size: int) -> None:
    """Let the system begin to write a part of a file to disk, without waiting for it.

    So the disk works while the rest is made, and `sync_file_system` has little left to wait for. It
    is advice alone: an error of the disk is found by that call.

    Source: sync_file_range(2), `SYNC_FILE_RANGE_WRITE`.
    """
    import ctypes  # noqa: PLC0415  # see above

    call = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if call is not None:
        call(descriptor, ctypes.c_int64(offset), ctypes.c_int64(size), _SYNC_FILE_RANGE_WRITE)


def no_sync(_directory: Path) -> None:
    """Leave it to the system when to write: for disks whose content nobody needs after a crash."""
