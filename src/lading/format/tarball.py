"""Opening a tarball: its format, its bill, and where its frames lie."""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol

from lading.errors import ArchiveError, DigestMismatchError, ManifestError
from lading.format.compression import (
    GZIP_MAGIC,
    MANIFEST_MAGIC,
    SEEK_FOOTER_BYTES,
    ZSTD_MAGIC,
    Format,
    SeekEntry,
    decompress_manifest,
    parse_seek_table,
    parse_skippable,
    seek_table_bytes,
)
from lading.format.frame_reader import FETCH_AGAIN, Frame
from lading.format.manifest import (
    LARGEST_BYTES,
    FrameSlice,
    Manifest,
    parse_manifest,
)
from lading.system import Digest, sha256_of

__all__ = [
    "CHECKSUMS_SUFFIX",
    "MANIFEST_SUFFIX",
    "BillOnly",
    "PipedTarball",
    "Tarball",
    "TarballSource",
    "beside",
    "check_end",
    "open_bill",
    "open_manifest",
    "open_spooled",
    "open_tarball",
    "parse_inside",
    "read_inside",
]

CHUNK_BYTES = 1 << 20
MANIFEST_SUFFIX = ".manifest.json"
CHECKSUMS_SUFFIX = ".sha256"


class TarballSource(Protocol):
    """A tarball on its way: its bill, and its frames in order."""

    @property
    def manifest(self) -> Manifest:
        """Its bill, checked."""
        ...

    @property
    def manifest_bytes(self) -> bytes:
        """The bill's canonical bytes."""
        ...

    @property
    def manifest_sha256(self) -> Digest:
        """Of the bill's canonical bytes."""
        ...

    def frames(self) -> Iterator[Frame]:
        """The frames, in order; to be iterated once, by one thread."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tarball:
    """An open tarball.

    Attributes:
        path: Where it lies.
        descriptor: Open for reading; positions are given with each read, so threads may share it.
        size: In bytes.
        format: Of its compression.
        manifest: Its bill, checked.
        manifest_sha256: Of the bill's canonical bytes.
        manifest_bytes: The bill's canonical bytes.
    """

    path: Path
    descriptor: int
    size: int
    format: Format
    manifest: Manifest
    manifest_sha256: Digest
    manifest_bytes: bytes = field(repr=False)

    def frames(self) -> Iterator[Frame]:
        """The frames, in order; each is read when it is asked for."""
        for bill in self.manifest.slices():
            read = partial(self._read_frame, bill)
            yield Frame(bill=bill, format=self.format, name=self.path.name, read=read)

    def _read_frame(self, frame_slice: FrameSlice) -> Iterator[bytes]:
        """The compressed bytes of one frame.

        Raises:
            ArchiveError: The tarball ends before the frame does.
        """
        position = frame_slice.frame.offset
        end = position + frame_slice.frame.length
        while position < end:
            chunk = os.pread(self.descriptor, min(CHUNK_BYTES, end - position), position)
            if not chunk:
                raise ArchiveError(f"{self.path.name} is cut off", hint=FETCH_AGAIN)
            position += len(chunk)
            yield chunk


@dataclass(frozen=True, slots=True, kw_only=True)
class PipedTarball:
    """A tarball that comes through a pipe, its bill known beforehand.

    Attributes:
        stream: Where it comes from.
        name: What to call it in an error.
        manifest: Its bill, checked.
        manifest_sha256: Of the bill's canonical bytes.
        manifest_bytes: The bill's canonical bytes.
    """

    stream: BinaryIO
    name: str
    manifest: Manifest
    manifest_sha256: Digest
    manifest_bytes: bytes = field(repr=False)

    def frames(self) -> Iterator[Frame]:
        """The frames, in order; a frame is read whole before it is given away.

        The pipe is read to its end, where the same bill must stand: whoever writes into it is not
        left with a broken one.

        Raises:
            ArchiveError: The pipe ends too early or too late, or with another bill.
        """
        format_ = None
        for bill in self.manifest.slices():
            data = self.stream.read(bill.frame.length)
            if len(data) != bill.frame.length:
                raise ArchiveError(f"{self.name} is cut off", hint=FETCH_AGAIN)
            format_ = format_ or _format_of(data) or Format.TAR
            yield Frame(bill=bill, format=format_, name=self.name, read=partial(_once, data))
        self._check_tail(format_ or Format.TAR)

    def _check_tail(self, format_: Format) -> None:
        tail = self.stream.read(LARGEST_BYTES)
        end = sum(item.frame.length for item in self.manifest.slices())

        def read(length: int, offset: int) -> bytes:
            start = offset - end
            return tail[start : start + length] if start >= 0 else b""

        size = end + len(tail)
        inside = read_inside(self.name, read, size) if format_ is Format.ZSTD else None
        check_end(self.name, size, self.manifest, self.manifest_bytes, inside)


@dataclass(frozen=True, slots=True, kw_only=True)
class BillOnly:
    """A bill without its tarball: all frames must be elsewhere.

    Attributes:
        manifest: The bill, checked.
        manifest_sha256: Of its canonical bytes.
        manifest_bytes: Its canonical bytes.
    """

    manifest: Manifest
    manifest_sha256: Digest
    manifest_bytes: bytes = field(repr=False)

    def frames(self) -> Iterator[Frame]:
        """None."""
        return iter(())


def _once(data: bytes) -> Iterator[bytes]:
    yield data


def open_manifest(path: Path) -> tuple[Manifest, bytes]:
    """The bill at `path`, checked, and its canonical bytes.

    Raises:
        ManifestError: It is missing or malformed.
        UnsafePathError: It lists what must not be written.
        DigestMismatchError: A `.sha256` file beside it names another bill.
    """
    document = _read_manifest_file(path)
    manifest = parse_manifest(document, path.name)
    stem = path.name.removesuffix(MANIFEST_SUFFIX)
    _check_against_checksums(path, path.with_name(stem + CHECKSUMS_SUFFIX), document)
    return manifest, document


def open_bill(path: Path) -> BillOnly:
    """The bill at `path`, without its tarball; see `open_manifest`."""
    manifest, document = open_manifest(path)
    return BillOnly(manifest=manifest, manifest_sha256=sha256_of(document), manifest_bytes=document)


@contextmanager
def open_tarball(path: Path, manifest: Path | None = None) -> Iterator[Tarball]:
    """The tarball at `path`, with its bill.

    Args:
        path: `.tar.zst`, `.tar.gz` or `.tar`.
        manifest: Where the bill lies; None means inside of a `.tar.zst`, beside the others.

    Raises:
        ArchiveError: It is no tarball of lading, or is cut off.
        ManifestError: The bill is missing or malformed.
        UnsafePathError: The bill lists what must not be written.
        DigestMismatchError: A `.sha256` file beside it names another bill.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise ArchiveError(f"{path}: {error.strerror}", hint="name an existing tarball") from error
    try:
        yield _open(path, descriptor, manifest)
    finally:
        os.close(descriptor)


