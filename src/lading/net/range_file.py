"""A zip file read in parts: its directory from its end, and of its members those that are wanted.

Wheels and `.conda` packages are zip files. Their lists of files are a few kilobytes at the end of
what may be gigabytes.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lading.errors import FetchError

if TYPE_CHECKING:
    from lading.net.client import Transport

__all__ = ["PartialFile", "open_local", "open_remote"]

TAIL_BYTES = 1 << 16
"""Holds the directory of most wheels, and all of the last member of most `.conda` packages."""

MOST_AHEAD = 1 << 23
"""Bytes that are fetched at once though fewer were asked for."""

LONGEST_READ = 1 << 27
"""Bytes: no directory of a zip file, and no list of files, is longer."""

ReadPart = Callable[[int, int], bytes]
"""The bytes at (offset, length)."""


@dataclass(frozen=True, slots=True)
class _Piece:
    offset: int
    data: bytes

    def holds(self, offset: int, length: int) -> bool:
        return self.offset <= offset and offset + length <= self.offset + len(self.data)


class PartialFile(io.RawIOBase):
    """A file of which only what is read is fetched; what was read last is kept."""

    def __init__(self, size: int, tail: bytes, read_part: ReadPart) -> None:
        """A file of `size` bytes that ends with `tail`; `read_part` has the rest."""
        super().__init__()
        self._size = size
        self._read_part = read_part
        self._pieces = [_Piece(size - len(tail), tail)]
        self._position = 0
        self._ahead = TAIL_BYTES // 4

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """The position, in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """The new position."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int = -1) -> bytes:
        """`size` bytes, fewer only at the end.

        Raises:
            FetchError: They cannot be read, or are more than any list of files has.
        """
        rest = max(0, self._size - self._position)
        length = rest if size < 0 else min(size, rest)
        if length > LONGEST_READ:
            raise FetchError("it names a part that is too long", hint="tell its maintainers")
        data = self._read(self._position, length) if length else b""
        self._position += length
        return data

    def _read(self, offset: int, length: int) -> bytes:
        for piece in self._pieces:
            if piece.holds(offset, length):
                start = offset - piece.offset
                return piece.data[start : start + length]
        # A reader of zip files reads a header, then what follows it, piece by piece.
        self._ahead = min(4 * self._ahead, MOST_AHEAD)
        wanted = min(max(length, self._ahead), self._size - offset)
        data = self._read_part(offset, wanted)
        if len(data) != wanted:
            raise FetchError("it ends too early", hint="try again")
        self._pieces = [self._pieces[0], _Piece(offset, data)]
        return data[:length]


def open_remote(url: str, transport: "Transport") -> PartialFile | None:
    """The file at `url`, http or https; None where its server knows no ranges.

    Raises:
        FetchError: The server does not send it.
    """
    tail = transport.read_part(url, None, TAIL_BYTES)
    if tail is None or tail.offset + len(tail.data) != tail.size:
        return None

    def read_part(offset: int, length: int) -> bytes:
        part = transport.read_part(url, offset, length)
        return b"" if part is None or part.offset != offset else part.data

    return PartialFile(tail.size, tail.data, read_part)


def open_local(path: Path) -> PartialFile:
    """The file at `path`.

    Raises:
        OSError: It cannot be read.
    """

    def read_part(offset: int, length: int) -> bytes:
        with path.open("rb") as stream:
            stream.seek(offset)
            return stream.read(length)

    size = path.stat().st_size
    start = max(0, size - TAIL_BYTES)
    return PartialFile(size, read_part(start, size - start), read_part)
