"""Write the members of a frame to disk, checked and relocated on the way.

Every file is created, and written, through a directory that no link can stand in for. Memory holds
one frame, whatever the size of a file.

The digest of its frame proves what is written into an environment, so each byte is hashed once and
compressed. A store knows a package by its file list, which tarballs with other frames share: there
each file is compared with the digest in the list. `lading verify` compares both.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from lading.conda import Content, Kind, relocated_chunks
from lading.errors import ArchiveError, DigestMismatchError
from lading.format import FETCH_AGAIN, Frame, ManifestFile, Member, read_members
from lading.system import (
    DIRECTORY_MODE,
    Beneath,
    FileContent,
    begin_write_out,
    content_of,
    sha256_of,
    sha256_of_stream,
)

PIECES_AT_ONCE = 128
"""Of at most a megabyte each, most of them as short as a path: one write for many."""

EARLY_BYTES = 1 << 20
"""A file of this size goes to disk while others are written; for smaller ones the call costs more
than the waiting that it saves."""

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL


def write_frame(frame: Frame, root: Path, prefix: bytes | None) -> None:
    """Write the members of `frame` below `root`, with the directories that they need.

    A piece of a large file is written to its place in a file that exists (see `LargeFile`).

    Args:
        frame: From a checked bill: its paths do not leave `root`.
        root: Absolute; nothing is where the members will be.
        prefix: What takes the place of placeholders; None, for a store, leaves them as they are
            shipped and compares each file with its digest.

    Raises:
        IntegrityError: The frame does not match the bill.
        OSError: It cannot be written.
    """
    with Beneath(root, mode=DIRECTORY_MODE) as place:
        for member in read_members(frame):
            _write_member(member, place, prefix)


def _write_member(member: Member, place: Beneath, prefix: bytes | None) -> None:
    item = member.file
    if not member.is_whole:
        descriptor = place.open(shipped_path(item, prefix), os.O_WRONLY)
        try:
            write_all_at(descriptor, member.content, member.start)
            begin_write_out(descriptor, member.start, len(member.content))
        finally:
            os.close(descriptor)
        return
    above, name = place.above(item.path)
    match item.type:
        case Kind.FILE:
            chunks: Iterable[bytes | memoryview] = (member.content,)
            if prefix is None:
                _check_digest(item, hashlib.sha256(member.content).hexdigest())
            elif item.placeholder_mode is not None:
                chunks = relocated(item, bytes(member.content), prefix)
            _write_file(item, above, name, chunks, member.mtime)
        case Kind.LINK:
            os.symlink(item.target, name, dir_fd=above)
        case Kind.DIRECTORY:
            directory, _ = place.above(f"{item.path}/")
            os.utime(directory, (member.mtime, member.mtime))


def shipped_path(item: ManifestFile, prefix: bytes | None) -> str:
    """Where the pieces of a large file are collected: at its place, or aside to be relocated."""
    if prefix is None or item.placeholder_mode is None:
        return item.path
    return f".lading-shipped-{sha256_of(item.path.encode()).hex}"


def begin_large(item: ManifestFile, root: Path, prefix: bytes | None) -> None:
    """Create the file that the pieces of a large member will be written to.

    Raises:
        OSError: It cannot be created.
    """
    with Beneath(root, mode=DIRECTORY_MODE) as place:
        above, name = place.above(shipped_path(item, prefix))
        descriptor = os.open(name, _CREATE | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=above)
        try:
            os.ftruncate(descriptor, item.size)
        finally:
            os.close(descriptor)


def end_large(item: ManifestFile, root: Path, prefix: bytes | None, mtime: int) -> None:
    """Relocate a large file whose pieces are all there, and give it its mode and time.

    For a store it is read back and compared with its digest first.

    Raises:
        DigestMismatchError: It does not match the bill.
        OSError: It cannot be written.
    """
    path = shipped_path(item, prefix)
    with Beneath(root, mode=DIRECTORY_MODE) as place:
        with open(place.open(path), "rb", buffering=0) as stream:  # noqa: PTH123
            if prefix is None:
                _check_digest(item, sha256_of_stream(stream).hex)
            if path == item.path:
                os.fchmod(stream.fileno(), int(item.mode, 8))
                os.utime(stream.fileno(), (mtime, mtime))
                return
            assert prefix is not None  # noqa: S101  # else it is at its place
            above, name = place.above(item.path)
            chunks = relocated(item, FileContent(stream.fileno()), prefix)
            _write_file(item, above, name, chunks, mtime)
        place.remove(path)


def write_relocated(
    item: ManifestFile, source: str, place: Beneath, prefix: bytes, mtime: int
) -> None:
    """Write the file at `source`, which is as shipped, to its path below `place`, relocated.

    Raises:
        OSError: It cannot be read or written.
    """
    with content_of(source) as content:
        above, name = place.above(item.path)
        _write_file(item, above, name, relocated(item, content, prefix), mtime)


def relocated(item: ManifestFile, content: Content, prefix: bytes) -> Iterator[bytes]:
    """The content of a file with `prefix` in the place of its placeholders.

    Raises:
        ArchiveError: It holds more placeholders than any file does.
    """
    assert item.placeholder_mode is not None  # noqa: S101  # for the type checker
    found = relocated_chunks(content, item.placeholder.encode(), item.placeholder_mode, prefix)
    try:
        yield from _gathered(found)
    except ValueError as error:
        raise ArchiveError(f"{item.path}: {error}", hint="do not use this tarball") from error


def _check_digest(item: ManifestFile, found: str) -> None:
    if found != item.sha256:
        raise DigestMismatchError(
            f"{item.path} does not match the bill",
            hint=FETCH_AGAIN,
            expected=item.sha256,
            actual=found,
        )


def _write_file(
    item: ManifestFile, above: int, name: str, chunks: Iterable[bytes | memoryview], mtime: int
) -> None:
    flags = _CREATE | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o600, dir_fd=above)
    try:
        for chunk in chunks:
            write_all(descriptor, chunk)
        os.fchmod(descriptor, int(item.mode, 8))
        os.utime(descriptor, (mtime, mtime))
        if item.size >= EARLY_BYTES:
            begin_write_out(descriptor, 0, item.size)
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
    size = len(data)
    written = os.write(descriptor, data) if size else 0
    while written < size:
        written += os.write(descriptor, memoryview(data)[written:])


def write_all_at(descriptor: int, data: memoryview, offset: int) -> None:
    """Write all of `data` from `offset`, however many calls that takes."""
    written = 0
    while written < len(data):
        written += os.pwrite(descriptor, data[written:], offset + written)
