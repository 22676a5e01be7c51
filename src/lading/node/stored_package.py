"""Check whether a stored package is still as it was extracted.

The files of a store are hard links in every prefix: a program that writes into one of them in a
prefix changes the store. A file is written with the size, time and mode that its bill says, so one
call tells whether it was touched since, and only touched files are hashed. A change whose time was
set back afterwards is found by hashing everything.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from lading.conda import Kind
from lading.format import ManifestFile
from lading.system import open_regular, sha256_of_stream

NANOSECONDS = 1_000_000_000


def changed_files(
    directory: Path, files: Iterable[ManifestFile], mtime: int, *, thorough: bool = False
) -> Iterator[ManifestFile]:
    """Which of `files` in `directory` are missing, changed, or belong to others.

    If only the time or the mode of a file was changed, they are corrected. Links and directories
    are made from the bill alone; what is stored of them does not matter.

    Args:
        directory: Of the package, absolute.
        files: What must be there.
        mtime: Unix seconds that they must carry.
        thorough: Whether to hash every file, whatever its size and time.

    Raises:
        OSError: A file cannot be read.
    """
    # Text, since a Path for each of tens of thousands takes longer than looking at it.
    base = f"{directory}/"
    trusted = {0, os.geteuid()}
    for item in files:
        if item.type is not Kind.FILE:
            continue
        path = base + item.path
        expected = (item.size, mtime * NANOSECONDS, stat.S_IFREG | int(item.mode, 8))
        try:
            found = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            yield item
            continue
        touched = expected != (found.st_size, found.st_mtime_ns, found.st_mode)
        is_ours = found.st_uid in trusted
        if is_ours and not touched and not thorough:
            continue
        is_same_kind = is_ours and stat.S_ISREG(found.st_mode) and found.st_size == item.size
        if not is_same_kind or not _has_content(path, item, mtime, correct=touched):
            yield item


def _has_content(path: str, item: ManifestFile, mtime: int, *, correct: bool) -> bool:
    """Compare a file's digest; if it matches, correct its mode and time where asked to."""
    with open(open_regular(path), "rb", buffering=0) as stream:  # noqa: PTH123
        if sha256_of_stream(stream).hex != item.sha256:
            return False
        if correct:
            os.fchmod(stream.fileno(), int(item.mode, 8))
            os.utime(stream.fileno(), (mtime, mtime))
    return True
