"""A tarball, whatever it is read from: its bill and its frames.

The bill is checked before a frame is read, and so is everything that is not a frame: only this bill
and a seek table that agrees with it may follow the last frame.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

from lading.errors import ArchiveError, ManifestError, UsageError
from lading.format.bill import Bill, parse_bill
from lading.format.compression import Format, format_of
from lading.format.frame_reader import FETCH_AGAIN, Frame
from lading.format.manifest import LARGEST_BYTES, ManifestFrame
from lading.format.seekable import SeekEntry, Tail, read_tail

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TarballSource:
    """A tarball to be read.

    Attributes:
        name: What to call it in a message.
        bill: What must be in it.
        frames: Gives its frames in order; to be called once and iterated by one thread.
        has_frames: False for a bill without its tarball: `frames` gives none.
    """

    name: str
    bill: Bill
    frames: Callable[[], Iterator[Frame]]
    has_frames: bool = True

    def need_frames(self) -> None:
        """Refuse a bill without its tarball.

        Raises:
            UsageError: There are no frames.
        """
        if not self.has_frames:
            raise UsageError(
                f"{self.name} is a bill without its tarball",
                hint="name the tarball, or unpack with a --store that holds its frames",
            )


def bill_alone(name: str, bill: Bill) -> TarballSource:
    """A bill without its tarball: a store must have the frames."""
    return TarballSource(name=name, bill=bill, frames=lambda: iter(()), has_frames=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeekableFile:
    """The bytes of a tarball, to be read in any order.

    Attributes:
        name: What to call it in a message.
        size: In bytes.
        format: Of its compression.
        read: Reads so many bytes from this position, fewer at the end; threads may share it.
        chunk: How many bytes of a frame are read at once.
    """

    name: str
    size: int
    format: Format
    read: Callable[[int, int], bytes]
    chunk: int = CHUNK_BYTES

    def tail(self) -> Tail | None:
        """What follows the frames; None in a format that has no tail.

        Raises:
            ArchiveError: It is damaged.
        """
        return read_tail(self.name, self.read, self.size) if self.format is Format.ZSTD else None

    def inside(self, expected: str | None) -> TarballSource:
        """The tarball with the bill that is inside of it.

        Raises:
            DigestMismatchError: It is not the expected bill.
            ArchiveError: The tarball is damaged.
            ManifestError: It is in a format that has no bill inside.
            UnsafePathError: The bill lists something that must not be written.
        """
        tail = self.tail()
        if tail is None:
            raise ManifestError(
                f"{self.name} has no bill inside", hint="name the manifest with --manifest"
            )
        try:
            bill = parse_bill(tail.document, self.name, expected)
        except ManifestError as error:
            raise ArchiveError(error.message, hint=error.hint) from error
        return self.source(bill, tail)

    def source(self, bill: Bill, tail: Tail | None) -> TarballSource:
        """The tarball with its bill.

        Raises:
            ArchiveError: Something else than this bill and its seek table follows the frames.
        """
        _check_end(self.name, self.size, bill, tail)
        return TarballSource(name=self.name, bill=bill, frames=partial(self._frames, bill))

    def _frames(self, bill: Bill) -> Iterator[Frame]:
        for item in bill.manifest.slices():
            read = partial(self._chunks, item.frame)
            yield Frame(bill=item, format=self.format, name=self.name, read=read)

    def _chunks(self, frame: ManifestFrame) -> Iterator[bytes]:
        end = frame.offset + frame.length
        for position in range(frame.offset, end, self.chunk):
            length = min(self.chunk, end - position)
            data = self.read(length, position)
            if len(data) != length:
                raise ArchiveError(f"{self.name} is cut off", hint=FETCH_AGAIN)
            yield data


def piped_tarball(stream: BinaryIO, name: str, bill: Bill) -> TarballSource:
    """The tarball that comes through a pipe, its bill known beforehand."""
    return TarballSource(name=name, bill=bill, frames=partial(_piped_frames, stream, name, bill))


def _piped_frames(stream: BinaryIO, name: str, bill: Bill) -> Iterator[Frame]:
    """The frames of a pipe; each is read whole before it is given away.

    The pipe is read to its end, where the same bill must be: the program that writes into it is
    not left with a broken pipe.
    """
    format_ = None
    end = 0
    for item in bill.manifest.slices():
        data = _read_all(stream, item.frame.length)
        end += item.frame.length
        if len(data) != item.frame.length:
            raise ArchiveError(f"{name} is cut off", hint=FETCH_AGAIN)
        format_ = format_ or format_of(data) or Format.TAR
        yield Frame(bill=item, format=format_, name=name, read=partial(_once, data))
    rest = _read_all(stream, LARGEST_BYTES)

    def read(length: int, offset: int) -> bytes:
        return rest[offset - end : offset - end + length] if offset >= end else b""

    file = SeekableFile(name=name, size=end + len(rest), format=format_ or Format.TAR, read=read)
    _check_end(name, file.size, bill, file.tail())


def _read_all(stream: BinaryIO, length: int) -> bytes:
    """The next `length` bytes, fewer at the end; memory is taken for bytes that came."""
    chunks = []
    while length > 0 and (chunk := stream.read(min(length, CHUNK_BYTES))):
        chunks.append(chunk)
        length -= len(chunk)
    return b"".join(chunks)


def _once(data: bytes) -> Iterator[bytes]:
    yield data


def _check_end(name: str, size: int, bill: Bill, tail: Tail | None) -> None:
    """Refuse anything behind the last frame but this very bill and a seek table of its frames."""
    frames = [item.frame for item in bill.manifest.slices()]
    end = size if tail is None else tail.start
    if end != sum(frame.length for frame in frames):
        raise ArchiveError(f"{name} has another length than its bill says", hint=FETCH_AGAIN)
    if tail is None:
        return
    if tail.document != bill.document:
        raise ArchiveError(f"{name} carries another bill than this one", hint=FETCH_AGAIN)
    if tail.entries != tuple(SeekEntry(frame.length, frame.size) for frame in frames):
        raise ArchiveError(f"the seek table of {name} does not match its bill", hint=FETCH_AGAIN)
