"""A tarball on a server: its bill and each frame are read when they are wanted, by ranges."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lading.conda import without_credentials
from lading.errors import ArchiveError, FetchError
from lading.format.compression import Format
from lading.format.frame_reader import FETCH_AGAIN, Frame
from lading.format.manifest import FrameSlice, Manifest
from lading.format.tarball import check_end, parse_inside, read_inside
from lading.system import Digest, sha256_of

if TYPE_CHECKING:
    from lading.net import Part, Transport

__all__ = ["RemoteTarball", "is_remote", "open_remote_tarball"]

TAIL_BYTES = 1 << 14
"""What is read first, from the end: the seek table of some two thousand frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteTarball:
    """A `tar.zst` on a server; a `TarballSource`.

    Attributes:
        name: What to call it in an error.
        read: Gives so many bytes of it, from this position; threads may share it.
        manifest: Its bill, checked.
        manifest_sha256: Of the bill's canonical bytes.
        manifest_bytes: The bill's canonical bytes.
    """

    name: str
    read: Callable[[int, int], bytes] = field(repr=False)
    manifest: Manifest
    manifest_sha256: Digest
    manifest_bytes: bytes = field(repr=False)

    def frames(self) -> Iterator[Frame]:
        """The frames, in order; each is fetched by whoever reads it."""
        for bill in self.manifest.slices():
            read = partial(self._read_frame, bill)
            yield Frame(bill=bill, format=Format.ZSTD, name=self.name, read=read)

    def _read_frame(self, bill: FrameSlice) -> Iterator[bytes]:
        data = self.read(bill.frame.length, bill.frame.offset)
        if len(data) != bill.frame.length:
            raise ArchiveError(f"{self.name} is cut off", hint=FETCH_AGAIN)
        yield data


def is_remote(tarball: str) -> bool:
    """Whether what a user wrote for a tarball is the URL of one on a server."""
    return urlsplit(tarball).scheme in {"http", "https"}


@contextmanager
def open_remote_tarball(url: str, environment: Mapping[str, str]) -> Iterator[RemoteTarball]:
    """The `tar.zst` at `url`, with the bill that stands inside.

    Args:
        url: http or https; may hold credentials.
        environment: Names proxies and certificates, see `Transport`.

    Raises:
        FetchError: The server does not send it, or knows no ranges.
        ArchiveError: It is no tar.zst of lading, or is cut off.
        UnsafePathError: The bill lists what must not be written.
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
                raise FetchError(f"{name} was replaced on the server", hint="begin again")
            return part.data

        inside = read_inside(name, read, tail.size)
        bill = parse_inside(name, inside.document)
        check_end(name, tail.size, bill, inside.document, inside)
        yield RemoteTarball(
            name=name,
            read=read,
            manifest=bill,
            manifest_sha256=sha256_of(inside.document),
            manifest_bytes=inside.document,
        )


def _part(transport: "Transport", url: str, offset: int | None, length: int) -> "Part":
    part = transport.read_part(url, offset, length)
    if part is None:
        raise FetchError(
            f"{without_credentials(url)}: the server knows no ranges",
            hint="read it whole: `curl URL | lading unpack - PREFIX`",
        )
    return part
