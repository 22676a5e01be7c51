"""What a user may name: a path, a URL that is read, or one that another program must fetch."""

from collections.abc import Callable
from pathlib import Path

from lading.errors import UsageError

_SIGNS = frozenset("/ \\?#@:[]")
"""What a scheme has none of."""

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


_ENDINGS = (".tar.zst", ".tar.gz", ".tar", ".json")


def is_remote(tarball: str) -> bool:
    """Whether the user named a tarball on a server that lading can read."""
    return _scheme(tarball) in _READ


def tarball_place(name: str, path: Callable[[str], Path], *, piped: bool = False) -> str | Path:
    """Where the tarball is that a user named: its URL, or its path.

    `path` makes a path absolute. `piped` says whether the command reads standard input too, which
    the hint then names.

    Raises:
        UsageError: It is the URL of something else.
    """
    scheme = _scheme(name)
    if scheme in _READ:
        return name
    if scheme:
        raise _refusal(name, "a path, http or https", piped=piped)
    return path(name)


def is_tarball_named(place: str | Path) -> bool:
    """Whether a place that `tarball_place` gave has a tarball, or a bill, by its name."""
    return isinstance(place, str) or (place.name.endswith(_ENDINGS) and place.is_file())


def local_place(name: str, path: Callable[[str], Path]) -> Path:
    """The path that a user named.

    `path` makes a path absolute.

    Raises:
        UsageError: It is a URL.
    """
    if _scheme(name):
        raise _refusal(name, "a path")
    return path(name)


def _scheme(name: str) -> str:
    """What stands before `://` in lower case, or empty."""
    scheme, mark, _ = name.partition("://")
    is_one = mark and scheme.isascii() and scheme[:1].isalpha() and _SIGNS.isdisjoint(scheme)
    return scheme.lower() if is_one else ""


def _refusal(name: str, readable: str, *, piped: bool = False) -> UsageError:
    """The error for a URL that is not read, with what to do instead."""
    from urllib.parse import urlsplit  # noqa: PLC0415  # programs in images start without it

    from lading.system import without_credentials  # noqa: PLC0415  # the same

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
