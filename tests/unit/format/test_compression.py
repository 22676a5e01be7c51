"""Compressing and decompressing frames."""

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
    compressor,
    decompress_chunks,
    describe,
)

DATA = b"".join(struct.pack("<I", number * number % 65521) for number in range(300_000))


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
