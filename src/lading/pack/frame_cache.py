"""A cache of frames, keyed by their inputs: packing again costs only what changed.

The key of a frame covers every input: the digest, path, mode and placeholder of each member, the
time that they carry, the compressor with its version and level, and the versions of the rules. A
hit is copied; its digest is checked first, and a damaged entry is made again.

Entries appear by rename, so packs may share a cache; the least recently used are removed first.
"""

import hashlib
import logging
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

import msgspec

from lading.format import FRAME_FORMAT_VERSION, ManifestFile, Relocation, describe
from lading.pack.encode import EncodedFrame, Encoder, mtime_of
from lading.pack.frames import FramePlan
from lading.system import Digest, make_private_directory, write_atomically

LARGEST_BYTES = 20 << 30
"""What a cache may hold unless told otherwise: some forty environments of a gigabyte."""

FRAME_RULES = 2
"""Version of the rules that make a frame: raised whenever other bytes come of the same inputs.

A golden test fails when the bytes change and this number does not.
"""

SUFFIX = ".frame"
MAGIC = b"lading\x00\x01"
MOST_META_BYTES = 1 << 28
_HEADER = struct.Struct("<8sI32s")

_log = logging.getLogger(__name__)


class _Meta(msgspec.Struct, frozen=True, array_like=True):
    """The facts of a cached frame besides its bytes."""

    size: int
    sha256: str
    files: tuple[ManifestFile, ...]
    relocations: tuple[Relocation, ...]


# Made before there are threads: msgspec 0.22 crashes where two are the first to decode a type.
_META = msgspec.msgpack.Decoder(_Meta)


def frame_key(plan: FramePlan, encoder: Encoder, ending: bytes) -> str | None:
    """The key of the frame that `encoder` would make, hexadecimal.

    Returns:
        None for a frame with a member whose digest is unknown before it is read: packages older
        than `paths.json` list no digests.
    """
    members = []
    for item in plan.members:
        content = hashlib.sha256(item.content).hexdigest() if item.content is not None else ""
        digest = item.sha256.hex if item.sha256 is not None else content
        if item.place and not digest:
            return None
        members.append(
            (
                item.path,
                item.kind,
                digest,
                item.executable,
                item.target,
                item.placeholder,
                item.mode,
            )
        )
    inputs = {
        "frame_format": FRAME_FORMAT_VERSION,
        "conda_pack": version("conda-pack"),
        "rules": FRAME_RULES,
        "compressor": describe(encoder.format, encoder.level),
        "manager": plan.payload.manager,
        # A pip distribution's files may name the prefix; what takes its place does not.
        "prefix": str(encoder.prefix) if plan.payload.manager == "pip" else "",
        "mtime": mtime_of(plan.payload, encoder.newest),
        "ending": len(ending),
        "members": members,
    }
    return hashlib.sha256(msgspec.msgpack.encode(inputs)).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameCache:
    """A directory of frames.

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

    def find(self, key: str) -> EncodedFrame | None:
        """Read the frame with `key`; None where it is missing or damaged."""
        path = self._path(key)
        try:
            with path.open("rb", buffering=0) as stream:
                frame = _read_entry(stream)
        except OSError:
            return None
        with suppress(OSError):
            # Its time is when it was used last; a cache that only others may write serves too.
            os.utime(path)
        if frame is None:
            _log.warning("%s is damaged and made again", path)
        return frame

    def store(self, key: str, frame: EncodedFrame) -> None:
        """Store `frame` under `key`; on a full disk it is left out, and packing goes on."""
        path = self._path(key)
        try:
            write_atomically(path, _render_entry(frame))
        except OSError as error:
            _log.warning("a frame could not be kept in %s: %s", self.directory, error.strerror)

    def prune(self) -> int:
        """Remove the least recently used entries until `limit` holds; return the bytes freed."""
        entries = sorted(self._entries())
        surplus = sum(size for _, size, _ in entries) - self.limit
        freed = 0
        for _, size, path in entries:
            if freed >= surplus:
                break
            freed += self._remove(path, size)
        return freed

    def clear(self) -> int:
        """Remove every entry; return the bytes freed."""
        return sum(self._remove(path, size) for _, size, path in sorted(self._entries()))

    def _entries(self) -> Iterator[tuple[float, int, Path]]:
        """Yield (time of last use, bytes, path) of each entry and of what killed packs left."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class CachingEncoder:
    """An encoder that asks the cache first.

    Attributes:
        encoder: Makes what the cache lacks.
        cache: Where frames are kept, or None for no cache.
    """

    encoder: Encoder
    cache: FrameCache | None

    def encode(self, plan: FramePlan, ending: bytes = b"") -> EncodedFrame:
        """Find or make the frame that `plan` describes; see `Encoder.encode`."""
        key = frame_key(plan, self.encoder, ending) if self.cache is not None else None
        if self.cache is None or key is None:
            return self.encoder.encode(plan, ending)
        frame = self.cache.find(key)
        if frame is None:
            frame = self.encoder.encode(plan, ending)
            self.cache.store(key, frame)
        return frame


def _render_entry(frame: EncodedFrame) -> tuple[bytes, bytes, bytes]:
    meta = msgspec.msgpack.encode(
        _Meta(
            size=frame.size,
            sha256=frame.sha256.hex,
            files=frame.files,
            relocations=frame.relocations,
        )
    )
    header = _HEADER.pack(MAGIC, len(meta), hashlib.sha256(meta).digest())
    return header, meta, frame.data


def _read_entry(stream: BinaryIO) -> EncodedFrame | None:
    """Read the frame of an entry; None where a bit of it is wrong.

    It is read piece by piece, so that a frame of 30 MB is not copied to cut its header off.
    """
    header = stream.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    magic, length, digest = _HEADER.unpack(header)
    if magic != MAGIC:
        return None
    meta_bytes = stream.read(min(length, MOST_META_BYTES))
    if hashlib.sha256(meta_bytes).digest() != digest:
        return None
    try:
        meta = _META.decode(meta_bytes)
    except msgspec.DecodeError:
        # Whole, but of a lading that knew other things of a frame.
        return None
    data = stream.read()
    if hashlib.sha256(data).hexdigest() != meta.sha256:
        return None
    return EncodedFrame(
        data=data,
        size=meta.size,
        sha256=Digest.sha256(meta.sha256),
        files=meta.files,
        relocations=meta.relocations,
    )