def open_spooled(stream: BinaryIO, name: str) -> Tarball:
    """The tarball in an open file that has no name, and its bill inside.

    Args:
        stream: Flushed; stays open as long as the tarball is used.
        name: What to call it in an error.

    Raises:
        ArchiveError: It is no tarball of lading, or is cut off.
        ManifestError: It is one in whose format no bill stands inside.
        UnsafePathError: The bill lists what must not be written.
    """
    descriptor = stream.fileno()
    path = Path(name)
    size = os.fstat(descriptor).st_size
    if _format(path, os.pread(descriptor, 4, 0)) is not Format.ZSTD:
        raise ManifestError(f"{name} has no bill inside", hint="name the manifest with --manifest")
    inside = read_inside(name, partial(os.pread, descriptor), size)
    bill = parse_inside(path.name, inside.document)
    check_end(name, size, bill, inside.document, inside)
    return Tarball(
        path=path,
        descriptor=descriptor,
        size=size,
        format=Format.ZSTD,
        manifest=bill,
        manifest_sha256=sha256_of(inside.document),
        manifest_bytes=inside.document,
    )


def _open(path: Path, descriptor: int, manifest: Path | None) -> Tarball:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise ArchiveError(f"{path} is no file", hint="name an existing tarball")
    format_ = _format(path, os.pread(descriptor, 4, 0))
    inside = None
    if format_ is Format.ZSTD:
        inside = read_inside(str(path), partial(os.pread, descriptor), status.st_size)
    if manifest is not None or inside is None:
        bill_path = manifest or beside(path, MANIFEST_SUFFIX)
        document = _read_manifest_file(bill_path)
        bill = parse_manifest(document, bill_path.name)
    else:
        document = inside.document
        bill = parse_inside(path.name, document)
    bill_path = beside(path, MANIFEST_SUFFIX)
    _check_against_checksums(bill_path, beside(path, CHECKSUMS_SUFFIX), document)
    check_end(str(path), status.st_size, bill, document, inside)
    return Tarball(
        path=path,
        descriptor=descriptor,
        size=status.st_size,
        format=format_,
        manifest=bill,
        manifest_sha256=sha256_of(document),
        manifest_bytes=document,
    )


