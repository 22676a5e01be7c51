"""A tarball on a server: its bill, lists and frames are read when they are needed, by ranges."""

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from lading.errors import PrefixError, raised_as
from lading.format.tarball import TarballFile
from lading.system import Progress, without_credentials

MEGABYTE = 1_000_000
TAIL_BYTES = 1 << 14
"""What is read first, from the end: the bill of some fifty packages, and the seek table."""


@contextmanager
def open_remote_tarball(
    url: str, environment: Mapping[str, str], spool: Path | None, progress: Progress
) -> Iterator[TarballFile]:
    """The tarball at `url`; where the server sends no ranges, a copy of all of it.

    Args:
        url: http or https; may hold credentials.
        environment: Names proxies and certificates, see `Transport`.
        spool: Directory for that copy, which has no name; None means that for temporary files.
        progress: Told of the megabytes that are copied.

    Raises:
        FetchError: The server does not send it.
        PrefixError: `spool` cannot be written.
    """
    from lading.net import RemoteFile, Transport  # noqa: PLC0415  # files need no urllib3

    name = without_credentials(url)
    with closing(Transport(environment)) as transport:
        file = RemoteFile(url, transport, TAIL_BYTES)
        size = file.size
        if size is not None:
            yield TarballFile(name=name, size=size, read=file.read, is_file=False)
            return
        with spooled(transport.stream(url), spool, name, progress) as copy:
            yield TarballFile(
                name=name,
                size=os.fstat(copy).st_size,
                read=lambda offset, length: os.pread(copy, length, offset),
                has_ranges=False,
            )


@contextmanager
def spooled(
    chunks: Iterable[bytes], directory: Path | None, name: str, progress: Progress
) -> Iterator[int]:
    """Copy `chunks` to a file without a name; give its descriptor.

    Nothing is left of it however this process ends. How much it is turns out at the end: until
    then `progress` is told of 0 megabytes in all.

    Raises:
        PrefixError: It cannot be written.
    """
    with _spool_errors(directory, name):
        copy = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115  # closed below
    with copy:
        size = 0
        progress("copy", 0, 0)
        for chunk in chunks:
            with _spool_errors(directory, name):
                copy.write(chunk)
            size += len(chunk)
            progress("copy", size // MEGABYTE, 0)
        megabytes = max(1, size // MEGABYTE)
        progress("copy", megabytes, megabytes)
        with _spool_errors(directory, name):
            copy.flush()
        yield copy.fileno()


@contextmanager
def _spool_errors(directory: Path | None, name: str) -> Iterator[None]:
    with raised_as(
        PrefixError,
        f"cannot copy {name} to {directory or tempfile.gettempdir()}",
        "free space there, or name the tarball's path, or a server that sends ranges",
    ):
        yield
