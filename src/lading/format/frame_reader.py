"""Read frames by the bill.

The bill determines every byte between the contents: the reader renders the header that a member
must have and compares the bytes. It parses no tar header, so none can deceive it, and it writes
nothing that is not on the bill.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lading.conda import Kind
from lading.errors import ArchiveError, DigestMismatchError
from lading.format.compression import Format, decompress_chunks
from lading.format.manifest import FrameSlice, ManifestFile
from lading.format.tar_header import END_OF_ARCHIVE, padding

FETCH_AGAIN = "fetch the tarball again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame of a tarball, wherever its bytes come from.

    Attributes:
        bill: What it must be.
        format: How it is compressed.
        name: What to call the tarball in an error.
        read: Gives its compressed bytes, chunk by chunk; may be called by any thread.
    """

    bill: FrameSlice
    format: Format
    name: str
    read: Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member whose header matches the bill.

    Attributes:
        file: Its entry in the bill.
        mtime: Unix seconds.
        content: Chunks of a file's content, to be read before the next member; empty for links
            and directories. They are views of a buffer of a megabyte.
    """

    file: ManifestFile
    mtime: int
    content: Iterator[memoryview]


def read_members(frame: Frame) -> Iterator[Member]:
    """The members of a frame, in order.

    Raises:
        ArchiveError: The frame is damaged, or differs from the bill.
        DigestMismatchError: Its content matches the bill, its compressed bytes do not.
    """
    hasher = hashlib.sha256()
    bill = frame.bill
    stream = _Stream(chunks=decompress_chunks(frame.format, _hashed(frame.read(), hasher)))
    filling, before = b"", ""
    for item, header in zip(bill.files, bill.headers(), strict=True):
        # The padding of one member and the header of the next are compared together.
        if stream.read(len(filling) + len(header)) != filling + header:
            raise ArchiveError(
                f"{frame.name}: member does not match the bill (expected {item.path}"
                + (f", after {before})" if before else ")"),
                hint=FETCH_AGAIN,
            )
        size = item.size if item.type is Kind.FILE else 0
        yield Member(file=item, mtime=bill.package.mtime, content=stream.chunks_of(size))
        filling, before = padding(size), item.path
    if stream.read(len(filling)) != filling:
        raise ArchiveError(f"{frame.name} is damaged at {before}", hint=FETCH_AGAIN)
    ending = END_OF_ARCHIVE if bill.is_last else b""
    if stream.read(len(ending)) != ending or not stream.is_at_end():
        raise ArchiveError(f"{frame.name} contains more than its bill lists", hint=FETCH_AGAIN)
    if hasher.hexdigest() != bill.frame.sha256:
        raise DigestMismatchError(
            f"{frame.name}: the compressed bytes of {bill.package.name or 'the end'}"
            " do not match the bill",
            hint=FETCH_AGAIN,
            expected=bill.frame.sha256,
            actual=hasher.hexdigest(),
        )


def _hashed(chunks: Iterator[bytes], hasher: "hashlib._Hash") -> Iterator[bytes]:
    for chunk in chunks:
        hasher.update(chunk)
        yield chunk


@dataclass(slots=True)
class _Stream:
    """Exact reads from an iterator of chunks."""

    chunks: Iterator[bytes]
    buffer: bytes = b""
    position: int = 0

    def read(self, size: int) -> bytes:
        """The next `size` bytes; fewer at the end."""
        if self.position + size <= len(self.buffer):
            start = self.position
            self.position += size
            return self.buffer[start : self.position]
        return b"".join(self.chunks_of(size))

    def chunks_of(self, size: int) -> Iterator[memoryview]:
        """The next `size` bytes in chunks, not copied; fewer at the end."""
        while size > 0:
            if self.position == len(self.buffer) and not self._refill():
                return
            chunk = memoryview(self.buffer)[self.position : self.position + size]
            self.position += len(chunk)
            size -= len(chunk)
            yield chunk

    def is_at_end(self) -> bool:
        """Whether nothing follows."""
        return self.position == len(self.buffer) and not self._refill()

    def _refill(self) -> bool:
        for chunk in self.chunks:
            if chunk:
                self.buffer, self.position = chunk, 0
                return True
        return False
