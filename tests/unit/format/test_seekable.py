"""The seek table of a `tar.zst`."""

import struct

import pytest
from backports import zstd

from lading.errors import ArchiveError
from lading.format.seekable import (
    SeekEntry,
    parse_seek_table,
    render_seek_table,
    render_skippable,
    seek_table_bytes,
)


def test_a_skippable_frame_is_skipped() -> None:
    """A decompressor passes over it."""
    assert b"x" == zstd.decompress(render_skippable(0x184D2A5D, b"payload") + zstd.compress(b"x"))


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
        struct.pack("<IBI", (1 << 21) + 1, 0, 0x8F92EAB1),
        struct.pack("<IBI", 1, 0x80, 0x8F92EAB1),
        struct.pack("<IBI", 1, 0, 0x8F92EAB2),
    ],
)
def test_no_footer(footer: bytes) -> None:
    """Another magic, checksums that lading does not write, or more frames than there can be."""
    with pytest.raises(ArchiveError, match="the seek table is damaged"):
        seek_table_bytes(footer)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"1234567",
        render_skippable(0x184D2A5F, bytes(9)),
        render_seek_table([SeekEntry(1, 2)])[:-1],
        render_seek_table([SeekEntry(1, 2)]) + b"x",
        render_seek_table([SeekEntry(1, 2)])[:-9] + struct.pack("<IBI", 2, 0, 0x8F92EAB1),
    ],
    ids=["nothing", "short", "another frame", "cut off", "longer", "another number"],
)
def test_another_frame_is_refused(frame: bytes) -> None:
    """Only the very bytes that its entries render to are a table."""
    with pytest.raises(ArchiveError, match="the seek table is damaged"):
        parse_seek_table(frame)
