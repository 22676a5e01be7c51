"""HTTP: proxies, certificates, retries with back-off, downloads that go on where they stopped.

The only module that speaks HTTP. It does not judge the bytes that it downloads.
"""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError

from lading.conda import MirrorMap
from lading.errors import FetchError, raised_as
from lading.net.retry_policy import CONNECTIONS, MIRROR_HINT, RetryPolicy
from lading.system import without_credentials

HTTP_OK = 200
HTTP_PARTIAL = 206
HTTP_RANGE_REFUSED = 416
HTTP_NOT_IMPLEMENTED = 501
CHUNK_BYTES = 1 << 16

_LENGTH = re.compile(r"[0-9]{1,19}")
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19})")
_HEADERS = {"User-Agent": "lading", "Accept-Encoding": "identity"}
_CERTIFICATE_FILES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_BUSY = (429, 500, 502, 503, 504)


class Sink(Protocol):
    """Where a download goes."""

    @property
    def size(self) -> int:
        """How many bytes are there already."""
        ...

    def write(self, data: bytes) -> None:
        """Append."""
        ...

    def restart(self) -> None:
        """Forget what is there."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a file on a server.

    Attributes:
        offset: Where it begins in the file.
        size: Of the whole file, in bytes.
    """

    data: bytes
    offset: int
    size: int


class _Impatient(urllib3.connection.HTTPConnection):
    """Gives the headers of an answer as long as one read may take, however they trickle in."""

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]  # as its parent has it
        stream = self.sock
        is_late = threading.Event()

        def give_up() -> None:
            is_late.set()
            with suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(self.timeout or 0, give_up)
        timer.daemon = True
        timer.start()
        try:
            response = super().getresponse()
        finally:
            timer.cancel()
        if is_late.is_set():
            raise TimeoutError("the headers of the answer take too long")
        return response


class _ImpatientTls(_Impatient, urllib3.connection.HTTPSConnection):
    """The same, encrypted."""


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Impatient


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _ImpatientTls


