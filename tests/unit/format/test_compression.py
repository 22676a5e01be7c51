"""Frames, skippable frames and seek tables."""

import gzip
import struct
from collections.abc import Iterator

import pytest
from backports import zstd

from lading.errors import ArchiveError
from lading.format.compression import (
    CHUNK_BYTES,
    Format,
    Level,
    SeekEntry,
    compress_manifest,
    compressor,
    decompress_chunks,
    decompress_manifest,
    describe,
    parse_seek_table,
    parse_skippable,
    render_seek_table,
    render_skippable,
    seek_table_bytes,
)

DATA = b"".join(struct.pack("<I", number * number % 65521) for number in range(300_000))
MAGIC = 0x184D2A5D


def frame_of(data: bytes, format_: Format, level: Level = Level.FAST) -> bytes:
    """One frame of `data`."""
    engine = compressor(format_, level, len(data))
    return engine.feed(data[:1000]) + engine.feed(data[1000:]) + engine.finish()


def content(format_: Format, *chunks: bytes) -> bytes:
    """What the frame in `chunks` holds."""
    return b"".join(decompress_chunks(format_, iter(chunks)))


def cut(data: bytes, size: int) -> Iterator[bytes]:
    """`data` in chunks of `size` bytes."""
    return (data[start : start + size] for start in range(0, len(data), size))


@pytest.mark.parametrize("format_", list(Format))
@pytest.mark.parametrize("level", list(Level))
def test_a_frame_gives_its_content_back(format_: Format, level: Level) -> None:
    """Every format and level is lossless."""
    assert DATA == content(format_, frame_of(DATA, format_, level))


@pytest.mark.parametrize("format_", list(Format))
@pytest.mark.parametrize("size", [1000, 65536])
def test_a_frame_may_come_in_chunks(format_: Format, size: int) -> None:
    """However the frame is cut, its content is the same."""
    assert DATA == content(format_, *cut(frame_of(DATA, format_), size))


@pytest.mark.parametrize("format_", list(Format))
def test_an_empty_frame(format_: Format) -> None:
    """A frame may hold nothing."""
    assert b"" == content(format_, frame_of(b"", format_))


def test_other_tools_read_zstd() -> None:
    """The frame is one that the library reads by itself, with its size and a checksum in it."""
    frame = frame_of(DATA, Format.ZSTD)
    info = zstd.get_frame_info(frame)
    assert (DATA, len(DATA)) == (zstd.decompress(frame), info.decompressed_size)


def test_other_tools_read_gzip() -> None:
    """The member is one that the standard library reads, without time and name in it."""
    frame = frame_of(DATA, Format.GZIP)
    assert (DATA, 0, bytes(4)) == (gzip.decompress(frame), frame[3], frame[4:8])


@pytest.mark.parametrize("format_", [Format.ZSTD, Format.GZIP])
@pytest.mark.parametrize(
    "damage",
    [
        lambda frame: frame[:-1],
        lambda frame: frame[: len(frame) // 2],
        lambda frame: frame[:0],
        lambda frame: frame + b"x",
        lambda frame: frame[:100] + b"\xff\xff" + frame[102:],
        lambda frame: frame + frame,
    ],
    ids=["a byte less", "half", "nothing", "a byte more", "changed", "twice"],
)
def test_a_damaged_frame_is_refused(format_: Format, damage: object) -> None:
    """A frame that is cut off, changed or followed by anything is an error."""
    assert callable(damage)
    with pytest.raises(ArchiveError, match="a frame is damaged"):
        content(format_, damage(frame_of(DATA, format_)))


@pytest.mark.parametrize("format_", [Format.ZSTD, Format.GZIP])
def test_a_chunk_behind_the_frame_is_refused(format_: Format) -> None:
    """Another chunk behind a finished frame is an error too."""
    with pytest.raises(ArchiveError, match="more bytes than one frame"):
        content(format_, frame_of(DATA, format_), b"x")


@pytest.mark.parametrize("format_", [Format.ZSTD, Format.GZIP])
@pytest.mark.parametrize("size", [CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 40 * CHUNK_BYTES])
def test_no_chunk_is_large(format_: Format, size: int) -> None:
    """A few bytes that stand for many megabytes are never expanded at once."""
    chunks = list(decompress_chunks(format_, iter([frame_of(bytes(size), format_)])))
    assert (size, True) == (sum(map(len, chunks)), max(map(len, chunks)) <= CHUNK_BYTES)


def test_what_is_described() -> None:
    """Compressor and level are named, since they shape the bytes."""
    assert ["zstd", "isal", "none"] == [
        describe(format_, Level.FAST)["name"] for format_ in (Format.ZSTD, Format.GZIP, Format.TAR)
    ]


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
    [bytes(9), struct.pack("<IBI", 1, 0x80, 0x8F92EAB1), struct.pack("<IBI", 1, 0, 0x8F92EAB2)],
)
def test_no_footer(footer: bytes) -> None:
    """Another magic, or checksums that lading does not write, is no table of ours."""
    with pytest.raises(ArchiveError, match="has no seek table at its end"):
        seek_table_bytes(footer)


def test_a_table_must_have_its_own_length() -> None:
    """A table whose footer says another number of entries is damaged."""
    table = render_seek_table([SeekEntry(1, 2)])
    lying = table[:-9] + struct.pack("<IBI", 2, 0, 0x8F92EAB1)
    with pytest.raises(ArchiveError, match="the seek table is damaged"):
        parse_seek_table(lying)
