"""A tarball on a server: its bill, lists and frames are read when they are needed, by ranges."""

import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from lading.errors import PrefixError, UsageError
from lading.format.tarball import TarballFile
from lading.system import without_credentials

TAIL_BYTES = 1 << 14
"""What is read first, from the end: the bill of some fifty packages, and the seek table."""


_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_READ = {"http", "https"}

_FETCHED_BY = {
    "ftp": "curl -O {url}",
    "gs": "gcloud storage cp {url} .",
    "hf": "hf download REPOSITORY FILE --local-dir .",
    "http": "curl -L -O {url}",
    "https": "curl -L -O {url}",
    "oci": "oras pull {place}",
    "s3": "aws s3 cp {url} .",
    "scp": "scp {host}:{path} .",
    "sftp": "scp {host}:{path} .",
    "ssh": "scp {host}:{path} .",
}
_PIPED_BY = {
    "ftp": "curl {url}",
    "gs": "gcloud storage cat {url}",
    "s3": "aws s3 cp {url} -",
    "scp": "ssh {host} cat {path}",
    "sftp": "ssh {host} cat {path}",
    "ssh": "ssh {host} cat {path}",
}


def is_remote(tarball: str) -> bool:
    """Whether the user named a tarball on a server that lading can read."""
    return _scheme(tarball) in _READ


def tarball_place(name: str, path: Callable[[str], Path], *, piped: bool = False) -> str | Path:
    """Where the tarball is that a user named: its URL, or its path.

    Args:
        name: URL (http or https), or path.
        path: Makes a path absolute.
        piped: Whether the command reads standard input too, which the hint then names.

    Raises:
        UsageError: It is the URL of something else.
    """
    scheme = _scheme(name)
    if scheme in _READ:
        return name
    if scheme:
        raise _refusal(name, "a path, http or https", piped=piped)
    return path(name)


def local_place(name: str, path: Callable[[str], Path]) -> Path:
    """The path that a user named.

    Args:
        name: What was named.
        path: Makes a path absolute.

    Raises:
        UsageError: It is a URL.
    """
    if _scheme(name):
        raise _refusal(name, "a path")
    return path(name)


def _scheme(name: str) -> str:
    found = _SCHEME.match(name)
    return found[1].lower() if found else ""


def _refusal(name: str, readable: str, *, piped: bool = False) -> UsageError:
    """The error for a URL that is not read, with what to do instead."""
    scheme, url = _scheme(name), without_credentials(name)
    parts = urlsplit(url)
    fetching = _FETCHED_BY.get(scheme, "use the program that knows such URLs")
    hint = f"fetch it first, then name the file: {fetching}"
    if piped and scheme in _PIPED_BY:
        hint = f"pipe it: {_PIPED_BY[scheme]} | lading unpack - DIR"
    elif scheme == "file":
        hint = "name the path: {path}"
    words = {"url": url, "place": url.partition("://")[2], "host": parts.netloc, "path": parts.path}
    return UsageError(
        f"lading reads {readable} here, and not {scheme}://: {url}", hint=hint.format(**words)
    )


@contextmanager
def open_remote_tarball(
    url: str, environment: Mapping[str, str], spool: Path | None
) -> Iterator[TarballFile]:
    """The tarball at `url`; where the server sends no ranges, a copy of all of it.

    Args:
        url: http or https; may hold credentials.
        environment: Names proxies and certificates, see `Transport`.
        spool: Directory for that copy, which has no name; None means that for temporary files.

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
        with spooled(transport.stream(url), spool, name) as copy:
            yield TarballFile(
                name=name,
                size=os.fstat(copy).st_size,
                read=lambda offset, length: os.pread(copy, length, offset),
                has_ranges=False,
            )


@contextmanager
def spooled(chunks: Iterable[bytes], directory: Path | None, name: str) -> Iterator[int]:
    """Copy `chunks` to a file without a name; give its descriptor.

    Nothing is left of it however this process ends.

    Raises:
        PrefixError: It cannot be written.
    """
    with _spool_errors(directory, name):
        copy = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115  # closed below
    with copy:
        for chunk in chunks:
            with _spool_errors(directory, name):
                copy.write(chunk)
        with _spool_errors(directory, name):
            copy.flush()
        yield copy.fileno()


@contextmanager
def _spool_errors(directory: Path | None, name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PrefixError(
            f"cannot copy {name} to {directory or tempfile.gettempdir()}: {error.strerror}",
            hint="free space there, or name the tarball's path, or a server that sends ranges",
        ) from error
