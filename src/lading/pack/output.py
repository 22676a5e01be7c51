"""A file that is written and hashed at once."""

import hashlib
import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO

from lading.system import Digest

__all__ = ["HashedOutput"]


class HashedOutput:
    """Writes to a stream in a thread of its own while the caller's thread hashes.

    At most one piece waits to be written. An error of the disk is raised by the next call.
    """

    def __init__(self, stream: BinaryIO) -> None:
        """An output to `stream`, at its present position, which counts as 0."""
        self._stream = stream
        self._hasher = hashlib.sha256()
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="write")
        self._pending: Future[int] | None = None
        self.position = 0

    def write(self, data: bytes) -> None:
        """Append `data`.

        Raises:
            OSError: An earlier piece could not be written.
        """
        self._wait()
        self._pending = self._pool.submit(self._stream.write, data)
        self._hasher.update(data)
        self.position += len(data)

    def begin_sync(self) -> None:
        """Have what was written so far put on the disk while the caller does something else.

        Raises:
            OSError: An earlier piece could not be written.
        """
        self._wait()
        self._pending = self._pool.submit(self._sync)

    def _sync(self) -> int:
        self._stream.flush()
        os.fsync(self._stream.fileno())
        return 0

    def finish(self) -> Digest:
        """The digest of all that was written, once it is on the disk.

        Raises:
            OSError: It could not be written.
        """
        self._wait()
        self._sync()
        return Digest.sha256(self._hasher.hexdigest())

    def close(self) -> None:
        """Let the thread go; what was not written yet is."""
        self._pool.shutdown(wait=True)

    def _wait(self) -> None:
        if self._pending is not None:
            self._pending.result()
            self._pending = None
