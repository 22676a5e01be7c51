"""The file that a tarball is written to: hashed by a thread while frames are copied into it."""

import errno
import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Condition

from lading.system import CHUNK_BYTES, Digest

_CANNOT_COPY = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF}


class HashedOutput:
    """Appends to a file, and knows the SHA-256 of everything that stands in it."""

    def __init__(self, descriptor: int) -> None:
        """Use `opened`."""
        self._descriptor = descriptor
        self._can_copy = hasattr(os, "copy_file_range")
        self._changed = Condition()
        self._has_ended = False
        self._digest: Future[str] | None = None
        self.position = 0

    @classmethod
    @contextmanager
    def opened(cls, descriptor: int) -> Iterator["HashedOutput"]:
        """Write to the empty file at `descriptor`, which can be read too, and stays open."""
        output = cls(descriptor)
        with ThreadPoolExecutor(1, thread_name_prefix="hash") as pool:
            try:
                output._digest = pool.submit(output._hash)
                yield output
            finally:
                # Before any lock is taken: the thread must end after an interrupt at any moment.
                output._has_ended = True

    def _hash(self) -> str:
        """Hash what was appended, as it grows, to its end."""
        hasher = hashlib.sha256()
        done = 0
        while (end := self._end_beyond(done)) > done:
            data = os.pread(self._descriptor, min(CHUNK_BYTES, end - done), done)
            if not data:
                raise OSError(errno.EIO, "a file became shorter while it was written")
            hasher.update(data)
            done += len(data)
        return hasher.hexdigest()

    def _end_beyond(self, done: int) -> int:
        """Wait until there is more than `done` bytes; the same number if there will never be."""
        with self._changed:
            while not self._has_ended and self.position <= done:
                self._changed.wait(0.05)
            return self.position

    def _move(self, length: int, *, ended: bool = False) -> None:
        with self._changed:
            self.position += length
            self._has_ended = ended
            self._changed.notify()

    def write(self, data: bytes) -> None:
        """Append `data`."""
        view = memoryview(data)
        while view:
            written = os.pwrite(self._descriptor, view, self.position)
            self._move(written)
            view = view[written:]

    def copy(self, source: int, length: int) -> None:
        """Append the first `length` bytes of the file `source`, moved by the system if it can.

        Where the file system can share blocks between files, nothing is moved at all.
        """
        offset = 0
        while offset < length:
            size = min(CHUNK_BYTES, length - offset)
            moved = self._moved(source, offset, size) if self._can_copy else 0
            if moved:
                self._move(moved)
            else:
                data = os.pread(source, size, offset)
                if not data:
                    raise OSError(errno.EIO, "a file became shorter while it was copied")
                self.write(data)
                moved = len(data)
            offset += moved

    def _moved(self, source: int, offset: int, length: int) -> int:
        """Let the system copy at most `length` bytes to the end; 0 where it cannot."""
        try:
            moved = os.copy_file_range(
                source, self._descriptor, length, offset_src=offset, offset_dst=self.position
            )
        except OSError as error:
            if error.errno not in _CANNOT_COPY:
                raise
            moved = 0
        self._can_copy = moved > 0
        return moved

    def finish(self) -> Digest:
        """Write everything to disk; return the digest of all that was appended."""
        self._move(0, ended=True)
        os.fsync(self._descriptor)
        assert self._digest is not None  # noqa: S101  # for the type checker
        return Digest.sha256(self._digest.result())
