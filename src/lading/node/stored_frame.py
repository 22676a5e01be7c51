"""Whether what a store holds of a frame is still what was put there.

The files of a store are hard links in every prefix: whoever writes into one of them in a prefix
changes the store. A file is written with the size, time and mode that its bill says, so one call
tells whether anybody touched it since, and only what was touched is hashed. Who sets the time back
afterwards is found by hashing everything.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from lading.conda import Kind
from lading.format import FrameSlice, ManifestFile
from lading.system import sha256_of_stream

__all__ = ["changed_files"]

NANOSECONDS = 1_000_000_000


def changed_files(
    directory: Path, bill: FrameSlice, *, thorough: bool = False
) -> Iterator[ManifestFile]:
    """The files of a frame that are not as they were put into `directory`, or gone.

    Where only the time or the mode of a file was changed, they are set right. Links and directories
    are made by the bill alone; what is kept of them does not matter.

    Args:
        directory: The frame, absolute.
        bill: What it must be.
        thorough: Whether every file is hashed, whatever its size and time.

    Raises:
        OSError: A file cannot be read.
    """
    # Text, since a Path for each of tens of thousands takes longer than looking at it.
    base = f"{directory}/"
    for item in bill.files:
        if item.type is not Kind.FILE:
            continue
        path = base + item.path
        wanted = (item.size, bill.package.mtime * NANOSECONDS, stat.S_IFREG | int(item.mode, 8))
        try:
            found = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            yield item
            continue
        touched = wanted != (found.st_size, found.st_mtime_ns, found.st_mode)
        if not touched and not thorough:
            continue
        has_form = stat.S_ISREG(found.st_mode) and found.st_size == item.size
        if not has_form or not _has_content(path, item, bill.package.mtime, mend=touched):
            yield item


def _has_content(path: str, item: ManifestFile, mtime: int, *, mend: bool) -> bool:
    """Whether a file has the content that the bill says; then it may get its mode and time back."""
    with open(path, "rb", buffering=0, opener=_open_plainly) as stream:
        if sha256_of_stream(stream).hex != item.sha256:
            return False
        if mend:
            os.fchmod(stream.fileno(), int(item.mode, 8))
            os.utime(stream.fileno(), (mtime, mtime))
    return True


def _open_plainly(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)
