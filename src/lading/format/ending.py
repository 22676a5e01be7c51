"""The end of a tarball: the bill as its last member, and what leads to it from the last byte.

    tar.zst   the bill's frame, a skippable frame with its CRC-32, the seek table of all frames
    tar.gz    the bill's gzip member, an empty one whose extra field has its place and CRC-32
    tar       the bill's header and content, the end of the archive

The bill's own frame is not on the bill. So its header has the SHA-256 of the document as a comment,
and all that follows the document is rendered from it and compared: no bit of it can change unseen.
(The CRC-32 is for bits of a compressed frame that do not change its content.)

Source: as of `seekable`; RFC 1952, 2.3.1.1 (extra fields); eStargz, which has such a footer.
"""

import struct
import zlib
from collections.abc import Callable

import msgspec

from lading.conda import Kind
from lading.errors import ArchiveError
from lading.format.compression import Format, Level, compress, decompress
from lading.format.file_list import FETCH_AGAIN
from lading.format.frames import list_member_size
from lading.format.manifest import LARGEST_BILL, Manifest, longest_frame, parse_manifest
from lading.format.relocation import MANIFEST_PATH
from lading.format.seekable import (
    SEEK_FOOTER_BYTES,
    SEEKABLE_MAGIC,
    SeekEntry,
    parse_seek_table,
    render_seek_table,
    render_skippable,
    seek_table_bytes,
)
from lading.format.tar_header import BLOCK_BYTES, END_OF_ARCHIVE, Header, padding, render_header
from lading.system import sha256_of

INSTALLER_HEAD = b"#!/bin/sh\n# Installs the environment "
"""Of the script in front of a `tar.gz`."""

CHECKSUM_MAGIC = 0x184D2A5C
CHECKSUM_BYTES = 12
FORMAT_1_MAGIC = 0x184D2A5D
"""Of the skippable frame that held the bill in format 1."""

_GZIP_HEAD = b"\x1f\x8b\x08\x04" + bytes(5) + b"\xff" + struct.pack("<H2sH", 16, b"LB", 12)
"""Of an empty gzip member with an extra field of 12 bytes whose id is `LB`."""
_GZIP_TAIL = b"\x03\x00" + bytes(8)
GZIP_FOOTER_BYTES = len(_GZIP_HEAD) + 12 + len(_GZIP_TAIL)

HEADER_BYTES = 3 * BLOCK_BYTES
"""Of the bill as a member: a pax header, its comment, the header itself."""
LARGEST_CONTENT = LARGEST_BILL + HEADER_BYTES + 4 * BLOCK_BYTES
SEARCH_BYTES = 1 << 20

Read = Callable[[int, int], bytes]
"""Reads so many bytes (second) from this position (first), fewer at the end."""


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a tarball, not yet compared with the bill in it.

    Attributes:
        start: Where the bill's frame begins.
        content: The bill as a member: header, document, padding, end of the archive.
        behind: The bytes that follow the bill's frame.
    """

    format: Format
    start: int
    content: bytes
    behind: bytes
    frame: bytes

    @property
    def document(self) -> bytes:
        """The bill, not yet parsed: it ends with a line break, and holds no zero byte."""
        return self.content[HEADER_BYTES:].rstrip(b"\0")

    def check(self, manifest: Manifest, name: str) -> None:
        """Refuse anything but what follows from the bill.

        Raises:
            ArchiveError: Something else stands there.
        """
        last = manifest.packages[-1].listed
        if self.start != last.offset + last.length:
            raise ArchiveError(f"{name} has another length than its bill says", hint=FETCH_AGAIN)
        expected = render_bill_member(self.document, manifest.mtime)
        behind = render_behind(self.format, manifest, self.frame, len(expected))
        if self.content != expected or self.behind != behind:
            raise ArchiveError(f"the end of {name} does not match its bill", hint=FETCH_AGAIN)


def render_bill_member(document: bytes, mtime: int) -> bytes:
    """The bill as the last member, and the end of the archive."""
    header = Header(
        path=MANIFEST_PATH,
        kind=Kind.FILE,
        size=len(document),
        executable=False,
        mtime=mtime,
        comment=f"sha256:{sha256_of(document).hex}",
    )
    return render_header(header) + document + padding(len(document)) + END_OF_ARCHIVE


def render_ending(format_: Format, level: Level, manifest: Manifest, document: bytes) -> bytes:
    """Everything that follows the last list: the bill, and what leads to it."""
    content = render_bill_member(document, manifest.mtime)
    frame = compress(format_, level, content)
    return frame + render_behind(format_, manifest, frame, len(content))


def render_behind(format_: Format, manifest: Manifest, frame: bytes, size: int) -> bytes:
    """What follows the bill's `frame`, whose content has `size` bytes."""
    checksum = struct.pack("<I", zlib.crc32(frame))
    match format_:
        case Format.TAR:
            return b""
        case Format.GZIP:
            last = manifest.packages[-1].listed
            place = struct.pack("<Q", last.offset + last.length)
            return _GZIP_HEAD + place + checksum + _GZIP_TAIL
        case Format.ZSTD:
            entries = [
                SeekEntry(frame.length, frame.size)
                for package in manifest.packages
                for frame in package.frames
            ]
            entries += [
                SeekEntry(item.listed.length, list_member_size(item.list_path, item.listed.size))
                for item in manifest.packages
            ]
            entries += [SeekEntry(len(frame), size), SeekEntry(CHECKSUM_BYTES, 0)]
            return render_skippable(CHECKSUM_MAGIC, checksum) + render_seek_table(entries)


