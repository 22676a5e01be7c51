"""A cache of packages as frames, keyed by their inputs: packing again costs only what changed.

The key of a package covers every input, see `known_frames`. An entry is one file: the frames, as
they stand in the tarball, then what is known of them. A hit is copied by the file system; its
checksum is compared first, and a damaged entry is made again.

Entries appear by rename, so packs may share a cache; the least recently used are removed first.
Temporaries lie in the cache itself, entries in directories below it: what a killed worker left is
found without a look into each of them.
"""

import hashlib
import logging
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from lading.format import crc32
from lading.pack.encode import EncodedPackage, Origin
from lading.system import (
    CHUNK_BYTES,
    decode_msgpack,
    make_private_directory,
    remove_stale_temporaries,
    temporary_file,
)

LARGEST_BYTES = 20 << 30
"""What a cache may hold unless told otherwise: some forty environments of a gigabyte."""

FRAME_RULES = 6
"""Version of the rules that make a frame: raised whenever other bytes come of the same inputs.

A golden test fails when the bytes change and this number does not.
"""

Make = Callable[[Callable[[bytes], object]], EncodedPackage]
"""Makes the frames of a package; it is given what writes them."""

SUFFIX = ".frames"
MAGIC = b"lading\x00\x03"
MOST_META_BYTES = 1 << 28
_FOOTER = struct.Struct("<32sII8s")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPackage:
    """A package whose frames lie in a file.

    Attributes:
        path: The file, which begins with the frames, that of the file list last; or with the
            blocks of an image.
        encoded: What is known of them.
    """

    path: Path
    encoded: EncodedPackage

    @property
    def origin(self) -> Origin:
        """Where the package came from, which is known of frames that were made from an archive."""
        if self.encoded.origin is None:
            raise ValueError(f"{self.path} does not say where it came from")
        return self.encoded.origin


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameCache:
    """A directory of packages as frames.

    Attributes:
        directory: Absolute; made when it is needed.
        limit: Bytes that it may hold after `prune`.
    """

    directory: Path
    limit: int = LARGEST_BYTES

    def open(self) -> bool:
        """Create the directory where it is missing; return whether it may be used.

        A frame in it is believed, so nobody else may write there.
        """
        try:
            make_private_directory(self.directory)
        except OSError as error:
            _log.warning("no frames are kept in %s: %s", self.directory, error.strerror)
            return False
        return True

    def find(self, key: str) -> KeptPackage | None:
        """Look for the package with `key`; None where it is missing or damaged."""
        path = self._path(key)
        try:
            with path.open("rb", buffering=0) as stream:
                encoded = _read_entry(stream)
        except OSError:
            return None
        with suppress(OSError):
            # Its time is when it was used last; a cache that only others may write serves too.
            os.utime(path)
        if encoded is None:
            _log.warning("%s is damaged and made again", path)
            return None
        return KeptPackage(path=path, encoded=encoded)

    def store(self, key: str, make: Make) -> KeptPackage | None:
        """Store under `key` what `make` gives; on a full disk it is left out: None.

        Raises:
            LadingError: Whatever `make` raises, but for an error of writing.
        """
        path = self._path(key)
        try:
            path.parent.mkdir(exist_ok=True)
            with temporary_file(self.directory, path.name) as (temporary, stream):
                checksum = 0

                def write(data: bytes) -> None:
                    nonlocal checksum
                    checksum = crc32(data, checksum)
                    stream.write(data)

                encoded = make(write)
                stream.write(_render_meta(encoded, checksum))
                stream.flush()
                temporary.replace(path)
        except OSError as error:
            _log.warning("a package could not be kept in %s: %s", self.directory, error.strerror)
            return None
        return KeptPackage(path=path, encoded=encoded)

    def prune(self) -> int:
        """Remove the least recently used entries until `limit` holds; return the bytes freed.

        What killed workers left goes, too.
        """
        remove_stale_temporaries(self.directory)
        entries = sorted(self._entries())
        surplus = sum(size for _, size, _ in entries) - self.limit
        freed = 0
        for _, size, path in entries:
            if freed >= surplus:
                break
            freed += self._remove(path, size)
        return freed

    def clear(self) -> int:
        """Remove every entry, and what killed workers left; return the bytes of the entries."""
        remove_stale_temporaries(self.directory)
        return sum(self._remove(path, size) for _, size, path in sorted(self._entries()))

    def _entries(self) -> Iterator[tuple[float, int, Path]]:
        """Yield (time of last use, bytes, path) of each entry."""
        for path in self.directory.glob("*/*"):
            try:
                status = path.stat()
            except OSError:
                # Another pack was faster to remove it.
                continue
            yield status.st_mtime, status.st_size, path

    def _remove(self, path: Path, size: int) -> int:
        """Remove an entry, or leave it with a warning; return the bytes freed."""
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("%s cannot be removed: %s", path, error.strerror)
            return 0
        return size

    def _path(self, key: str) -> Path:
        return self.directory / key[:2] / f"{key}{SUFFIX}"


def _render_meta(encoded: EncodedPackage, checksum: int) -> bytes:
    meta = msgspec.msgpack.encode(encoded)
    return meta + _FOOTER.pack(hashlib.sha256(meta).digest(), len(meta), checksum, MAGIC)


def _read_entry(stream: BinaryIO) -> EncodedPackage | None:
    """What is known of the frames in an entry; None where a bit of it, or of them, is wrong."""
    size = stream.seek(0, os.SEEK_END)
    if size < _FOOTER.size:
        return None
    stream.seek(size - _FOOTER.size)
    digest, length, checksum, magic = _FOOTER.unpack(stream.read(_FOOTER.size))
    start = size - _FOOTER.size - length
    if magic != MAGIC or length > MOST_META_BYTES or start < 0:
        return None
    stream.seek(start)
    meta = stream.read(length)
    if hashlib.sha256(meta).digest() != digest:
        return None
    try:
        encoded = decode_msgpack(meta, EncodedPackage)
    except ValueError:
        # Whole, but of a lading that knew other things of a package.
        return None
    return encoded if encoded.length == start and _checksum(stream, start) == checksum else None


def _checksum(stream: BinaryIO, length: int) -> int:
    """CRC-32 of the first `length` bytes."""
    stream.seek(0)
    checksum = 0
    while length and (chunk := stream.read(min(length, CHUNK_BYTES))):
        checksum = crc32(chunk, checksum)
        length -= len(chunk)
    return checksum
