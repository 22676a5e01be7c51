"""Compressing and decompressing frames."""

import gzip
import struct

import pytest
from backports import zstd

from lading.errors import ArchiveError
from lading.format.compression import Format, Level, compress, decompress, describe

DATA = b"".join(struct.pack("<I", number * number % 65521) for number in range(300_000))


def frame_of(data: bytes, format_: Format, level: Level = Level.FAST) -> bytes:
    """One frame of `data`."""
    return compress(format_, level, data)


@pytest.mark.parametrize("format_", list(Format))
@pytest.mark.parametrize("level", list(Level))
def test_a_frame_gives_its_content_back(format_: Format, level: Level) -> None:
    """Every format and level is lossless."""
    assert DATA == decompress(format_, frame_of(DATA, format_, level), len(DATA))


@pytest.mark.parametrize("format_", list(Format))
def test_an_empty_frame(format_: Format) -> None:
    """A frame may hold nothing."""
    assert b"" == decompress(format_, frame_of(b"", format_), 0)


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
        decompress(format_, damage(frame_of(DATA, format_)), len(DATA))


@pytest.mark.parametrize("format_", list(Format))
@pytest.mark.parametrize("size", [0, len(DATA) - 1, len(DATA) + 1, 1 << 40])
def test_another_size_is_refused(format_: Format, size: int) -> None:
    """A frame holds as many bytes as its bill says, and none are held for what it only claims."""
    with pytest.raises(ArchiveError):
        decompress(format_, frame_of(DATA, format_), size)


@pytest.mark.parametrize("format_", list(Format))
def test_a_bound_instead_of_a_size(format_: Format) -> None:
    """Where the size is not known beforehand, no more than so much is taken."""
    frame = frame_of(DATA, format_)
    assert DATA == decompress(format_, frame, None, most=len(DATA))
    with pytest.raises(ArchiveError):
        decompress(format_, frame, None, most=len(DATA) - 1)


def test_what_is_described() -> None:
    """Compressor and level are named, since they shape the bytes."""
    assert ["zstd", "isal", "none"] == [
        describe(format_, Level.FAST)["name"] for format_ in (Format.ZSTD, Format.GZIP, Format.TAR)
    ]
