"""The tail of a `tar.zst`: skippable frames, the bill inside, the seek table."""

import struct

import pytest
from backports import zstd

from lading.errors import ArchiveError
from lading.format.seekable import (
    SeekEntry,
    compress_manifest,
    decompress_manifest,
    parse_seek_table,
    parse_skippable,
    render_seek_table,
    render_skippable,
    seek_table_bytes,
)

DATA = b"".join(struct.pack("<I", number * number % 65521) for number in range(30_000))
MAGIC = 0x184D2A5D


def test_a_manifest_is_compressed_and_back() -> None:
    """The manifest inside is the manifest."""
    assert DATA == decompress_manifest(compress_manifest(DATA), len(DATA))


def test_a_manifest_has_a_checksum() -> None:
    """Every flipped bit of the compressed manifest is noticed, in its own text too."""
    data = bytearray(compress_manifest(b'{"license":"MIT and some more text"}'))
    text = data.index(b"MIT")
    data[text] ^= 1
    with pytest.raises(ArchiveError, match="the manifest inside is damaged"):
        decompress_manifest(bytes(data), 1000)


@pytest.mark.parametrize(
    ("data", "limit"),
    [
        (compress_manifest(DATA), len(DATA) - 1),
        (compress_manifest(DATA)[:-5], len(DATA)),
        (compress_manifest(DATA) + b"x", len(DATA)),
        (b"", 10),
    ],
    ids=["too long", "cut off", "trailing", "empty"],
)
def test_a_wrong_manifest_is_refused(data: bytes, limit: int) -> None:
    """A manifest must end where it should, and not be longer than it may."""
    with pytest.raises(ArchiveError, match="too long, or cut off, or not alone"):
        decompress_manifest(data, limit)


def test_no_manifest_at_all() -> None:
    """Other bytes are no manifest."""
    with pytest.raises(ArchiveError, match="is damaged"):
        decompress_manifest(b"other bytes", 100)


def test_a_skippable_frame_is_skipped() -> None:
    """A decompressor passes over it."""
    assert b"x" == zstd.decompress(render_skippable(MAGIC, b"payload") + zstd.compress(b"x"))


def test_a_skippable_frame_gives_its_payload_back() -> None:
    """The payload is what was put in."""
    assert b"payload" == parse_skippable(render_skippable(MAGIC, b"payload"), MAGIC)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"1234567",
        render_skippable(MAGIC + 1, b"payload"),
        render_skippable(MAGIC, b"payload") + b"x",
        render_skippable(MAGIC, b"payload")[:-1],
    ],
)
def test_another_frame_is_refused(data: bytes) -> None:
    """Another magic or another length is no such frame."""
    with pytest.raises(ArchiveError, match="a skippable frame is"):
        parse_skippable(data, MAGIC)


def test_a_seek_table_is_read_as_it_was_written() -> None:
    """Writing and reading are inverse."""
    entries = (SeekEntry(1, 2), SeekEntry(2**32 - 1, 0))
    assert entries == parse_seek_table(render_seek_table(entries))


def test_the_end_tells_the_length_of_the_table() -> None:
    """The last nine bytes are enough to find where the table begins."""
    table = render_seek_table([SeekEntry(1, 2)] * 3)
    assert len(table) == seek_table_bytes(table[-9:])


@pytest.mark.parametrize(
    "footer",
    [
        bytes(9),
        struct.pack("<IBI", (1 << 20) + 1, 0, 0x8F92EAB1),
        struct.pack("<IBI", 1, 0x80, 0x8F92EAB1),
        struct.pack("<IBI", 1, 0, 0x8F92EAB2),
    ],
)
def test_no_footer(footer: bytes) -> None:
    """Another magic, checksums that lading does not write, or more frames than there can be."""
    with pytest.raises(ArchiveError, match="has no seek table at its end"):
        seek_table_bytes(footer)


def test_a_table_must_have_its_own_length() -> None:
    """A table whose footer says another number of entries is damaged."""
    table = render_seek_table([SeekEntry(1, 2)])
    lying = table[:-9] + struct.pack("<IBI", 2, 0, 0x8F92EAB1)
    with pytest.raises(ArchiveError, match="the seek table is damaged"):
        parse_seek_table(lying)
