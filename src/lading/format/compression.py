"""The three ways of compressing a tarball, and that of an image.

A tarball is a row of frames, each compressed by itself: zstd frames, gzip members, or plain bytes.
The blocks of an image are much smaller zstd frames.

Source: RFC 8878 (zstd); RFC 1952 (gzip members).
"""

import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import IO, cast

from lading.errors import ArchiveError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


class Format(StrEnum):
    """How a tarball is compressed; the value is its suffix."""

    ZSTD = "tar.zst"
    GZIP = "tar.gz"
    TAR = "tar"


ZSTD_ERROR = zstd.ZstdError


def crc32(data: bytes | memoryview, before: int = 0) -> int:
    """The CRC-32 of `data`, behind bytes that have the CRC-32 `before`.

    It finds damage in what is ours alone, ten times as fast as SHA-256; it proves nothing.
    """
    from isal import isal_zlib  # noqa: PLC0415  # slow to load, and not for a `tar.zst`

    return isal_zlib.crc32(data, before)


def open_zstd(stream: IO[bytes]) -> IO[bytes]:
    """The decompressed content of a zstd stream; reading may raise `ZSTD_ERROR`."""
    return cast("IO[bytes]", zstd.ZstdFile(stream))


def zstd_content(stream: IO[bytes], size: int) -> Iterator[bytes]:
    """Yield the decompressed content of a zstd stream, at most `size` bytes at once.

    Raises:
        ZSTD_ERROR: It is damaged.
        EOFError: It ends within a frame.
    """
    inner = zstd.ZstdDecompressor()
    is_whole, rest = True, b""
    while data := rest or stream.read(size):
        while True:
            if piece := inner.decompress(data, size):
                yield piece
            if inner.eof or inner.needs_input:
                break
            data = b""
        is_whole, rest = inner.eof, inner.unused_data
        if is_whole:
            inner = zstd.ZstdDecompressor()
    if not is_whole:
        raise EOFError("a zstd frame ends early")


class Level(StrEnum):
    """How hard a compressor tries."""

    FAST = "fast"
    DEFAULT = "default"
    SMALL = "small"


# Of zstd, in a window that holds a whole frame. Measured on all frames of `data-service` (784 MB):
# size against conda-pack's tarball of the same files (zstd's level 9), and seconds of one core.
# Level 5 with a table of 2^21 gives 1.043 in 6.9 s. Searched lazily in a table of 2^19, which a
# core's own cache holds, it gives 1.030 in the same time; greedily in one of 2^20 1.046 in 5.9 s.
# Level 3 with tables of 2^16 instead of 2^17 gives 1.119 instead of 1.110 in 0.92 of the time.
# Level 18 as it is gives 0.915; with smaller tables, searched less, 0.932 in 0.62 of the time.
_PARAMETER = zstd.CompressionParameter
_ZSTD_OPTIONS: dict[Level, dict[int, int]] = {
    Level.FAST: {
        _PARAMETER.compression_level: 3,
        _PARAMETER.hash_log: 16,
        _PARAMETER.chain_log: 16,
    },
    Level.DEFAULT: {
        _PARAMETER.compression_level: 5,
        _PARAMETER.strategy: int(zstd.Strategy.lazy),
        _PARAMETER.hash_log: 19,
        _PARAMETER.search_log: 3,
    },
    Level.SMALL: {
        _PARAMETER.compression_level: 18,
        _PARAMETER.chain_log: 20,
        _PARAMETER.hash_log: 19,
        _PARAMETER.search_log: 4,
        _PARAMETER.target_length: 64,
    },
}
_WINDOW_LOG = 23
_ALWAYS: dict[int, int] = {_PARAMETER.window_log: _WINDOW_LOG, _PARAMETER.checksum_flag: 1}
# Of ISA-L, against conda-pack's tar.gz: level 3 gives 1.060, 2 gives 1.082 in 0.68 of the time, 1
# gives 1.101 in 0.64.
_ISAL_LEVELS = {Level.FAST: 1, Level.DEFAULT: 2, Level.SMALL: 3}


