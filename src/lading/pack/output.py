"""Write a tarball, an image or an installer, hashed by a thread while it is written."""

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Thread

from lading.system import CHUNK_BYTES, Digest, begin_write_out

_CANNOT_COPY = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF}


class HashedOutput:
    """Appends to a file, and knows the SHA-256 of everything that stands in it.

    The thread learns the length of each piece from a queue; 0 says that no more will come. It waits
    for no lock, since an interrupt may come at any moment and leave a lock locked.
    """

    def __init__(self, descriptor: int) -> None:
        """Use `opened`."""
        self._descriptor = descriptor
        self._lengths: SimpleQueue[int] = SimpleQueue()
        self._thread = Thread(target=self._hash, name="hash", daemon=True)
        self._digest: Digest | OSError | None = None
        self.position = 0

    @classmethod
    @contextmanager
    def opened(cls, descriptor: int) -> Iterator["HashedOutput"]:
        """Write to the empty file at `descriptor`, which can be read too, and stays open."""
        output = cls(descriptor)
        try:
            output._thread.start()
            yield output
        finally:
            output._lengths.put(0)

    def _hash(self) -> None:
        """Hash what is appended, piece by piece; a file that became shorter has no digest.

        The disk begins to write each, so that less is left to wait for when all is written.
        """
        hasher = hashlib.sha256()
        done = 0
        try:
            while length := self._lengths.get():
                data = os.pread(self._descriptor, length, done)
                if len(data) < length:
                    return
                begin_write_out(self._descriptor, done, length)
                hasher.update(data)
                done += length
        except OSError as error:
            self._digest = error
        else:
            self._digest = Digest.sha256(hasher.hexdigest())

    def _move(self, length: int) -> None:
        self.position += length
        self._lengths.put(length)

    def write(self, data: bytes) -> None:
        """Append `data`."""
        view = memoryview(data)
        while view:
            written = os.pwrite(self._descriptor, view, self.position)
            self._move(written)
            view = view[written:]

    def copy(self, source: int, length: int) -> None:
        """Append the first `length` bytes of the file `source`.

        Raises:
            OSError: As from `copy_pieces`.
        """
        for moved in copy_pieces(source, length, self._descriptor, self.position):
            self._move(moved)

    def finish(self) -> Digest:
        """Write everything to disk; return the digest of all that was appended."""
        self._lengths.put(0)
        os.fsync(self._descriptor)
        self._thread.join()
        if not isinstance(self._digest, Digest):
            raise self._digest or OSError(errno.EIO, "a file became shorter while it was written")
        return self._digest


def copy_pieces(source: int, length: int, target: int, position: int) -> Iterator[int]:
    """Copy the first `length` bytes of the file `source`; give the length of each piece when done.

    The system moves them if it can. Where the file system can share blocks between files, nothing
    is moved at all.

    Args:
        source: A descriptor; where it stands does not matter.
        length: In bytes.
        target: A descriptor; where it stands does not matter.
        position: Where the first byte goes in it.

    Raises:
        OSError: `source` is shorter, or the target cannot be written.
    """
    can_move = hasattr(os, "copy_file_range")
    done = 0
    while done < length:
        size = min(CHUNK_BYTES, length - done)
        moved = _moved(source, done, target, position + done, size) if can_move else 0
        can_move = moved > 0
        if not moved:
            data = os.pread(source, size, done)
            if not data:
                raise OSError(errno.EIO, "a file became shorter while it was copied")
            moved = os.pwrite(target, data, position + done)
        done += moved
        yield moved


def _moved(source: int, offset: int, target: int, position: int, length: int) -> int:
    """Let the system copy at most `length` bytes; 0 where it cannot."""
    try:
        return os.copy_file_range(source, target, length, offset_src=offset, offset_dst=position)
    except OSError as error:
        if error.errno not in _CANNOT_COPY:
            raise
        return 0
