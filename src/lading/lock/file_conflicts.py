"""Refuse a lock of which a pip package would overwrite a file of a conda package.

pip packages are installed over the conda packages, so of two that bring one file the last wins
without a word. Names tell some of it (`lading.lock.pip`); this module compares the files, learned
without downloading the archives: a wheel and a `.conda` package are zip files, so the end of one
says it all. It is read from the package cache, from a layer, from a `file:` mirror, or by ranges
over HTTP, and kept by the SHA-256 of the archive.

What cannot be looked into so is passed over and named: a `.tar.bz2` that lies on a server, and
every archive of a server that knows no ranges. The installation compares what really lies there.
"""

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import msgspec

from lading.conda import MirrorMap
from lading.errors import FetchError, LadingError, SpecError
from lading.lock.dependency_graph import LockGraph, node_of
from lading.lock.model import LockedPackage, Lockfile
from lading.lock.requested import Sources
from lading.lock.requirement import requirement_name
from lading.net import CONNECTIONS, PartialFile, RemoteFile, RetryPolicy
from lading.package import ArchiveFiles, Unread, list_archive, list_local
from lading.system import decode_json, sha256_of_file, write_atomically

if TYPE_CHECKING:
    from lading.net import Transport

PYTHON = "python"

QUICK = RetryPolicy(retries=1, connect=10.0, read=20.0)
"""What is learned here is worth no long wait: the installation looks again."""

_log = logging.getLogger(__name__)

Lists = Mapping[str, ArchiveFiles | Unread]
"""The files of packages, by the hexadecimal SHA-256 of their archives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLists:
    """Lists the files of locked packages.

    Attributes:
        cache: Directory of lists that were read before, absolute; made where it is missing.
        places: Directories where archives may lie already, absolute.
        environment: Names proxies and certificates, see `Transport`.
    """

    cache: Path
    places: tuple[Path, ...] = ()
    mirrors: MirrorMap = field(default_factory=MirrorMap)
    environment: Mapping[str, str] = field(default_factory=dict)
    retry_policy: RetryPolicy = QUICK

    def read(self, packages: Sequence[LockedPackage]) -> Lists:
        """The files of `packages`."""
        from lading.net import Transport  # noqa: PLC0415  # most locks have no pip part

        with (
            closing(Transport(self.environment, self.retry_policy, self.mirrors)) as transport,
            ThreadPoolExecutor(max_workers=CONNECTIONS, thread_name_prefix="list") as pool,
        ):
            found = pool.map(_Reader(self, transport).read, packages)
            return {item.sha256.hex: files for item, files in zip(packages, found, strict=True)}


def refuse_file_conflicts(lock: Lockfile, sources: Sources, lists: FileLists) -> tuple[str, ...]:
    """Refuse a lock of which a pip package overwrites a file of a conda package.

    Returns:
        `file name: reason` of each archive that could not be looked into, sorted.
    """
    if not lock.pip:
        return ()
    wheels = lists.read(lock.pip)
    conda = lists.read(_candidates(lock, wheels))
    site_packages = _site_packages(lock, conda)
    brought = {
        path: item
        for item in lock.pip
        for path in _paths(wheels.get(item.sha256.hex), site_packages)
    }
    for item in lock.conda:
        for path in _paths(conda.get(item.sha256.hex), site_packages):
            if path in brought and not path.endswith(".pyc"):
                raise _refusal(lock, sources, brought[path], item, path)
    known = {**wheels, **conda}
    return tuple(
        sorted(
            f"{item.file_name}: {found.reason}"
            for item in lock.packages
            if isinstance(found := known.get(item.sha256.hex), Unread)
        )
    )


def _candidates(lock: Lockfile, wheels: Lists) -> Sequence[LockedPackage]:
    """The conda packages that may have a file of a wheel.

    Below site-packages there are only files of what depends on python; in `bin/` there may be any.
    """
    if any(isinstance(item, ArchiveFiles) and item.paths for item in wheels.values()):
        return lock.conda
    return [item for item in lock.conda if item.name == PYTHON or PYTHON in item.dependencies]


def _site_packages(lock: Lockfile, lists: Lists) -> str:
    if lock.platform.is_windows:
        return "Lib/site-packages"
    for item in lock.conda:
        if item.name == PYTHON:
            found = lists.get(item.sha256.hex)
            said = found.site_packages if isinstance(found, ArchiveFiles) else ""
            return said or f"lib/python{'.'.join(item.version.split('.')[:2])}/site-packages"
    return ""


def _paths(found: ArchiveFiles | Unread | None, site_packages: str) -> Iterator[str]:
    if isinstance(found, ArchiveFiles):
        yield from found.paths
        for path in found.site_paths:
            yield f"{site_packages}/{path}"


def _refusal(
    lock: Lockfile, sources: Sources, pip: LockedPackage, conda: LockedPackage, path: str
) -> SpecError:
    return SpecError(
        f"the pip package {pip.name} {pip.version} overwrites {path} of the conda package"
        f" {conda.name} {conda.version}",
        hint=_line_to_delete(lock, sources, pip),
    )


def _line_to_delete(lock: Lockfile, sources: Sources, package: LockedPackage) -> str:
    """What to do about `package`: the line of a source that brings it."""
    if sources.are_understood:
        files = [item.on(lock.platform) for item in sources.files]
        lines = {
            f"pip:{requirement_name(line)}": (line, item) for item in files for line in item.pip
        }
        graph = LockGraph(lock, sources.on(lock.platform)).graph
        for chain in graph.shortest_chains(node_of(package)):
            if chain[0] in lines:
                line, item = lines[chain[0]]
                brought = "" if len(chain) == 1 else f", which brings {package.name}"
                return f"delete `- {line}` below `pip:` in {item.path.name}{brought}"
    return f"delete {package.name} from the pip packages of the sources"


class _Reader:
    """Reads lists, and asks a server that did not answer no second time."""

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
                return decode_json(path.read_bytes(), ArchiveFiles)
            except (OSError, msgspec.DecodeError) as error:
                _log.debug("%s is read again: %s", path, error)
        try:
            found = self._look(package)
        except LadingError as error:
            return Unread(str(error))
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
            return Unread("not a zip file, so it cannot be read in parts")
        return self._list_remote(package, location)

    def _list_remote(self, package: LockedPackage, location: str) -> ArchiveFiles | Unread:
        host = urlsplit(location).netloc
        with self._lock:
            if host in self._silent:
                return Unread("its server does not answer")
        try:
            remote = RemoteFile(location, self._transport)
            if remote.size is None:
                return Unread("its server sends no parts of files")
            return list_archive(package.file_name, PartialFile(remote, remote.size))
        except FetchError as error:
            if "HTTP status" not in error.message:
                with self._lock:
                    self._silent.add(host)
            return Unread(str(error))