def compress(format_: Format, level: Level, data: bytes | memoryview) -> bytes:
    """`data` as one frame."""
    match format_:
        case Format.ZSTD:
            options = {**_ZSTD_OPTIONS[level], **_ALWAYS}
            return zstd.compress(data, options=options)
        case Format.GZIP:
            from isal import isal_zlib  # noqa: PLC0415  # as above

            # Window bits of 31 mean a gzip header, in which isal writes no time and no name.
            inner = isal_zlib.compressobj(_ISAL_LEVELS[level], isal_zlib.DEFLATED, 31)
            return bytes(inner.compress(data)) + bytes(inner.flush())
        case Format.TAR:
            return bytes(data)


def describe(format_: Format, level: Level) -> dict[str, str]:
    """What determines the compressed bytes: name, version and level of the compressor."""
    match format_:
        case Format.ZSTD:
            first, *others = _ZSTD_OPTIONS[level].items()
            changed = "".join(f" {_PARAMETER(key).name} {value}" for key, value in others)
            return {
                "name": "zstd",
                "version": zstd.zstd_version,
                "level": f"{first[1]}{changed} window_log {_WINDOW_LOG}",
            }
        case Format.GZIP:
            import isal  # noqa: PLC0415  # as above

            return {"name": "isal", "version": isal.__version__, "level": str(_ISAL_LEVELS[level])}
        case Format.TAR:
            return {"name": "none", "version": "", "level": ""}


# Of zstd, and the bytes of a block. Measured on `data-service` (784 MB), seconds of one core: 3 in
# blocks of 128 KiB gives 0.347 of it in 2.2 s, in blocks of 256 KiB 0.332 in 2.6 s, where 5 gives
# 0.324 in 5.7 s. A block is what the first read of a page costs, so it is large only for `small`.
_BLOCKS = {
    Level.FAST: (3, 128 << 10),
    Level.DEFAULT: (3, 256 << 10),
    Level.SMALL: (15, 1 << 20),
}


def block_size(level: Level) -> int:
    """How many bytes of a file a block of an image holds."""
    return _BLOCKS[level][1]


def compress_blocks(level: Level, blocks: Iterable[bytes | bytearray]) -> list[bytes]:
    """Each block of an image as a zstd frame, or as it is where that would not be shorter."""
    inner = zstd.ZstdCompressor(options={_PARAMETER.compression_level: _BLOCKS[level][0]})
    frames = [(block, inner.compress(block, inner.FLUSH_FRAME)) for block in blocks]
    return [data if len(data) < len(block) else bytes(block) for block, data in frames]


def describe_blocks(level: Level) -> dict[str, str]:
    """What determines the compressed bytes of an image: as of `describe`."""
    number, size = _BLOCKS[level]
    return {"name": "zstd", "version": zstd.zstd_version, "level": f"{number} block {size}"}


def decompress(format_: Format, data: bytes, size: int | None, most: int = 0) -> bytes:
    """The content of the frame `data`.

    Args:
        format_: Of its compression.
        data: The frame.
        size: How many bytes the content must have; None for at most `most`. No memory is taken for
            more, nor for bytes that a frame only claims.
        most: See `size`.

    Raises:
        ArchiveError: The frame is damaged, ends early, has another size, or is followed by
            something else.
    """
    try:
        content = _decompress(format_, data, most if size is None else size)
    except (ZSTD_ERROR, EOFError) as error:
        raise ArchiveError(
            f"a frame is damaged: {error}", hint="fetch the tarball again"
        ) from error
    if len(content) != size and (size is not None or len(content) > most):
        raise ArchiveError("a frame has another size than its bill says", hint="fetch it again")
    return content


def _decompress(format_: Format, data: bytes, size: int) -> bytes:
    # One byte more than there may be: a frame that is longer is noticed, and never held.
    match format_:
        case Format.ZSTD:
            inner = zstd.ZstdDecompressor()
            content = inner.decompress(data, size + 1)
            ended, rest = inner.eof, inner.unused_data
        case Format.GZIP:
            from isal import isal_zlib  # noqa: PLC0415  # as above

            member = isal_zlib.decompressobj(31)
            try:
                content = bytes(member.decompress(data, size + 1))
            # Its stubs call it an instance.
            except cast("type[Exception]", isal_zlib.error) as error:
                raise EOFError(str(error)) from error
            ended, rest = bool(member.eof), bytes(member.unused_data)
        case _:
            content, ended, rest = data, True, b""
    if len(content) <= size and (rest or not ended):
        raise EOFError("it does not end where it should")
    return content
