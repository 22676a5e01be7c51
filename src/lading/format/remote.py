"""A tarball on a server: its bill and each frame are read when they are needed, by ranges."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lading.conda import without_credentials
from lading.errors import FetchError
from lading.format.compression import Format
from lading.format.tarball import SeekableFile

if TYPE_CHECKING:
    from lading.net import Part, Transport

__all__ = ["is_remote", "open_remote_tarball"]

TAIL_BYTES = 1 << 14
"""What is read first, from the end: the seek table of some two thousand frames."""

CHUNK_BYTES = 1 << 26
"""Most frames are shorter, and read by one request."""


def is_remote(tarball: str) -> bool:
    """Whether the user named a tarball on a server."""
    return urlsplit(tarball).scheme in {"http", "https"}


@contextmanager
def open_remote_tarball(url: str, environment: Mapping[str, str]) -> Iterator[SeekableFile]:
    """The `tar.zst` at `url`.

    Args:
        url: http or https; may hold credentials.
        environment: Names proxies and certificates, see `Transport`.

    Raises:
        FetchError: The server does not send it, or does not support ranges.
    """
    from lading.net import Transport  # noqa: PLC0415  # files need no urllib3

    name = without_credentials(url)
    with closing(Transport(environment)) as transport:
        tail = _part(transport, url, None, TAIL_BYTES)

        def read(length: int, offset: int) -> bytes:
            if offset >= tail.offset:
                start = offset - tail.offset
                return tail.data[start : start + length]
            part = _part(transport, url, offset, length)
            if part.size != tail.size:
                raise FetchError(f"{name} was replaced on the server", hint="start again")
            return part.data

        yield SeekableFile(
            name=name, size=tail.size, format=Format.ZSTD, read=read, chunk=CHUNK_BYTES
        )


def _part(transport: "Transport", url: str, offset: int | None, length: int) -> "Part":
    part = transport.read_part(url, offset, length)
    if part is None:
        raise FetchError(
            f"{without_credentials(url)}: the server does not support ranges",
            hint="read it whole: `curl URL | lading unpack - PREFIX`",
        )
    return part
