"""Download archives and wheels: resumed, checked by digest, from the first mirror that answers.

Both engines get local archives whose digests were checked here, so their differences in downloading
and checking do not matter.

An incomplete file lies beside its target as `.fetch-<sha256>`. An interrupted download is resumed
from there, even from another mirror: in the end the digest of the whole decides.
"""

import errno
import fcntl
import hashlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import unquote, urlsplit

from lading.conda import MirrorMap
from lading.errors import DigestMismatchError, FetchError, raised_as
from lading.net.retry_policy import CONNECTIONS, MIRROR_HINT, RetryPolicy
from lading.system import (
    CHUNK_BYTES,
    Algorithm,
    Digest,
    Progress,
    digest_of_file,
    no_progress,
    open_lock,
    without_credentials,
)

if TYPE_CHECKING:
    from lading.net.client import Transport

WRITE_HINT = "free space in, or allow writing to, the package cache"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """One file to download.

    Attributes:
        url: Canonical URL.
        digest: Of its content; an MD5 only where nothing better was ever promised.
        target: Where to put it, absolute.
    """

    url: str
    digest: Digest
    target: Path
    mode: int = 0o644


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How the network is reached.

    Attributes:
        environment: Names proxies and certificates, see `Transport`.
        offline: Whether it must not be: then only `file:` locations are read.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    offline: bool = False
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)


def fetch_all(
    downloads: Sequence[Download],
    mirrors: MirrorMap,
    progress: Progress = no_progress,
    network: Network | None = None,
) -> None:
    """Put every download at its target, with the right digest.

    A target that exists is hashed, and kept if its digest is right.

    Raises:
        FetchError: No location of a file answers, or what it sends cannot be written; offline, the
            message and `details` name every file that is not there.
        DigestMismatchError: Every location that answered sent other bytes than were promised.
    """
    from lading.net.client import Transport  # noqa: PLC0415  # what is there needs no urllib3

    network = network or Network()
    with (
        closing(Transport(network.environment, network.retry_policy, mirrors)) as transport,
        ThreadPoolExecutor(max_workers=CONNECTIONS, thread_name_prefix="fetch") as pool,
    ):
        fetcher = _Fetcher(transport, mirrors, offline=network.offline)
        futures = {pool.submit(fetcher.fetch, item): item for item in downloads}
        missing: list[str] = []
        try:
            for number, future in enumerate(as_completed(futures), start=1):
                try:
                    future.result()
                except FetchError:
                    if not network.offline:
                        raise
                    missing.append(futures[future].target.name)
                progress("fetch", number, len(downloads))
        except BaseException:
            transport.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    if missing:
        raise _missing_error(sorted(missing))


def _missing_error(names: Sequence[str]) -> FetchError:
    first = names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")
    return FetchError(
        f"{first} must be fetched, and --offline forbids it",
        hint="run `lading fetch` where there is a network",
        details=tuple(names),
    )


class _Partial:
    """An incomplete file: a `Sink` that knows its digest."""

    def __init__(self, stream: BinaryIO, algorithm: Algorithm) -> None:
        self._stream = stream
        self._algorithm = algorithm
        self._hasher = hashlib.new(algorithm)
        self._size = 0
        stream.seek(0)
        while chunk := stream.read(CHUNK_BYTES):
            self._hasher.update(chunk)
            self._size += len(chunk)

    @property
    def size(self) -> int:
        """How many bytes are there."""
        return self._size

    @property
    def digest(self) -> Digest:
        """Of these bytes."""
        return Digest(self._algorithm, self._hasher.hexdigest())

    def write(self, data: bytes) -> None:
        """Append."""
        self._stream.write(data)
        self._hasher.update(data)
        self._size += len(data)

    def restart(self) -> None:
        """Forget what is there."""
        self._stream.seek(0)
        self._stream.truncate()
        self._hasher = hashlib.new(self._algorithm)
        self._size = 0


