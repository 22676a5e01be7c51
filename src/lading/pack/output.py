"""The file that a tarball is written to: hashed while frames are copied into it."""

import errno
import hashlib
import os

from lading.system import CHUNK_BYTES, Digest

_CANNOT_COPY = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF}


class HashedOutput:
    """Appends to a file, and knows the SHA-256 of everything that it appended."""

    def __init__(self, descriptor: int) -> None:
        """Write to the empty file at `descriptor`, which stays open for as long as this is used."""
        self._descriptor = descriptor
        self._hasher = hashlib.sha256()
        self._can_copy = hasattr(os, "copy_file_range")
        self.position = 0

    def write(self, data: bytes) -> None:
        """Append `data`."""
        self._hasher.update(data)
        self._put(data)

    def copy(self, source: int, length: int) -> None:
        """Append the first `length` bytes of the file `source`, moved by the system if it can.

        Where the file system can share blocks between files, nothing is moved at all.
        """
        offset = 0
        while offset < length:
            data = os.pread(source, min(CHUNK_BYTES, length - offset), offset)
            if not data:
                raise OSError(errno.EIO, "a file became shorter while it was copied")
            self._hasher.update(data)
            if self._can_copy and self._copied(source, offset, len(data)):
                self.position += len(data)
            else:
                self._put(data)
            offset += len(data)

    def _copied(self, source: int, offset: int, length: int) -> bool:
        """Let the system copy `length` bytes to the end; False where it cannot."""
        done = 0
        while done < length:
            try:
                moved = os.copy_file_range(
                    source,
                    self._descriptor,
                    length - done,
                    offset_src=offset + done,
                    offset_dst=self.position + done,
                )
            except OSError as error:
                if error.errno not in _CANNOT_COPY:
                    raise
                moved = 0
            if moved == 0:
                self._can_copy = False
                return False
            done += moved
        return True

    def _put(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(self._descriptor, view, self.position)
            self.position += written
            view = view[written:]

    def finish(self) -> Digest:
        """Write everything to disk; return the digest of all that was appended."""
        os.fsync(self._descriptor)
        return Digest.sha256(self._hasher.hexdigest())