class Transport:
    """The connections of one run, shared by its threads."""

    def __init__(
        self,
        environment: Mapping[str, str],
        retry_policy: RetryPolicy | None = None,
        mirrors: MirrorMap | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connections by way of the proxies, and with the certificates, that `environment` names.

        Args:
            environment: `http_proxy`, `https_proxy`, `all_proxy`, `no_proxy` in either case;
                `SSL_CERT_FILE`, `SSL_CERT_DIR`, `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE`.
            retry_policy: How long servers are waited for.
            mirrors: Knows the tokens that servers demand in a header.
            clock: Tells seconds.
        """
        self._clock = clock
        self._mirrors = mirrors or MirrorMap()
        self._environment = environment
        self._retry_policy = retry_policy or RetryPolicy()
        self._pools: dict[str, urllib3.PoolManager] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End all downloads in progress, at their next chunk."""
        self._stopped.set()

    def close(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            pool.clear()

    def download(self, url: str, sink: Sink) -> None:
        """Append the missing rest of `url` (http or https) to `sink`.

        A server without ranges is read from the beginning again.

        Raises:
            FetchError: The server does not send it, or this transport was stopped.
        """
        failures = 0
        while True:
            before = sink.size
            try:
                self._continue(url, sink)
            except MaxRetryError as error:
                # It was asked again often enough: these are the same retries.
                raise _failed(url, _reason(error)) from error
            except HTTPError as error:
                failures = 1 if sink.size > before else failures + 1
                if failures > self._retry_policy.retries:
                    raise _failed(url, _reason(error)) from error
            else:
                return
            self._stopped.wait(self._retry_policy.backoff * 2 ** (failures - 1))

    def _request(self, url: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        """The answer of a server, its body not read yet."""
        try:
            return self._pool(url).request(
                "GET",
                url,
                headers={**_HEADERS, **self._authorization(url), **headers},
                preload_content=False,
            )
        except HTTPError:
            raise
        except ValueError as error:
            raise _failed(url, "it is, or leads to, a malformed URL") from error

    def _chunks(self, url: str, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        """The body of an answer, in pieces as they come."""
        policy = self._retry_policy
        waited, received = 0.0, 0
        while True:
            before = self._clock()
            chunk = response.read1(CHUNK_BYTES)
            # What is done with the chunks may take as long as it likes.
            waited += self._clock() - before
            received += len(chunk)
            if self._stopped.is_set():
                raise FetchError(f"{without_credentials(url)}: stopped", hint="run again")
            if not chunk:
                return
            if waited >= policy.window:
                if received < policy.least_rate * policy.window:
                    raise _failed(url, f"slower than {policy.least_rate:g} bytes a second")
                waited, received = 0.0, 0
            yield chunk

    def _read(self, url: str, response: urllib3.BaseHTTPResponse, length: int) -> bytes:
        """The first `length` bytes of an answer, and perhaps a few more; fewer at its end."""
        pieces: list[bytes] = []
        for chunk in self._chunks(url, response):
            pieces.append(chunk)
            length -= len(chunk)
            if length <= 0:
                break
        return b"".join(pieces)

    def stream(self, url: str) -> Iterator[bytes]:
        """The whole file at `url` (http or https), in chunks.

        Raises:
            FetchError: The server does not send it.
        """
        try:
            with closing(self._request(url, {})) as response:
                if response.status != HTTP_OK:
                    raise _failed(url, f"HTTP status {response.status}")
                yield from self._chunks(url, response)
        except HTTPError as error:
            raise _failed(url, _reason(error)) from error

    def read_part(self, url: str, offset: int | None, length: int) -> Part | None:
        """A part of the file at `url`; None if the server supports no ranges.

        Without `offset`, it is the last `length` bytes. Less comes only where the file has less.

        Raises:
            FetchError: The server does not send it.
        """
        wanted = f"-{length}" if offset is None else f"{offset}-{offset + length - 1}"
        try:
            with closing(self._request(url, {"Range": f"bytes={wanted}"})) as response:
                if response.status == HTTP_OK:
                    return self._small_whole(url, response, length) if offset is None else None
                if response.status == HTTP_NOT_IMPLEMENTED or (
                    response.status == HTTP_RANGE_REFUSED and offset is None
                ):
                    return None
                if response.status != HTTP_PARTIAL:
                    raise _failed(url, f"HTTP status {response.status}")
                place = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
                if place is None:
                    return None
                first, last, size = map(int, place.groups())
                data = self._read(url, response, length + 1)
        except HTTPError as error:
            raise _failed(url, _reason(error)) from error
        if len(data) != last - first + 1 or (offset is not None and first != offset):
            raise _failed(url, "another range than was asked for")
        return Part(data=data, offset=first, size=size)

    def _continue(self, url: str, sink: Sink) -> None:
        start = sink.size
        response = self._request(url, {"Range": f"bytes={start}-"} if start else {})
        with closing(response):
            resumed = response.status == HTTP_PARTIAL and _starts_at(response, start)
            if start and not resumed:
                sink.restart()
            if response.status == HTTP_RANGE_REFUSED and start:
                raise HTTPError("the server has less than was read before")
            if response.status != HTTP_OK and not resumed:
                raise _failed(url, f"HTTP status {response.status}")
            for chunk in self._chunks(url, response):
                sink.write(chunk)

    def _small_whole(
        self, url: str, response: urllib3.BaseHTTPResponse, length: int
    ) -> Part | None:
        """The whole file that a server sent instead of a part, if it is not longer than that."""
        told = response.headers.get("Content-Length", "")
        if not _LENGTH.fullmatch(told) or int(told) > length:
            return None
        data = self._read(url, response, length)
        return Part(data=data, offset=0, size=len(data))

    def _authorization(self, url: str) -> dict[str, str]:
        """The header that carries the user and password of a URL, or the token for it, if any.

        urllib3 does not send it on to another host that an answer leads to.
        """
        user = _user_of(url)
        if user:
            return urllib3.util.make_headers(basic_auth=user)
        bearer = self._mirrors.bearer(url)
        return {"Authorization": f"Bearer {bearer}"} if bearer else {}

    def _pool(self, url: str) -> urllib3.PoolManager:
        """The connections for `url`, by way of its proxy."""
        proxy = _proxy_of(url, self._environment)
        with self._lock:
            if proxy not in self._pools:
                pool = self._pools[proxy] = self._new_pool(proxy)
                pool.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
            return self._pools[proxy]

    def _new_pool(self, proxy: str) -> urllib3.PoolManager:
        retry_policy = self._retry_policy
        retries = _retries(retry_policy)
        timeout = urllib3.Timeout(connect=retry_policy.connect, read=retry_policy.read)
        given = (self._environment.get(name) for name in _CERTIFICATE_FILES)
        certificates = next((name for name in given if name), None)
        directory = self._environment.get("SSL_CERT_DIR") or None
        make: type[urllib3.PoolManager] | partial[urllib3.ProxyManager] = urllib3.PoolManager
        if proxy:
            headers = urllib3.util.make_headers(proxy_basic_auth=_user_of(proxy) or None)
            make = partial(urllib3.ProxyManager, proxy, proxy_headers=headers)
        with raised_as(
            FetchError,
            f"the proxy {without_credentials(proxy)} cannot be used",
            "set http_proxy and https_proxy to an http: or https: URL",
            (HTTPError, ValueError),
        ):
            return make(
                maxsize=CONNECTIONS,
                retries=retries,
                timeout=timeout,
                ca_certs=certificates,
                ca_cert_dir=directory,
            )


def _retries(policy: RetryPolicy) -> urllib3.Retry:
    class Retries(urllib3.Retry):
        """Waits as a server asks with `Retry-After`, within limits: it could ask for years."""

        def parse_retry_after(self, retry_after: str) -> float:
            try:
                return min(policy.longest_wait, super().parse_retry_after(retry_after))
            except (HTTPError, ValueError, OverflowError):
                # Neither a number nor a date.
                return 0

    return Retries(
        total=policy.retries,
        backoff_factor=policy.backoff,
        status_forcelist=_BUSY,
        raise_on_status=False,
    )


def _failed(url: str, reason: str) -> FetchError:
    return FetchError(f"{without_credentials(url)}: {reason}", hint=MIRROR_HINT)


def _starts_at(response: urllib3.BaseHTTPResponse, start: int) -> bool:
    """Whether a partial answer begins where it was asked to (RFC 9110, 14.4)."""
    return response.headers.get("Content-Range", "").startswith(f"bytes {start}-")


def _user_of(url: str) -> str:
    parts = urlsplit(url)
    if parts.username is None:
        return ""
    return f"{unquote(parts.username)}:{unquote(parts.password or '')}"


def _proxy_of(url: str, environment: Mapping[str, str]) -> str:
    """The proxy for `url`, or empty. As curl has it: lower case first, `no_proxy` by suffix."""
    parts = urlsplit(url)

    def value(name: str) -> str:
        return environment.get(name) or environment.get(name.upper()) or ""

    host = parts.hostname or ""
    excepted = [item.strip().removeprefix("*").lstrip(".") for item in value("no_proxy").split(",")]
    if value("no_proxy").strip() == "*" or any(
        item and (host == item or host.endswith(f".{item}")) for item in excepted
    ):
        return ""
    return value(f"{parts.scheme}_proxy") or value("all_proxy")


def _reason(error: HTTPError) -> str:
    """The innermost cause, which says more than the list of retries around it."""
    cause: BaseException = error
    while isinstance(reason := getattr(cause, "reason", None), BaseException):
        cause = reason
    return f"{type(cause).__name__.removesuffix('Error')}: {str(cause).rpartition(': ')[2]}"
