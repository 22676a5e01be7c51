"""The tail of a `tar.zst`: the pack manifest and the seek table, as skippable frames.

Every zstd decompressor passes over skippable frames, so the tarball remains an ordinary `tar.zst`.

Source: RFC 8878, 3.1.2 (skippable frames); zstd `contrib/seekable_format`, version 0.1.0.
"""

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lading.errors import ArchiveError
from lading.format.compression import compress_document, decompress_document
from lading.format.frame_reader import FETCH_AGAIN
from lading.format.manifest import LARGEST_BYTES

MANIFEST_MAGIC = 0x184D2A5D
SEEK_TABLE_MAGIC = 0x184D2A5E
SEEKABLE_MAGIC = 0x8F92EAB1
SKIPPABLE_HEADER_BYTES = 8
SEEK_FOOTER_BYTES = 9
SEEK_ENTRY_BYTES = 8
MOST_ENTRIES = 1 << 20
"""Frames of one tarball: no more are read, whatever a seek table claims."""

_CHECKSUM = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class SeekEntry:
    """One frame in the seek table.

    Attributes:
        compressed: Length of the frame in bytes.
        decompressed: Length of its content in bytes; 0 for a skippable frame.
    """

    compressed: int
    decompressed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """What follows the frames of a `tar.zst`.

    Attributes:
        document: The bill, not yet parsed.
        start: Where the skippable frame with it begins, in bytes.
        entries: The seek table without the entry of that frame.
    """

    document: bytes
    start: int
    entries: tuple[SeekEntry, ...]


def render_tail(document: bytes, entries: Sequence[SeekEntry]) -> bytes:
    """The bytes that follow the frames that `entries` list: the bill, then the seek table."""
    manifest = render_skippable(MANIFEST_MAGIC, compress_manifest(document))
    return manifest + render_seek_table([*entries, SeekEntry(len(manifest), 0)])


def read_tail(name: str, read: Callable[[int, int], bytes], size: int) -> Tail:
    """The tail of a tarball of `size` bytes.

    Args:
        name: What to call the tarball in an error.
        read: Reads so many bytes of it, from this position.
        size: Of the tarball in bytes.

    Raises:
        ArchiveError: It has no tail, or a damaged one.
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
    if entries[-1].compressed > LARGEST_BYTES:
        raise ArchiveError(f"the bill inside of {name} is too long", hint=FETCH_AGAIN)
    start = table_start - entries[-1].compressed
    payload = parse_skippable(read(entries[-1].compressed, start), MANIFEST_MAGIC)
    return Tail(
        document=decompress_manifest(payload, LARGEST_BYTES), start=start, entries=entries[:-1]
    )


def compress_manifest(data: bytes) -> bytes:
    """The payload of the manifest's skippable frame: one zstd frame and the CRC-32 of its bytes.

    zstd's own checksum covers the content alone; some bits of a zstd frame do not change that.
    """
    frame = compress_document(data)
    return frame + _CHECKSUM.pack(zlib.crc32(frame))


def decompress_manifest(data: bytes, limit: int) -> bytes:
    """The inverse of `compress_manifest`.

    Raises:
        ArchiveError: It is damaged, or longer than `limit` bytes.
    """
    frame, checksum = data[: -_CHECKSUM.size], data[-_CHECKSUM.size :]
    result = decompress_document(frame, limit)
    if checksum != _CHECKSUM.pack(zlib.crc32(frame)):
        raise ArchiveError("the manifest inside is damaged", hint="fetch it again")
    return result


def render_skippable(magic: int, payload: bytes) -> bytes:
    """A skippable frame."""
    return struct.pack("<II", magic, len(payload)) + payload


def parse_skippable(data: bytes, magic: int) -> bytes:
    """The payload of the skippable frame `data`.

    Raises:
        ArchiveError: It is another frame, or has another length.
    """
    if len(data) < SKIPPABLE_HEADER_BYTES:
        raise ArchiveError("a skippable frame is cut off", hint=FETCH_AGAIN)
    found, length = struct.unpack_from("<II", data)
    if found != magic or length != len(data) - SKIPPABLE_HEADER_BYTES:
        raise ArchiveError("a skippable frame is damaged", hint=FETCH_AGAIN)
    return data[SKIPPABLE_HEADER_BYTES:]


def render_seek_table(entries: Sequence[SeekEntry]) -> bytes:
    """The skippable frame that ends a seekable archive; without per-frame checksums."""
    table = b"".join(struct.pack("<II", item.compressed, item.decompressed) for item in entries)
    footer = struct.pack("<IBI", len(entries), 0, SEEKABLE_MAGIC)
    return render_skippable(SEEK_TABLE_MAGIC, table + footer)


def seek_table_bytes(footer: bytes) -> int:
    """The length of the whole seek table frame that ends in the 9 bytes `footer`.

    Raises:
        ArchiveError: They do not end a seek table.
    """
    count: int
    count, descriptor, magic = struct.unpack("<IBI", footer)
    if magic != SEEKABLE_MAGIC or descriptor != 0 or count > MOST_ENTRIES:
        raise ArchiveError(
            "the tarball has no seek table at its end",
            hint="it is cut off, or was not packed by lading: fetch it again",
        )
    return SKIPPABLE_HEADER_BYTES + count * SEEK_ENTRY_BYTES + SEEK_FOOTER_BYTES


def parse_seek_table(frame: bytes) -> tuple[SeekEntry, ...]:
    """The entries of the seek table frame `frame`.

    Raises:
        ArchiveError: It is damaged.
    """
    payload = parse_skippable(frame, SEEK_TABLE_MAGIC)
    if seek_table_bytes(payload[-SEEK_FOOTER_BYTES:]) != len(frame):
        raise ArchiveError("the seek table is damaged", hint=FETCH_AGAIN)
    table = payload[:-SEEK_FOOTER_BYTES]
    return tuple(SeekEntry(*pair) for pair in struct.iter_unpack("<II", table))
