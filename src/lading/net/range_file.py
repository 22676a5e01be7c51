"""A file on a server, read by ranges: its end first, then the parts that are wanted.

The directory of a zip file (a wheel, a `.conda` package) and the bill of a tarball stand at the
end: a few kilobytes of what may be gigabytes.
"""

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lading.errors import FetchError
from lading.system import without_credentials

if TYPE_CHECKING:
    from lading.net.client import Part, Transport

TAIL_BYTES = 1 << 16
"""Holds the directory of most wheels, and all of the last member of most `.conda` packages."""

MOST_AHEAD = 1 << 23
"""Bytes that are read at once though fewer were asked for."""

LONGEST_READ = 1 << 27
"""Bytes: no directory of a zip file, and no list of files, is longer."""


class RemoteFile:
    """A file on a server; threads may share it as long as the server supports ranges.

    Where the server does not, `size` is None, and `read` streams the whole file once: then ranges
    must be asked for in ascending order.
    """

    def __init__(self, url: str, transport: "Transport", tail: int = TAIL_BYTES) -> None:
        """The file at `url`; nothing is asked yet.

        `url` may hold credentials. `tail` bytes at the end are read with `size`, and kept.
        """
        self._url = url
        self._transport = transport
        self._tail_bytes = tail
        self._tail: Part | None = None
        self._whole: Iterator[bytes] | None = None
        self._position = 0
        self._buffer = b""

    @property
    def size(self) -> int | None:
        """The size in bytes, read with the end of the file; None if the server knows no ranges.

        Raises:
            FetchError: The server does not send it.
        """
        if self._tail is None:
            tail = self._transport.read_part(self._url, None, self._tail_bytes)
            if tail is None or tail.offset + len(tail.data) != tail.size:
                return None
            self._tail = tail
        return self._tail.size

    @property
    def is_read_whole(self) -> bool:
        """Whether the server turned out to know no ranges."""
        return self._whole is not None

    def read(self, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`.

        Raises:
            FetchError: The server does not send them, or the file changed since `size` was read.
        """
        tail = self._tail
        if tail is not None and offset >= tail.offset:
            data = tail.data[offset - tail.offset :][:length]
        elif tail is not None and offset + length > tail.offset:
            before = tail.offset - offset
            data = self.read(offset, before) + tail.data[: length - before]
        elif self._whole is None:
            part = self._transport.read_part(self._url, offset, length)
            if part is None and tail is not None:
                # To read it whole instead would take ascending ranges and one thread.
                raise self._error("is not sent in ranges any more", "start again")
            if part is None:
                self._whole = self._transport.stream(self._url)
                return self.read(offset, length)
            if tail is not None and part.size != tail.size:
                raise self._error("was replaced on the server", "start again")
            data = part.data
        else:
            data = self._sequential(offset, length, self._whole)
        if len(data) != length:
            raise self._error("ends too early", "fetch the right bill for it")
        return data

    def _sequential(self, offset: int, length: int, chunks: Iterator[bytes]) -> bytes:
        if offset < self._position:
            raise ValueError("ranges of a whole file must be asked for in ascending order")
        pieces: list[bytes] = []
        while length:
            skipped = min(offset - self._position, len(self._buffer))
            taken = self._buffer[skipped : skipped + length] if skipped < len(self._buffer) else b""
            self._position += skipped + len(taken)
            offset += len(taken)
            length -= len(taken)
            self._buffer = self._buffer[skipped + len(taken) :]
            pieces.append(taken)
            if length and not self._buffer:
                self._buffer = next(chunks, b"")
                if not self._buffer:
                    break
        return b"".join(pieces)

    def _error(self, fault: str, hint: str) -> FetchError:
        return FetchError(f"{without_credentials(self._url)} {fault}", hint=hint)


class PartialFile(io.RawIOBase):
    """A remote file as a binary stream, for `zipfile`; what was read last is kept."""

    def __init__(self, file: RemoteFile, size: int) -> None:
        """The `file` of `size` bytes, at its beginning."""
        super().__init__()
        self._file = file
        self._size = size
        self._position = 0
        self._kept = (0, b"")
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
        """Move to a position, and return it."""
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
        start, data = self._kept
        if not start <= offset <= offset + length <= start + len(data):
            # A reader of zip files reads a header, then what follows it, piece by piece.
            wanted = length
            if offset < self._size - TAIL_BYTES:
                self._ahead = min(4 * self._ahead, MOST_AHEAD)
                wanted = min(max(length, self._ahead), self._size - offset)
            start, data = self._kept = offset, self._file.read(offset, wanted)
        return data[offset - start : offset - start + length]
