"""The three ways of compressing a tarball.

A tarball is a row of frames, each compressed by itself: zstd frames, gzip members, or plain bytes.

Source: RFC 8878 (zstd); RFC 1952 (gzip members).
"""

import sys
from collections.abc import Iterator
from enum import StrEnum
from typing import IO, Protocol, cast

import isal
from isal import isal_zlib

from lading.errors import ArchiveError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# Its stubs call it an instance.
_ISAL_ERROR = cast("type[Exception]", isal_zlib.error)

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
GZIP_MAGIC = b"\x1f\x8b"
CHUNK_BYTES = 1 << 20
DOCUMENT_LEVEL = 3


class Format(StrEnum):
    """How a tarball is compressed; the value is its suffix."""

    ZSTD = "tar.zst"
    GZIP = "tar.gz"
    TAR = "tar"


ZSTD_ERROR = zstd.ZstdError


def open_zstd(stream: IO[bytes]) -> IO[bytes]:
    """The decompressed content of a zstd stream; reading may raise `ZSTD_ERROR`."""
    return cast("IO[bytes]", zstd.ZstdFile(stream))


def format_of(head: bytes) -> Format | None:
    """The compression of a tarball that begins with `head`; None for none that is known."""
    if head.startswith(ZSTD_MAGIC):
        return Format.ZSTD
    return Format.GZIP if head.startswith(GZIP_MAGIC) else None


class Level(StrEnum):
    """How hard a compressor tries."""

    FAST = "fast"
    DEFAULT = "default"
    SMALL = "small"


# Of zstd, in a window of 32 MiB, which holds a whole frame. Measured on a fifth of the frames of
# `data-service` (166 MB): size against zstd's level 9 in its own window, which conda-pack uses, and
# seconds of one core. Level 3 gives 1.08 in 0.4 s, 5 gives 1.04 in 0.8 s, 6 gives 1.02 in 1.1 s;
# 5 with a larger table, searched like 6, gives 1.03 in 0.9 s. 12 gives 0.99 in 4 s, 15 the same in
# 16 s, 18 gives 0.92 in 34 s, 19 the same in 38 s. Long-distance matching saves 1 % for a quarter
# more time.
_PARAMETER = zstd.CompressionParameter
_ZSTD_OPTIONS: dict[Level, dict[int, int]] = {
    Level.FAST: {_PARAMETER.compression_level: 3},
    Level.DEFAULT: {
        _PARAMETER.compression_level: 5,
        _PARAMETER.hash_log: 21,
        _PARAMETER.search_log: 4,
    },
    Level.SMALL: {_PARAMETER.compression_level: 18},
}
_WINDOW_LOG = 25
_ISAL_LEVELS = {Level.FAST: 1, Level.DEFAULT: 3, Level.SMALL: 3}


class Compressor(Protocol):
    """Compresses one frame; used by one thread at a time."""

    def feed(self, data: bytes) -> bytes:
        """Compress more of the frame; return the bytes that are ready."""
        ...

    def finish(self) -> bytes:
        """End the frame; return the rest of it."""
        ...


class _Zstd:
    def __init__(self, level: Level, size: int) -> None:
        self._inner = zstd.ZstdCompressor(
            options={
                **_ZSTD_OPTIONS[level],
                _PARAMETER.window_log: _WINDOW_LOG,
                _PARAMETER.checksum_flag: 1,
            }
        )
        self._inner.set_pledged_input_size(size)

    def feed(self, data: bytes) -> bytes:
        return self._inner.compress(data)

    def finish(self) -> bytes:
        return self._inner.flush(zstd.ZstdCompressor.FLUSH_FRAME)


class _Gzip:
    def __init__(self, level: int) -> None:
        # Window bits of 31 mean a gzip header, in which isal writes no time and no name.
        self._inner = isal_zlib.compressobj(level, isal_zlib.DEFLATED, 31)

    def feed(self, data: bytes) -> bytes:
        return bytes(self._inner.compress(data))

    def finish(self) -> bytes:
        return bytes(self._inner.flush())


class _Plain:
    def feed(self, data: bytes) -> bytes:
        return data

    def finish(self) -> bytes:
        return b""


def compressor(format_: Format, level: Level, size: int) -> Compressor:
    """A compressor for one frame of exactly `size` bytes."""
    match format_:
        case Format.ZSTD:
            return _Zstd(level, size)
        case Format.GZIP:
            return _Gzip(_ISAL_LEVELS[level])
        case Format.TAR:
            return _Plain()


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
            return {"name": "isal", "version": isal.__version__, "level": str(_ISAL_LEVELS[level])}
        case Format.TAR:
            return {"name": "none", "version": "", "level": ""}


def decompress_chunks(format_: Format, frame: Iterator[bytes]) -> Iterator[bytes]:
    """The content of one frame, chunk by chunk.

    Raises:
        ArchiveError: The frame is damaged, ends early, or is followed by something else.
    """
    try:
        match format_:
            case Format.ZSTD:
                yield from _decompress(zstd.ZstdDecompressor(), frame)
            case Format.GZIP:
                yield from _decompress_gzip(frame)
            case Format.TAR:
                yield from frame
    except (zstd.ZstdError, _ISAL_ERROR, EOFError) as error:
        raise ArchiveError(
            f"a frame is damaged: {error}", hint="fetch the tarball again"
        ) from error


def _decompress(inner: zstd.ZstdDecompressor, frame: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in frame:
        if inner.eof:
            raise EOFError("more bytes than one frame")
        yield inner.decompress(chunk, CHUNK_BYTES)
        yield from _drain(inner)
    _check_end(inner.unused_data, at_end=inner.eof)


def _drain(inner: zstd.ZstdDecompressor) -> Iterator[bytes]:
    """What the decompressor still holds of its input."""
    while not (inner.eof or inner.needs_input):
        yield inner.decompress(b"", CHUNK_BYTES)


def _decompress_gzip(frame: Iterator[bytes]) -> Iterator[bytes]:
    inner = isal_zlib.decompressobj(31)
    for chunk in frame:
        if inner.eof:
            raise EOFError("more bytes than one frame")
        rest, ready = chunk, b""
        # At most a chunk at once: a small frame may decompress to gigabytes of zeros.
        while rest or len(ready) == CHUNK_BYTES:
            ready = bytes(inner.decompress(rest, CHUNK_BYTES))
            rest = bytes(inner.unconsumed_tail)
            yield ready
    _check_end(bytes(inner.unused_data), at_end=bool(inner.eof))


def _check_end(unused: bytes, *, at_end: bool) -> None:
    if unused or not at_end:
        raise EOFError("it does not end where it should")


def compress_document(data: bytes) -> bytes:
    """`data` as one zstd frame with zstd's checksum of the content."""
    options: dict[int, int] = {
        _PARAMETER.compression_level: DOCUMENT_LEVEL,
        _PARAMETER.checksum_flag: 1,
    }
    return zstd.compress(data, options=options)


def decompress_document(frame: bytes, limit: int) -> bytes:
    """The inverse of `compress_document`.

    Raises:
        ArchiveError: `frame` is damaged, or its content is longer than `limit` bytes.
    """
    inner = zstd.ZstdDecompressor()
    try:
        data = inner.decompress(frame, limit)
    except zstd.ZstdError as error:
        raise ArchiveError("the manifest inside is damaged", hint="fetch it again") from error
    if not inner.eof or inner.unused_data:
        raise ArchiveError(
            "the manifest inside is too long, or cut off, or not alone", hint="fetch it again"
        )
    return data
