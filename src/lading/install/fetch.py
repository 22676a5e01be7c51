"""Downloading archives and wheels: checked on the way, atomic, from the first mirror that answers.

This is the only module that speaks HTTP. Both engines are given local archives whose digests were
checked here, so that their differences in download and checking do not matter.
"""

import hashlib
import logging
import os
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from lading.conda.channels import MirrorMap, without_credentials
from lading.digest import Digest, copy_and_digest, sha256_of_file
from lading.engine.port import Progress, no_progress
from lading.errors import DigestMismatchError, FetchError

__all__ = ["Download", "RemoteFile", "fetch_all"]

WORKERS = 8
CONNECT_SECONDS = 20.0
READ_SECONDS = 60.0
RETRIES = 4
BACKOFF_SECONDS = 0.5
HTTP_OK = 200
HTTP_PARTIAL = 206
HTTP_CHUNK_BYTES = 1 << 16

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """One file to be had.

    Attributes:
        url: Canonical URL.
        sha256: What its bytes must have.
        target: Where it is to lie, absolute.
    """

    url: str
    sha256: Digest
    target: Path


def fetch_all(
    downloads: Sequence[Download], mirrors: MirrorMap, progress: Progress = no_progress
) -> None:
    """Make every download lie at its target, with the right digest.

    A target that is there already is hashed, and kept where its digest is right.

    Raises:
        FetchError: No location of a file answers, or what it sends cannot be written.
        DigestMismatchError: Every location that answered sent other bytes than were promised.
    """
    for directory in {download.target.parent for download in downloads}:
        directory.mkdir(parents=True, exist_ok=True)
    with (
        closing(_Client()) as client,
        ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix="fetch") as pool,
    ):
        futures = [pool.submit(client.fetch, item, mirrors) for item in downloads]
        try:
            for number, future in enumerate(as_completed(futures), start=1):
                future.result()
                progress("fetch", number, len(downloads))
        except BaseException:
            client.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


_HEADERS = {"User-Agent": "lading", "Accept-Encoding": "identity"}


def _retries() -> urllib3.Retry:
    return urllib3.Retry(
        total=RETRIES,
        backoff_factor=BACKOFF_SECONDS,
        status_forcelist=(429, 500, 502, 503, 504),
        raise_on_status=False,
    )


def _timeout() -> urllib3.Timeout:
    return urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)


