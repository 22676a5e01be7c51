"""Write the members of a frame to disk, hashed and relocated on the way.

Memory does not grow with the size of a file, whether it is relocated or not.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from lading.conda import Content, Kind, relocated_chunks
from lading.errors import ArchiveError, DigestMismatchError
from lading.format import FETCH_AGAIN, Frame, ManifestFile, Member, read_members
from lading.system import FileContent, open_regular

DIRECTORY_MODE = 0o755

SMALL_BYTES = 1 << 23
"""A file with placeholders that is larger is not held in memory."""

PIECES_AT_ONCE = 128
"""Of at most a megabyte each, most of them as short as a path: one write for many."""


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
    """Create every directory below `root`, parents first, whatever the umask is."""
    for directory in directories:
        # Text, since a Path for each of tens of thousands takes longer than the call itself.
        path = f"{root}/{directory}"
        os.mkdir(path)  # noqa: PTH102  # see above
        os.chmod(path, DIRECTORY_MODE)  # noqa: PTH101  # see above


def write_frame(frame: Frame, root: Path, prefix: bytes | None) -> None:
    """Write the members of `frame` below `root`, whose directories exist.

    Args:
        frame: From a checked bill: its paths do not leave `root`.
        root: Absolute; nothing is where the members will be.
        prefix: What takes the place of placeholders; None leaves them as they are shipped.

    Raises:
        IntegrityError: The frame does not match the bill.
        OSError: It cannot be written.
    """
    for member in read_members(frame):
        path = f"{root}/{member.file.path}"
        match member.file.type:
            case Kind.FILE:
                chunks = _checked(member)
                if prefix is not None and member.file.placeholder_mode is not None:
                    chunks = _relocated(member.file, chunks, prefix, path)
                _write_file(member.file, path, chunks, member.mtime)
            case Kind.LINK:
                os.symlink(member.file.target, path)  # noqa: PTH211  # see `make_directories`
            case Kind.DIRECTORY:
                os.utime(path, (member.mtime, member.mtime))


def write_relocated(item: ManifestFile, source: str, path: str, prefix: bytes, mtime: int) -> None:
    """Write the file at `source`, which is as shipped, to `path`, relocated to `prefix`.

    Raises:
        OSError: It cannot be read or written.
    """
    with open(open_regular(source), "rb", buffering=0) as stream:  # noqa: PTH123
        chunks = iter(lambda: stream.read(SMALL_BYTES), b"")
        _write_file(item, path, _relocated(item, chunks, prefix, path), mtime)


def _checked(member: Member) -> Iterator[bytes | memoryview]:
    """The content of a file, hashed while it is read.

    Raises:
        DigestMismatchError: It does not match the bill.
    """
    hasher = hashlib.sha256()
    for chunk in member.content:
        hasher.update(chunk)
        yield chunk
    if hasher.hexdigest() != member.file.sha256:
        raise DigestMismatchError(
            f"{member.file.path} does not match the bill",
            hint=FETCH_AGAIN,
            expected=member.file.sha256,
            actual=hasher.hexdigest(),
        )


def _relocated(
    item: ManifestFile, chunks: Iterable[bytes | memoryview], prefix: bytes, path: str
) -> Iterator[bytes]:
    """The relocated content of the file that will be at `path`.

    Raises:
        ArchiveError: It holds more placeholders than any file does.
    """
    assert item.placeholder_mode is not None  # noqa: S101  # for the type checker
    with _shipped(item, chunks, path.rpartition("/")[0]) as shipped:
        found = relocated_chunks(shipped, item.placeholder.encode(), item.placeholder_mode, prefix)
        try:
            yield from _gathered(found)
        except ValueError as error:
            raise ArchiveError(f"{item.path}: {error}", hint="do not use this tarball") from error


@contextmanager
def _shipped(
    item: ManifestFile, chunks: Iterable[bytes | memoryview], directory: str
) -> Iterator[Content]:
    """The shipped content of a file: in memory if it is small, else in a file without a name.

    That file is on the disk of the prefix: the directory for temporary files may be in memory.
    """
    if item.size <= SMALL_BYTES:
        yield b"".join(chunks)
        return
    with tempfile.TemporaryFile(dir=directory) as copy:
        copy.writelines(chunks)
        copy.flush()
        yield FileContent(copy.fileno())


def _write_file(
    item: ManifestFile, path: str, chunks: Iterable[bytes | memoryview], mtime: int
) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        for chunk in chunks:
            write_all(descriptor, chunk)
        os.fchmod(descriptor, int(item.mode, 8))
        os.utime(descriptor, (mtime, mtime))
    finally:
        os.close(descriptor)


def write_gathered(descriptor: int, chunks: Iterator[bytes]) -> None:
    """Write many short chunks by few calls."""
    for gathered in _gathered(chunks):
        write_all(descriptor, gathered)


def _gathered(chunks: Iterator[bytes]) -> Iterator[bytes]:
    while gathered := b"".join(islice(chunks, PIECES_AT_ONCE)):
        yield gathered


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of `data`, however many calls that takes."""
    written = os.write(descriptor, data) if data else 0
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])
