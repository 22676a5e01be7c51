"""Writing the members of a frame to the disk, hashed and relocated on the way, once."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from lading.conda import Kind, find_occurrences, replace_placeholder
from lading.errors import DigestMismatchError
from lading.format import FETCH_AGAIN, Frame, ManifestFile, Member, read_members

__all__ = ["DIRECTORY_MODE", "directories_of", "make_directories", "write_all", "write_frame"]

DIRECTORY_MODE = 0o755


def directories_of(files: Iterable[ManifestFile], paths: Iterable[str] = ()) -> tuple[str, ...]:
    """Every directory that members and further `paths` need, parents first."""
    found: set[str] = set()
    own = {item.path for item in files if item.type is Kind.DIRECTORY}
    parents = {item.path.rpartition("/")[0] for item in files}
    for directory in own | parents | {path.rpartition("/")[0] for path in paths}:
        while directory and directory not in found:
            found.add(directory)
            directory = directory.rpartition("/")[0]  # noqa: PLW2901  # one step up
    return tuple(sorted(found))


def make_directories(root: Path, directories: tuple[str, ...]) -> None:
    """Make every directory below `root`, parents first, whatever the umask is."""
    for directory in directories:
        # Text, since a Path for each of tens of thousands takes longer than the call itself.
        path = f"{root}/{directory}"
        os.mkdir(path)  # noqa: PTH102  # see above
        os.chmod(path, DIRECTORY_MODE)  # noqa: PTH101  # see above


def write_frame(frame: Frame, root: Path, prefix: bytes | None) -> None:
    """Write the members of `frame` below `root`, whose directories are there.

    Args:
        frame: From a checked bill: its paths do not leave `root`.
        root: Absolute; nothing lies where the members will.
        prefix: What takes the place of placeholders; None leaves them as they are shipped.

    Raises:
        IntegrityError: The frame is not what the bill says.
        OSError: It cannot be written.
    """
    for member in read_members(frame):
        path = f"{root}/{member.file.path}"
        match member.file.type:
            case Kind.FILE:
                _write_file(member, path, prefix)
            case Kind.LINK:
                os.symlink(member.file.target, path)  # noqa: PTH211  # see `make_directories`
            case Kind.DIRECTORY:
                os.utime(path, (member.mtime, member.mtime))


def _write_file(member: Member, path: str, prefix: bytes | None) -> None:
    """Write one file, hashed as shipped and relocated, without reading it again."""
    hasher = hashlib.sha256()
    item = member.file
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        if prefix is not None and item.placeholder_mode is not None:
            data = b"".join(member.content)
            hasher.update(data)
            where = find_occurrences(data, item.placeholder.encode(), item.placeholder_mode)
            write_all(descriptor, replace_placeholder(data, where, prefix))
        else:
            for chunk in member.content:
                hasher.update(chunk)
                write_all(descriptor, chunk)
        if hasher.hexdigest() != item.sha256:
            raise DigestMismatchError(
                f"{item.path} is not what the bill says",
                hint=FETCH_AGAIN,
                expected=item.sha256,
                actual=hasher.hexdigest(),
            )
        os.fchmod(descriptor, int(item.mode, 8))
        os.utime(descriptor, (member.mtime, member.mtime))
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of `data`, however many calls that takes."""
    written = os.write(descriptor, data) if data else 0
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])