class _Client:
    """Connections, shared by the workers."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._pool = urllib3.PoolManager(
            maxsize=WORKERS, retries=_retries(), timeout=_timeout(), headers=_HEADERS
        )

    def stop(self) -> None:
        """End the downloads that are under way, at their next chunk."""
        self._stopped.set()

    def close(self) -> None:
        """Close all connections."""
        self._pool.clear()

    def fetch(self, download: Download, mirrors: MirrorMap) -> None:
        """Make one download lie at its target; see `fetch_all`."""
        if download.target.is_file() and sha256_of_file(download.target) == download.sha256:
            return
        failures: list[FetchError | DigestMismatchError] = []
        for location in mirrors.locations(download.url):
            try:
                self._fetch_from(location, download)
            except (FetchError, DigestMismatchError) as error:
                _log.info("%s", error)
                failures.append(error)
            else:
                return
        # A wrong digest is worse news than a silent mirror.
        raise next(
            (error for error in failures if isinstance(error, DigestMismatchError)), failures[-1]
        )

    def _fetch_from(self, location: str, download: Download) -> None:
        """Copy `location` to the target by way of a temporary file beside it."""
        shown = without_credentials(location)
        descriptor, name = tempfile.mkstemp(dir=download.target.parent, prefix=".fetch-")
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                digest = self._copy(location, shown, stream)
            if digest != download.sha256:
                raise DigestMismatchError(
                    f"{shown} is not what the lock promises",
                    hint="the channel changed the file or the lock is wrong: lock again",
                    expected=str(download.sha256),
                    actual=str(digest),
                )
            temporary.chmod(0o644)
            temporary.replace(download.target)
        except OSError as error:
            raise FetchError(
                f"{shown}: cannot write {download.target}: {error.strerror}",
                hint="free space in, or allow writing to, the package cache",
            ) from error
        finally:
            temporary.unlink(missing_ok=True)

    def _copy(self, location: str, shown: str, stream: BinaryIO) -> Digest:
        parts = urlsplit(location)
        if parts.scheme == "file":
            source_path = Path(unquote(parts.path))
            try:
                source = source_path.open("rb")
            except OSError as error:
                raise FetchError(f"{shown}: {error.strerror}", hint=_MIRROR_HINT) from error
            with source:
                return copy_and_digest(source, stream)[0]
        if parts.scheme not in {"http", "https"}:
            raise FetchError(f"{shown}: no way to fetch {parts.scheme}:", hint=_MIRROR_HINT)
        return self._copy_http(location, shown, stream)

    def _copy_http(self, location: str, shown: str, stream: BinaryIO) -> Digest:
        hasher = hashlib.sha256()
        try:
            response = self._pool.request(
                "GET",
                location,
                headers={**self._pool.headers, **_authorization(location)},
                preload_content=False,
            )
            with closing(response):
                if response.status != HTTP_OK:
                    raise FetchError(f"{shown}: HTTP status {response.status}", hint=_MIRROR_HINT)
                for chunk in response.stream(HTTP_CHUNK_BYTES):
                    if self._stopped.is_set():
                        raise FetchError(f"{shown}: stopped", hint="run again")
                    hasher.update(chunk)
                    stream.write(chunk)
        except HTTPError as error:
            raise FetchError(f"{shown}: {_reason(error)}", hint=_MIRROR_HINT) from error
        return Digest.sha256(hasher.hexdigest())


def _authorization(location: str) -> dict[str, str]:
    """The header that carries the user and password in a URL, if there are any."""
    parts = urlsplit(location)
    if parts.username is None:
        return {}
    return urllib3.util.make_headers(
        basic_auth=f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    )


class RemoteFile:
    """A file on a server, read by ranges.

    Where the server knows no ranges the whole file is read once, from its beginning: then ranges
    must be asked for in ascending order.
    """

    def __init__(self, url: str) -> None:
        """The file at `url` (http or https); nothing is asked yet."""
        self._url = url
        self._shown = without_credentials(url)
        self._pool = urllib3.PoolManager(retries=_retries(), timeout=_timeout(), headers=_HEADERS)
        self._whole: urllib3.BaseHTTPResponse | None = None
        self._position = 0

    @property
    def is_read_whole(self) -> bool:
        """Whether the server turned out to know no ranges."""
        return self._whole is not None

    def close(self) -> None:
        """Close all connections."""
        if self._whole is not None:
            self._whole.close()
        self._pool.clear()

    def read(self, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`.

        Raises:
            FetchError: The server does not send them.
        """
        try:
            if self._whole is None:
                data = self._ranged(offset, length)
                if data is not None:
                    return data
            data = self._sequential(offset, length)
        except HTTPError as error:
            raise FetchError(f"{self._shown}: {_reason(error)}", hint=_MIRROR_HINT) from error
        if len(data) != length:
            raise FetchError(f"{self._shown} ends too early", hint="fetch the right bill for it")
        return data

    def _ranged(self, offset: int, length: int) -> bytes | None:
        """The range, or None where the server sends the whole file instead."""
        header = {
            **_HEADERS,
            **_authorization(self._url),
            "Range": f"bytes={offset}-{offset + length - 1}",
        }
        response = self._pool.request("GET", self._url, headers=header, preload_content=False)
        if response.status == HTTP_OK:
            self._whole = response
            return None
        with closing(response):
            if response.status != HTTP_PARTIAL:
                raise FetchError(f"{self._shown}: HTTP status {response.status}", hint=_MIRROR_HINT)
            data = response.read(length + 1)
        if len(data) != length:
            raise FetchError(f"{self._shown} sent another range", hint="try another server")
        return data

    def _sequential(self, offset: int, length: int) -> bytes:
        response = self._whole
        if response is None or offset < self._position:
            raise ValueError("ranges of a whole file must be asked for in ascending order")
        while self._position < offset:
            skipped = response.read(min(HTTP_CHUNK_BYTES, offset - self._position))
            if not skipped:
                return b""
            self._position += len(skipped)
        data = response.read(length)
        self._position += len(data)
        return data


_MIRROR_HINT = "check the network, or name a mirror under [mirrors] in lading.toml"


def _reason(error: HTTPError) -> str:
    """The innermost cause, which says more than the list of retries around it."""
    cause: BaseException = error
    while isinstance(reason := getattr(cause, "reason", None), BaseException):
        cause = reason
    return f"{type(cause).__name__.removesuffix('Error')}: {str(cause).rpartition(': ')[2]}"