def parse_inside(name: str, document: bytes) -> Manifest:
    """The bill inside of a tarball; where it is malformed, so is the tarball."""
    try:
        return parse_manifest(document, name)
    except ManifestError as error:
        raise ArchiveError(error.message, hint=error.hint) from error


def _format(path: Path, head: bytes) -> Format:
    found = _format_of(head) or (Format.TAR if path.name.endswith(".tar") else None)
    if found is None:
        raise ArchiveError(f"{path} is no tar.zst, tar.gz or tar", hint="name a tarball of lading")
    return found


def _format_of(head: bytes) -> Format | None:
    """The compression that `head` begins with; None where there is none."""
    if head.startswith(ZSTD_MAGIC):
        return Format.ZSTD
    return Format.GZIP if head.startswith(GZIP_MAGIC) else None


def beside(tarball: Path, suffix: str) -> Path:
    """Where the companion of a tarball lies: its manifest or its checksums.

    A `tar.zst` gives its companions its stem. The others keep their whole name in front, so that
    one directory can hold an environment in several formats.
    """
    return tarball.with_name(tarball.name.removesuffix(f".{Format.ZSTD}") + suffix)


def _read_manifest_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ManifestError(
            f"{path}: {error.strerror}", hint="name the manifest with --manifest"
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inside:
    """What stands behind the frames of a `tar.zst`.

    Attributes:
        document: The bill, not yet parsed.
        start: Where the skippable frame with it begins, in bytes.
        entries: The seek table, its entry for that frame left out.
    """

    document: bytes
    start: int
    entries: tuple[SeekEntry, ...]


def read_inside(name: str, read: Callable[[int, int], bytes], size: int) -> _Inside:
    """The manifest in the skippable frame before the seek table, and the seek table.

    Args:
        name: What to call the tarball in an error.
        read: Gives so many bytes of it, from this position.
        size: Of the tarball in bytes.
    """
    footer = read(SEEK_FOOTER_BYTES, max(0, size - SEEK_FOOTER_BYTES))
    if len(footer) != SEEK_FOOTER_BYTES:
        raise ArchiveError(f"{name} is cut off", hint=FETCH_AGAIN)
    table_size = seek_table_bytes(footer)
    if table_size > size:
        raise ArchiveError(f"{name} is cut off", hint=FETCH_AGAIN)
    table_start = size - table_size
    entries = parse_seek_table(read(table_size, table_start))
    total = sum(entry.compressed for entry in entries)
    if not entries or total != table_start or entries[-1].decompressed != 0:
        raise ArchiveError(f"the seek table of {name} is damaged", hint=FETCH_AGAIN)
    start = table_start - entries[-1].compressed
    frame = read(entries[-1].compressed, start)
    payload = parse_skippable(frame, MANIFEST_MAGIC)
    return _Inside(
        document=decompress_manifest(payload, LARGEST_BYTES), start=start, entries=entries[:-1]
    )


def _check_against_checksums(bill: Path, checksums: Path, document: bytes) -> None:
    """If the checksums are there, the bill must be the one that they name."""
    try:
        lines = checksums.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        digest, _, listed = line.partition("  ")
        if listed == bill.name and digest != sha256_of(document).hex:
            raise DigestMismatchError(
                f"{bill.name} is not the one that {checksums.name} names",
                hint=FETCH_AGAIN,
                expected=digest,
                actual=sha256_of(document).hex,
            )


def check_end(
    name: str, size: int, bill: Manifest, document: bytes, inside: _Inside | None
) -> None:
    """Nothing may stand behind the last frame but this very manifest and a true seek table."""
    frames = [item.frame for item in bill.slices()]
    end = size if inside is None else inside.start
    if end != sum(frame.length for frame in frames):
        raise ArchiveError(f"{name} has another length than its bill says", hint=FETCH_AGAIN)
    if inside is None:
        return
    if inside.document != document:
        raise ArchiveError(f"{name} carries another bill than this one", hint=FETCH_AGAIN)
    if inside.entries != tuple(SeekEntry(frame.length, frame.size) for frame in frames):
        raise ArchiveError(f"the seek table of {name} is not what its bill says", hint=FETCH_AGAIN)
