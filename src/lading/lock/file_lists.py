"""Which files archives put into a prefix, learned without downloading the archives.

A wheel and a `.conda` package are zip files, so the end of one says it all; it is read from the
package cache, from a layer, from a `file:` mirror, or by ranges over HTTP. Lists are kept by the
SHA-256 of the archive. What cannot be looked into so is left: a `.tar.bz2` that lies on a server,
and every archive of a server that knows no ranges.
"""

import logging
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import msgspec

from lading.conda import MirrorMap
from lading.errors import FetchError, LadingError
from lading.lock.model import LockedPackage
from lading.net import CONNECTIONS, PartialFile, RemoteFile, RetryPolicy
from lading.package import DAMAGE, ArchiveFiles, Unread, list_local, list_zip
from lading.system import sha256_of_file, write_atomically

if TYPE_CHECKING:
    from lading.net import Transport

__all__ = ["FileLists"]

QUICK = RetryPolicy(retries=1, connect=10.0, read=20.0)
"""What is learned here is worth no long wait: the installation looks again."""

_NO_RANGES = "its server sends no parts of files"
_NO_ZIP = "no zip file that could be read in parts"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLists:
    """Lists the files of locked packages.

    Attributes:
        cache: Directory of lists that were read before, absolute; made where it is missing.
        places: Directories where archives may lie already, absolute.
        mirrors: Where archives are read from.
        environment: Names proxies and certificates, see `Transport`.
        retry_policy: How long servers are waited for.
    """

    cache: Path
    places: tuple[Path, ...] = ()
    mirrors: MirrorMap = field(default_factory=MirrorMap)
    environment: Mapping[str, str] = field(default_factory=dict)
    retry_policy: RetryPolicy = QUICK

    def __call__(self, packages: Sequence[LockedPackage]) -> Mapping[str, ArchiveFiles | Unread]:
        """The files of `packages`, by the hexadecimal SHA-256 of their archives."""
        from lading.net import Transport  # noqa: PLC0415  # most locks have no pip part

        with (
            closing(Transport(self.environment, self.retry_policy, self.mirrors)) as transport,
            ThreadPoolExecutor(max_workers=CONNECTIONS, thread_name_prefix="list") as pool,
        ):
            reader = _Reader(self, transport)
            found = pool.map(reader.read, packages)
            return {item.sha256.hex: files for item, files in zip(packages, found, strict=True)}


class _Reader:
    """Reads lists, and asks no server again that did not answer."""

    def __init__(self, lists: FileLists, transport: "Transport") -> None:
        self._lists = lists
        self._transport = transport
        self._silent: set[str] = set()
        self._lock = threading.Lock()

    def read(self, package: LockedPackage) -> ArchiveFiles | Unread:
        """The files of one package, remembered."""
        path = self._lists.cache / f"{package.sha256.hex}.json"
        if path.is_file():
            try:
                return msgspec.json.decode(path.read_bytes(), type=ArchiveFiles)
            except (OSError, msgspec.DecodeError) as error:
                _log.debug("%s is read anew: %s", path, error)
        try:
            found = self._look(package)
        except LadingError as error:
            return Unread(str(error))
        except DAMAGE as error:
            return Unread(f"it is damaged: {error}")
        if isinstance(found, ArchiveFiles):
            self._remember(path, found)
        return found

    def _remember(self, path: Path, files: ArchiveFiles) -> None:
        try:
            write_atomically(path, msgspec.json.encode(files))
        except OSError as error:
            _log.debug("%s is not kept: %s", path, error)

    def _look(self, package: LockedPackage) -> ArchiveFiles | Unread:
        for place in self._lists.places:
            path = place / package.file_name
            if path.is_file() and sha256_of_file(path) == package.sha256:
                return list_local(package.file_name, path)
        found: ArchiveFiles | Unread = Unread("it has no location")
        for location in self._lists.mirrors.locations(package.url):
            found = self._list_at(package, location)
            if isinstance(found, ArchiveFiles):
                break
        return found

    def _list_at(self, package: LockedPackage, location: str) -> ArchiveFiles | Unread:
        parts = urlsplit(location)
        if parts.scheme == "file":
            path = Path(unquote(parts.path))
            return (
                list_local(package.file_name, path) if path.is_file() else Unread("it is not there")
            )
        if parts.scheme not in {"http", "https"}:
            return Unread(f"{parts.scheme}: cannot be read in parts")
        if not package.file_name.endswith((".conda", ".whl")):
            return Unread(_NO_ZIP)
        return self._list_remote(package, location)

    def _list_remote(self, package: LockedPackage, location: str) -> ArchiveFiles | Unread:
        host = urlsplit(location).netloc
        with self._lock:
            if host in self._silent:
                return Unread("its server does not answer")
        try:
            remote = RemoteFile(location, self._transport)
            if remote.size is None:
                return Unread(_NO_RANGES)
            return list_zip(package.file_name, PartialFile(remote, remote.size))
        except FetchError as error:
            if "HTTP status" not in error.message:
                with self._lock:
                    self._silent.add(host)
            return Unread(str(error))
