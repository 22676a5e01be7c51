"""Make one frame: read and check files, give them the shipped form, write tar members, compress.

Everything here runs in worker threads; reading, hashing and compressing let other threads run.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lading.conda import Kind
from lading.errors import ArchiveError, DigestMismatchError
from lading.format import (
    Compressor,
    Format,
    Header,
    Level,
    ManifestFile,
    Relocation,
    compressor,
    padding,
    render_header,
)
from lading.pack.conda_pack import Shipped, shipped_form, shipped_pip_form
from lading.pack.frames import FramePlan
from lading.package import Payload, PayloadFile
from lading.system import CHUNK_BYTES, Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedFrame:
    """A frame, ready to be written.

    Attributes:
        data: Its compressed bytes.
        size: Its decompressed length in bytes.
        sha256: Of `data`.
        files: Its members, in order.
        relocations: What relocation will rewrite of them, in order.
    """

    data: bytes
    size: int
    sha256: Digest
    files: tuple[ManifestFile, ...]
    relocations: tuple[Relocation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """Makes frames, all with the same options.

    Attributes:
        format: Of the tarball.
        level: Of compression.
        prefix: Where pip distributions were installed, absolute.
        newest: No member is newer, in Unix seconds; `SOURCE_DATE_EPOCH`, or None.
    """

    format: Format
    level: Level
    prefix: Path
    newest: int | None = None

    def encode(self, plan: FramePlan, ending: bytes = b"") -> EncodedFrame:
        """Make the frame that `plan` describes, with `ending` behind its members.

        Raises:
            DigestMismatchError: A file is not what its package says.
            ArchiveError: A file cannot be read, or cannot be shipped.
        """
        try:
            return self._encode(plan, ending)
        except OSError as error:
            raise ArchiveError(
                f"{error.filename or plan.payload.name} cannot be read: {error.strerror or error}",
                hint="the package cache was changed: run `lading install --force`",
            ) from error

    def _encode(self, plan: FramePlan, ending: bytes) -> EncodedFrame:
        mtime = mtime_of(plan.payload, self.newest)
        members = [
            _Member.of(item, plan.payload.manager, mtime, self.prefix) for item in plan.members
        ]
        size = sum(len(member.header) + member.size + -member.size % 512 for member in members)
        sink = _Sink(compressor(self.format, self.level, size + len(ending)))
        files = []
        for member in members:
            sink.write(member.header)
            files.append(member.copy_to(sink))
        sink.write(ending)
        data = sink.finish()
        return EncodedFrame(
            data=data,
            size=size + len(ending),
            sha256=Digest.sha256(hashlib.sha256(data).hexdigest()),
            files=tuple(files),
            relocations=tuple(
                Relocation.of(member.item.path, member.size, member.shipped.occurrences)
                for member in members
                if member.shipped is not None and member.shipped.occurrences
            ),
        )


def mtime_of(payload: Payload, newest: int | None) -> int:
    """The time that the members of `payload` carry, in Unix seconds."""
    return payload.mtime if newest is None else min(payload.mtime, newest)


@dataclass(slots=True)
class _Sink:
    """A compressor and what came out of it."""

    compressor: Compressor
    pieces: list[bytes] = field(default_factory=list)

    def write(self, data: bytes) -> None:
        self.pieces.append(self.compressor.feed(data))

    def finish(self) -> bytes:
        self.pieces.append(self.compressor.finish())
        return b"".join(self.pieces)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    """A member with its header, its content not yet read unless it had to be."""

    item: PayloadFile
    header: bytes
    mode: str
    size: int
    shipped: Shipped | None

    @classmethod
    def of(cls, item: PayloadFile, manager: str, mtime: int, prefix: Path) -> "_Member":
        shipped = _shipped(item, manager, prefix)
        if shipped is not None:
            size = len(shipped.content)
        elif item.place:
            size = os.stat(item.place).st_size  # noqa: PTH116  # no Path for tens of thousands
        else:
            size = len(item.content or b"")
        header = Header(
            path=item.path,
            kind=item.kind,
            size=size,
            executable=item.executable,
            mtime=mtime,
            target=item.target,
        )
        return cls(
            item=item,
            header=render_header(header),
            mode=f"{header.mode:04o}",
            size=size,
            shipped=shipped,
        )

    def copy_to(self, sink: _Sink) -> ManifestFile:
        """Write the content and its padding; return the entry of the bill."""
        item = self.item
        if item.kind is not Kind.FILE:
            return ManifestFile(path=item.path, type=item.kind, mode=self.mode, target=item.target)
        hasher = hashlib.sha256()
        size = 0
        for chunk in self._content():
            hasher.update(chunk)
            sink.write(chunk)
            size += len(chunk)
        if size != self.size:
            raise _changed(item, f"{self.size} bytes", f"{size} bytes")
        digest = Digest.sha256(hasher.hexdigest())
        if self.shipped is None and item.sha256 is not None and digest != item.sha256:
            raise _changed(item, str(item.sha256), str(digest))
        sink.write(padding(size))
        where = self.shipped.occurrences if self.shipped is not None else None
        return ManifestFile(
            path=item.path,
            type=item.kind,
            mode=self.mode,
            size=size,
            sha256=digest.hex,
            placeholder=where.placeholder.decode() if where else "",
            placeholder_mode=where.mode if where else None,
        )

    def _content(self) -> Iterator[bytes]:
        if self.shipped is not None:
            yield self.shipped.content
        elif not self.item.place:
            yield self.item.content or b""
        else:
            with open(self.item.place, "rb", buffering=0) as stream:  # noqa: PTH123  # as above
                while chunk := stream.read(CHUNK_BYTES):
                    yield chunk


def _shipped(item: PayloadFile, manager: str, prefix: Path) -> Shipped | None:
    """The shipped form of a file that may be rewritten, or None for all others."""
    if item.kind is not Kind.FILE or not item.place:
        return None
    # A `Path` is made only where one is needed: there are tens of thousands of files.
    if manager == "pip":
        return shipped_pip_form(item, _read_checked(item, Path(item.place)), prefix)
    if not item.placeholder:
        return None
    source = Path(item.place)
    _read_checked(item, source)
    return shipped_form(item, source)


def _read_checked(item: PayloadFile, source: Path) -> bytes:
    content = source.read_bytes()
    digest = Digest.sha256(hashlib.sha256(content).hexdigest())
    if item.sha256 is not None and digest != item.sha256:
        raise _changed(item, str(item.sha256), str(digest))
    return content


def _changed(item: PayloadFile, expected: str, actual: str) -> DigestMismatchError:
    return DigestMismatchError(
        f"{item.place} is not what its package says of {item.path}",
        hint="the package cache was changed: run `lading install --force`",
        expected=expected,
        actual=actual,
    )
