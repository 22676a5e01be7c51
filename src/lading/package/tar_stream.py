"""The decompressed stream of a tar, read forward piece by piece, as `tarfile` and readers need it.

`tarfile` reads the headers. Its own way of streaming copies each byte several times, in pieces of
10 kB; here contents are given out as views of what was decompressed.
"""

import tarfile
from collections.abc import Iterable, Iterator
from typing import Self
from zlib import adler32

LARGEST_HEADER = 1 << 20
"""Bytes that a header may have, with the names that follow it."""


class Limit:
    """Bytes that may still be read, shared by the parts of an archive."""

    def __init__(self, rest: int) -> None:
        """At most `rest` bytes."""
        self.rest = rest


class TarStream:
    """A stream that can be read and skipped, within a limit."""

    def __init__(self, pieces: Iterable[bytes], limit: Limit) -> None:
        """Read what `pieces` gives; none of them is empty."""
        self._pieces = iter(pieces)
        self._limit = limit
        self._piece = memoryview(b"")
        self._position = 0
        self._last = b""

    def tell(self) -> int:
        """How many bytes were read or skipped."""
        return self._position

    def seek(self, position: int) -> None:
        """Skip what stands before `position`.

        Raises:
            ValueError: That was read already.
        """
        if position < self._position:
            raise ValueError("a member begins within another")
        while self._position < position and self.take(position - self._position):
            pass

    def take(self, most: int) -> memoryview:
        """At least one and at most `most` of the next bytes; none at the end."""
        if not self._piece:
            data = next(self._pieces, b"")
            self._limit.rest -= len(data)
            if self._limit.rest < 0:
                raise ValueError("it is larger than any package")
            self._piece = memoryview(data)
        view = self._piece[:most]
        self._piece = self._piece[most:]
        self._position += len(view)
        return view

    def read(self, size: int) -> bytes:
        """The next `size` bytes of a header, fewer at the end."""
        if size > LARGEST_HEADER:
            raise ValueError("a header is too large")
        data = bytes(self.take(size))
        while len(data) < size and (more := self.take(size - len(data))):
            data += more
        self._last = data
        return data

    def expect_zeros(self, end: int) -> None:
        """Refuse what other readers could take for more members, behind `end` of the tar.

        The header that tarfile took for the end is looked at too.
        """
        if self._last[max(0, len(self._last) + end - self._position) :].strip(b"\0"):
            raise ValueError("something follows its end")
        while data := self.take(LARGEST_HEADER):
            if bytes(data).strip(b"\0"):
                raise ValueError("something follows its end")


class PlainInfo(tarfile.TarInfo):
    """A header; that of a plain file is read in a quarter of the time.

    What such a header says is read as `tarfile` reads it, except owner and group, which stay empty.
    """

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Read a block of 512 bytes."""
        if len(buf) != tarfile.BLOCKSIZE or not buf.isascii() or buf[156] != _FILE or buf[345]:
            return super().frombuf(buf, encoding, errors)
        # Of 512 bytes below 128 the low half of Adler-32 is their sum and one. The checksum itself
        # counts as eight spaces.
        total = (adler32(buf) & 0xFFFF) - 1 - sum(buf[148:156]) + 8 * 32
        try:
            if _number(buf[148:156]) != total:
                return super().frombuf(buf, encoding, errors)
            info = cls(buf[:100].partition(b"\0")[0].decode("ascii"))
            info.mode = _number(buf[100:108])
            info.size = _number(buf[124:136])
            info.mtime = _number(buf[136:148])
        except ValueError:
            return super().frombuf(buf, encoding, errors)
        return info


_FILE = ord("0")


def _number(field: bytes | bytearray) -> int:
    """An octal number, as `tarfile.nti` reads it."""
    return int(field.partition(b"\0")[0].strip() or b"0", 8)


class Content:
    """The content of a member, to be read once, before the next member is asked for."""

    def __init__(self, stream: TarStream, size: int) -> None:
        """The next `size` bytes of `stream`."""
        self._stream = stream
        self._rest = size

    def chunks(self) -> Iterator[memoryview]:
        """Yield what is left, as views of any size."""
        while self._rest:
            view = self._stream.take(self._rest)
            if not view:
                raise EOFError("it ends within a member")
            self._rest -= len(view)
            yield view

    def read(self) -> bytes:
        """The rest of it."""
        return b"".join(self.chunks())

    def close(self) -> None:
        """Let nothing more be read."""
        self._rest = 0