def read_ending(name: str, read: Read, size: int) -> Ending:
    """The end of a tarball of `size` bytes.

    Raises:
        ArchiveError: It has none, or a damaged one.
        ManifestError: It has format 1.
    """
    tail = read(max(0, size - GZIP_FOOTER_BYTES), min(size, GZIP_FOOTER_BYTES))
    try:
        if tail.endswith(SEEKABLE_MAGIC):
            return _zstd_ending(name, read, size)
        if tail.startswith(_GZIP_HEAD) and tail.endswith(_GZIP_TAIL):
            place, checksum = struct.unpack_from("<Q4s", tail, len(_GZIP_HEAD))
            start, stop = int(place), size - len(tail)
            return _framed(Format.GZIP, read, start, stop, tail, checksum)
        if size % BLOCK_BYTES == 0 and tail and not any(tail):
            return _tar_ending(read, size)
    except (ArchiveError, struct.error) as error:
        _refuse_installer(name, read)
        raise ArchiveError(f"the end of {name} is damaged: {error}", hint=FETCH_AGAIN) from error
    raise _no_bill(name)


def _refuse_installer(name: str, read: Read) -> None:
    """Say so where it is an installer: it ends as the tarball in it, and checks that itself."""
    if read(0, len(INSTALLER_HEAD)) == INSTALLER_HEAD:
        raise ArchiveError(
            f"{name} is an installer, not a tarball: its script checks what is in it",
            hint="run it with sh, or compare it with the .sha256 file beside it",
        )


def _no_bill(name: str) -> ArchiveError:
    return ArchiveError(
        f"{name} is not a tarball of lading, or is cut off: it has no bill at its end",
        hint="fetch it again, or pack it again",
    )


def _zstd_ending(name: str, read: Read, size: int) -> Ending:
    footer = read(size - SEEK_FOOTER_BYTES, SEEK_FOOTER_BYTES)
    table_start = size - seek_table_bytes(footer)
    if table_start < CHECKSUM_BYTES:
        raise ArchiveError("the seek table is longer than the tarball", hint=FETCH_AGAIN)
    entries = parse_seek_table(read(table_start, size - table_start))
    if sum(item.compressed for item in entries) != table_start or len(entries) < 2:  # noqa: PLR2004  # the bill and its checksum
        raise ArchiveError("the seek table is damaged", hint=FETCH_AGAIN)
    stop = table_start - entries[-1].compressed
    behind = read(stop, size - stop) if entries[-1].compressed == CHECKSUM_BYTES else b""
    if not behind:
        _refuse_format_1(name, read(stop, min(entries[-1].compressed, LARGEST_CONTENT)))
    if entries[-2].decompressed > LARGEST_CONTENT:
        raise ArchiveError("the bill is too long", hint=FETCH_AGAIN)
    return _framed(
        Format.ZSTD, read, stop - entries[-2].compressed, stop, behind, behind[8:CHECKSUM_BYTES]
    )


def _refuse_format_1(name: str, frame: bytes) -> None:
    """Say so where the bill stands as it did in format 1: compressed in a skippable frame."""
    if frame[:4] == struct.pack("<I", FORMAT_1_MAGIC):
        parse_manifest(decompress(Format.ZSTD, frame[8:-4], None, most=LARGEST_CONTENT), name)
    raise ArchiveError("the seek table is damaged", hint=FETCH_AGAIN)


def _framed(  # the parts of one place
    format_: Format, read: Read, start: int, stop: int, behind: bytes, checksum: bytes
) -> Ending:
    """The ending whose bill is in the compressed frame from `start` to `stop`."""
    if not 0 <= start < stop or stop - start > longest_frame(LARGEST_CONTENT):
        raise ArchiveError("the bill has an impossible place", hint=FETCH_AGAIN)
    frame = read(start, stop - start)
    if struct.pack("<I", zlib.crc32(frame)) != checksum:
        raise ArchiveError("the bill is damaged", hint=FETCH_AGAIN)
    content = decompress(format_, frame, None, most=LARGEST_CONTENT)
    return Ending(format=format_, start=start, content=content, behind=behind, frame=frame)


def _tar_ending(read: Read, size: int) -> Ending:
    """The ending of a plain tar: its header is searched for from the end."""
    wanted = MANIFEST_PATH.encode() + b"\0"
    stop = size
    while stop > max(0, size - LARGEST_CONTENT):
        start = max(0, stop - SEARCH_BYTES)
        data = read(start, stop - start)
        found = data.rfind(wanted)
        while found >= 0 and (
            (start + found) % BLOCK_BYTES or data[found + 257 : found + 262] != b"ustar"
        ):
            found = data.rfind(wanted, 0, found)
        if found >= 0:
            place = start + found - HEADER_BYTES + BLOCK_BYTES
            content = read(max(0, place), size - max(0, place))
            return Ending(
                format=Format.TAR, start=place, content=content, behind=b"", frame=content
            )
        stop = start
    raise ArchiveError("it has no bill", hint=FETCH_AGAIN)
