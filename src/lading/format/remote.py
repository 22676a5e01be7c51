"""A tarball on a server: its bill and each frame are read when they are needed, by ranges."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

from lading.errors import FetchError
from lading.format.compression import Format
from lading.format.tarball import SeekableFile
from lading.system import without_credentials

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
    from lading.net import RemoteFile, Transport  # noqa: PLC0415  # files need no urllib3

    name = without_credentials(url)
    with closing(Transport(environment)) as transport:
        file = RemoteFile(url, transport, TAIL_BYTES)
        size = file.size
        if size is None:
            raise FetchError(
                f"{name}: the server does not support ranges",
                hint="read it whole: `curl URL | lading unpack - PREFIX`",
            )
        yield SeekableFile(
            name=name,
            size=size,
            format=Format.ZSTD,
            read=lambda length, offset: file.read(offset, max(0, min(length, size - offset))),
            chunk=CHUNK_BYTES,
        )
