"""The seek table at the end of a `tar.zst`: where its frames begin.

Every zstd decompressor passes over skippable frames, so the tarball remains an ordinary `tar.zst`.

Source: RFC 8878, 3.1.2 (skippable frames); zstd `contrib/seekable_format`, version 0.1.0.
"""

import struct
from collections.abc import Sequence

import msgspec

from lading.errors import ArchiveError
from lading.format.file_list import FETCH_AGAIN
from lading.format.manifest import MOST_FRAMES

SEEK_TABLE_MAGIC = 0x184D2A5E
SEEKABLE_MAGIC = struct.pack("<I", 0x8F92EAB1)
SKIPPABLE_HEADER_BYTES = 8
SEEK_FOOTER_BYTES = 9
SEEK_ENTRY_BYTES = 8


class SeekEntry(msgspec.Struct, frozen=True):
    """One frame in the seek table.

    Attributes:
        compressed: Length of the frame in bytes.
        decompressed: Length of its content in bytes; 0 for a skippable frame.
    """

    compressed: int
    decompressed: int


def render_skippable(magic: int, payload: bytes) -> bytes:
    """A skippable frame."""
    return struct.pack("<II", magic, len(payload)) + payload


def render_seek_table(entries: Sequence[SeekEntry]) -> bytes:
    """The skippable frame that ends a seekable archive; without per-frame checksums."""
    table = b"".join(struct.pack("<II", item.compressed, item.decompressed) for item in entries)
    footer = struct.pack("<IB", len(entries), 0) + SEEKABLE_MAGIC
    return render_skippable(SEEK_TABLE_MAGIC, table + footer)


def seek_table_bytes(footer: bytes) -> int:
    """The length of the whole seek table frame that ends in the 9 bytes `footer`.

    Raises:
        ArchiveError: They do not end a seek table, or one of more frames than a tarball has.
    """
    count: int
    count, descriptor = struct.unpack_from("<IB", footer)
    if footer[5:] != SEEKABLE_MAGIC or descriptor != 0 or count > 2 * MOST_FRAMES:
        raise ArchiveError("the seek table is damaged", hint=FETCH_AGAIN)
    return SKIPPABLE_HEADER_BYTES + count * SEEK_ENTRY_BYTES + SEEK_FOOTER_BYTES


def parse_seek_table(frame: bytes) -> tuple[SeekEntry, ...]:
    """The entries of the seek table frame `frame`.

    Raises:
        ArchiveError: It is damaged.
    """
    table = frame[SKIPPABLE_HEADER_BYTES:-SEEK_FOOTER_BYTES]
    if len(table) % SEEK_ENTRY_BYTES == 0:
        entries = tuple(SeekEntry(*pair) for pair in struct.iter_unpack("<II", table))
        if render_seek_table(entries) == frame:
            return entries
    raise ArchiveError("the seek table is damaged", hint=FETCH_AGAIN)
