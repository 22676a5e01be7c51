"""The decompressed stream of a tar, read forward piece by piece, as `tarfile` and readers need it.

`tarfile` reads the headers. Its own way of streaming copies each byte several times, in pieces of
10 kB; here contents are given out as views of what was decompressed.
"""

from collections.abc import Iterable, Iterator

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
