"""The content of a large file, searched and cut as if it were in memory."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lading.system.untrusted import open_regular

WINDOW_BYTES = 1 << 20

SMALL_BYTES = 1 << 23
"""A file that is larger is not held in memory."""


class FileContent:
    """The content of an open file; of it, one window of a megabyte is in memory.

    It is not mapped: mapped pages count as memory of the process, and where the address space is
    limited a large file cannot be mapped.
    """

    def __init__(self, descriptor: int) -> None:
        """The content of the file at `descriptor`, which stays open for as long as this is used."""
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size
        self._start = 0
        self._window = b""

    def __len__(self) -> int:
        """Its size in bytes."""
        return self._size

    def __getitem__(self, part: "slice[int, int, None]") -> bytes:
        """The bytes from `part.start` to `part.stop`."""
        start, stop, _ = part.indices(self._size)
        end = self._start + len(self._window)
        if self._start <= start and stop <= end:
            return self._window[start - self._start : stop - self._start]
        return self._read(start, max(0, stop - start))

    def find(self, needle: bytes, start: int = 0, end: int | None = None) -> int:
        """The position of `needle` in the bytes from `start` to `end`; -1 if it is not there."""
        end = self._size if end is None else min(end, self._size)
        while start + len(needle) <= end:
            if not self._start <= start <= self._start + len(self._window) - len(needle):
                self._window = self._read(start, WINDOW_BYTES + len(needle))
                self._start = start
            found = self._window.find(needle, start - self._start, end - self._start)
            if found >= 0:
                return self._start + found
            # The end of the window may hold the beginning of the needle.
            start = self._start + max(1, len(self._window) - len(needle) + 1)
        return -1

    def _read(self, start: int, length: int) -> bytes:
        data = os.pread(self._descriptor, length, start)
        if len(data) < min(length, self._size - start):
            raise OSError("the file changed while it was read")
        return data


@contextmanager
def content_of(path: Path | str) -> Iterator[bytes | FileContent]:
    """The content of a regular file, in memory if it is small.

    Raises:
        OSError: It cannot be read, or is something else.
    """
    with open(open_regular(path), "rb", buffering=0) as stream:  # noqa: PTH123
        if os.fstat(stream.fileno()).st_size <= SMALL_BYTES:
            yield stream.read(SMALL_BYTES)
        else:
            yield FileContent(stream.fileno())
