"""Put members of a stored package into a prefix: linked, relocated, or copied."""

import errno
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from lading.conda import Kind
from lading.format import ManifestFile
from lading.node.frame_writer import write_relocated
from lading.system import CHUNK_BYTES, Beneath, open_regular

_CANNOT_LINK = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES}


def link_members(
    tree: Path, files: Iterable[ManifestFile], mtime: int, place: Beneath, prefix: bytes
) -> None:
    """Put members below `place`, which makes the directories that they need.

    Args:
        tree: Holds them as they are shipped, absolute.
        files: The members.
        mtime: Unix seconds that they carry.
        place: Nothing is where they will be.
        prefix: What takes the place of placeholders.

    Raises:
        OSError: A member cannot be written, or is not in `tree`.
    """
    # Text, since a Path for each of tens of thousands takes longer than the link itself.
    source = f"{tree}/"
    for item in files:
        if item.type is Kind.FILE and item.placeholder_mode is not None:
            write_relocated(item, source + item.path, place, prefix, mtime)
            continue
        above, name = place.above(item.path)
        match item.type:
            case Kind.FILE:
                _link_or_copy(source + item.path, above, name)
            case Kind.LINK:
                os.symlink(item.target, name, dir_fd=above)
            case Kind.DIRECTORY:
                directory, _ = place.above(f"{item.path}/")
                os.utime(directory, (mtime, mtime))


def _link_or_copy(source: str, above: int, name: str) -> None:
    """A second name of the file; where that is not possible a copy."""
    try:
        os.link(source, name, dst_dir_fd=above)
    except OSError as error:
        if error.errno not in _CANNOT_LINK:
            raise
        _copy(source, above, name)


def _copy(source: str, above: int, name: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with (
        open(open_regular(source), "rb") as stream,  # noqa: PTH123
        open(os.open(name, flags, 0o600, dir_fd=above), "wb") as target,  # noqa: PTH123
    ):
        shutil.copyfileobj(stream, target, CHUNK_BYTES)
        target.flush()
        status = os.fstat(stream.fileno())
        os.fchmod(target.fileno(), status.st_mode & 0o777)
        os.utime(target.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