class _Fetcher:
    """Downloads files from their mirrors."""

    def __init__(self, transport: "Transport", mirrors: MirrorMap, *, offline: bool) -> None:
        self._transport = transport
        self._mirrors = mirrors
        self._offline = offline

    def fetch(self, download: Download) -> None:
        """Put one download at its target; see `fetch_all`."""
        shown = without_credentials(download.url)
        with raised_as(FetchError, f"{shown}: cannot read or write {download.target}", WRITE_HINT):
            if _is_there(download):
                return
            download.target.parent.mkdir(parents=True, exist_ok=True)
            with _locked_partial(download) as (path, stream):
                # Another process may have fetched it while this one waited.
                if not _is_there(download):
                    self._fill(download, path, stream)

    def _fill(self, download: Download, path: Path, stream: BinaryIO) -> None:
        try:
            self._fetch_from_any(download, _Partial(stream, download.digest.algorithm))
            stream.flush()
            path.chmod(download.mode)
            path.replace(download.target)
        except OSError:
            # The disk is full or broken: keeping a part would not help the next run.
            path.unlink(missing_ok=True)
            raise

    def _fetch_from_any(self, download: Download, partial: _Partial) -> None:
        failures: list[FetchError | DigestMismatchError] = []
        for location in self._locations(download):
            try:
                self._fetch_from(location, download, partial)
            except (FetchError, DigestMismatchError) as error:
                _log.info("%s", error)
                failures.append(error)
            else:
                return
        if not failures:
            raise _missing_error([download.target.name])
        # A wrong digest is worse news than a silent mirror.
        raise next(
            (error for error in failures if isinstance(error, DigestMismatchError)), failures[-1]
        )

    def _locations(self, download: Download) -> tuple[str, ...]:
        locations = self._mirrors.locations(download.url)
        if not self._offline:
            return locations
        return tuple(item for item in locations if urlsplit(item).scheme == "file")

    def _fetch_from(self, location: str, download: Download, partial: _Partial) -> None:
        """Download the rest from `location`, or all of it if the digest is wrong then."""
        resumed = partial.size > 0
        self._copy(location, partial)
        if resumed and partial.digest != download.digest:
            _log.info("%s: what was read before does not fit", without_credentials(location))
            partial.restart()
            self._copy(location, partial)
        if partial.digest != download.digest:
            actual = str(partial.digest)
            partial.restart()
            raise DigestMismatchError(
                f"{without_credentials(location)} is not what the lock promises",
                hint="the channel changed the file or the lock is wrong: lock again",
                expected=str(download.digest),
                actual=actual,
            )

    def _copy(self, location: str, partial: _Partial) -> None:
        parts = urlsplit(location)
        match parts.scheme:
            case "http" | "https":
                self._transport.download(location, partial)
            case "file":
                partial.restart()
                for chunk in _chunks_of(location, Path(unquote(parts.path))):
                    partial.write(chunk)
            case _:
                shown = without_credentials(location)
                raise FetchError(f"{shown}: no way to fetch {parts.scheme}:", hint=MIRROR_HINT)


def _is_there(download: Download) -> bool:
    if not download.target.is_file():
        return False
    return digest_of_file(download.target, download.digest.algorithm) == download.digest


def _chunks_of(location: str, path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as source:
            while chunk := source.read(CHUNK_BYTES):
                yield chunk
    except OSError as error:
        shown = without_credentials(location)
        raise FetchError(f"{shown}: {error.strerror}", hint=MIRROR_HINT) from error


@contextmanager
def _locked_partial(download: Download) -> Iterator[tuple[Path, BinaryIO]]:
    """The partial file of a download, for one process at a time; gone afterwards if it is empty."""
    path = download.target.with_name(f".fetch-{download.digest.hex}")
    while True:
        with open_lock(path) as descriptor, open(descriptor, "r+b", closefd=False) as stream:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Who held it before may have given it its final name, and a second name may be a trap.
            if not _is_alone_at(descriptor, path):
                continue
            try:
                yield path, stream
            finally:
                stream.flush()
                status = os.fstat(descriptor)
                if status.st_nlink and status.st_size == 0:
                    path.unlink(missing_ok=True)
            return


def _is_alone_at(descriptor: int, path: Path) -> bool:
    """Whether an open file lies at `path`, and nowhere else."""
    status = os.fstat(descriptor)
    if not path.exists() or not os.path.samestat(status, path.stat()):
        return False
    if status.st_nlink > 1:
        raise PermissionError(errno.EPERM, f"{path.name} has a second name", str(path))
    return True
