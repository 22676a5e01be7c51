"""What every package must fulfil before anything links, reads or runs it.

An engine is only given packages that passed, because its linker trusts what they say. For each
package, read from its digest-checked archive as it streams:

1. The archive is sound (`lading.package.archive`): safe paths, no devices, nothing hidden.
2. `info/index.json` names the package that the lock names.
3. Each path of its list is in the archive, once, and is there what the list says: a file is neither
   a link nor a directory, and has the size that is listed.
4. Nothing lies below a file or a link; `info/` holds no link that leaves it, and no listed path.

For all packages of an environment together, at the places where they will lie in the prefix:

5. No path is a directory of one package and a file or link of another: so nothing is read or
   written through a link. Where file systems ignore case, paths are compared without it.
6. No link leads out of the prefix, neither by its target nor by way of other links.

Streaming 55 packages of 630 MB takes 1.3 s of processor time. Looking at extracted files would
take less, but an engine extracts and links in one go, and what lies extracted in a cache may be
another's. So the result is kept by the digest of the archive, and read again in milliseconds.
"""

import logging
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

import msgspec

from lading.conda import Kind, PathType, Platform, RepodataRecord, link_steps
from lading.errors import ArchiveError, UnsafePathError
from lading.package.archive import (
    LARGEST_INFO,
    Member,
    MemberType,
    archive_errors,
    read_info,
    read_members,
)
from lading.package.bytecode import BroughtBytecode, BytecodeFinder
from lading.package.info import INFO_FILES, PackageInfo, PathEntry, parse_package_info
from lading.package.payload import check_identity, noarch_target
from lading.package.tar_stream import Content
from lading.system import decode_json, in_order, write_atomically

RULES = 2
"""Of the checks on one package; a result of other rules is not used."""

LARGEST_SOURCE = 1 << 26
"""Of a python source or its bytecode that is looked at, in bytes."""

_INFO_PATHS = {f"info/{name}": name for name in INFO_FILES}

MOST_STEPS = 2_000_000
"""Names that are looked at to follow all links of an environment."""

_BROKEN = "do not use this package; take another build of it, and tell its channel"
_CLASH = "these packages cannot share an environment; take another build of one of them"

_log = logging.getLogger(__name__)


class CheckedPath(msgspec.Struct, frozen=True, array_like=True):
    """A path that a package puts into a prefix, before noarch paths are moved."""

    path: str
    kind: Kind
    target: str = ""


class CheckedPackage(msgspec.Struct, frozen=True, array_like=True):
    """A package that passed the checks on it alone, and its bytecode that fits its sources."""

    rules: int
    name: str
    version: str
    build: str
    noarch: str
    site_packages: str
    commands: tuple[str, ...]
    paths: tuple[CheckedPath, ...]
    bytecode: tuple[BroughtBytecode, ...]


class KnownInfo(NamedTuple):
    """The files of `info/` that are read, by name, and what they say."""

    files: Mapping[str, bytes]
    info: PackageInfo

    @classmethod
    def read(cls, file_name: str, archive: Path) -> "KnownInfo":
        """What the package in `archive` says of itself; types of files are not known yet.

        Raises:
            ArchiveError: It is damaged.
        """
        with archive.open("rb") as stream:
            files = read_info(file_name, stream)
        files = {name: data for name, data in files.items() if name in INFO_FILES}
        return cls(files, parse_package_info(file_name, files))


def check_packages(
    records: Sequence[RepodataRecord],
    archives: Mapping[str, Path],
    platform: Platform,
    cache: Path | None = None,
    workers: int = 1,
) -> dict[str, CheckedPackage]:
    """Refuse packages that must not be given to an engine, see the module.

    `archives`, whose digests were checked, and what is returned are by distribution string. Results
    are kept in `cache`, absolute; None keeps none.

    Raises:
        ArchiveError: A package is not what the lock or its own list says.
        UnsafePathError: It would read or write outside of the prefix.
    """
    checked = {}
    with in_order(
        lambda record: _remembered(record, archives[record.distribution], cache), records, workers
    ) as packages:
        for record, package in zip(records, packages, strict=True):
            check_identity(record, package)  # 2
            checked[record.distribution] = package
    check_environment(checked, platform)
    return checked


def _remembered(record: RepodataRecord, archive: Path, cache: Path | None) -> CheckedPackage:
    place = _place_of_result(record, cache)
    if place is not None:
        with suppress(OSError, msgspec.DecodeError):
            kept = decode_json(place.read_bytes(), CheckedPackage)
            if kept.rules == RULES:
                return kept
    with archive_errors(record.file_name), archive.open("rb") as stream:
        package = check_archive(record.file_name, stream)
    keep_checked(record, package, cache)
    return package


def _place_of_result(record: RepodataRecord, cache: Path | None) -> Path | None:
    return cache / f"{record.sha256.hex}.json" if cache and record.sha256 else None


def keep_checked(record: RepodataRecord, package: CheckedPackage, cache: Path | None) -> None:
    """Keep the result of checking a package by itself, for `check_packages`."""
    place = _place_of_result(record, cache)
    if place is None:
        return
    try:
        write_atomically(place, msgspec.json.encode(package))
    except OSError as error:
        _log.debug("%s is not kept: %s", place, error)


def check_archive(file_name: str, stream: IO[bytes]) -> CheckedPackage:
    """Check a package by itself (1, 3 and 4), reading its archive to the end.

    Raises:
        ArchiveError: It is not a sound package.
        UnsafePathError: It holds something below a link.
    """
    check = ArchiveCheck(file_name)
    for member, content in read_members(file_name, stream):
        check.look(member, content)
    return check.finish()


class ArchiveCheck:
    """The checks on a package by itself, member by member, while its archive streams."""

    def __init__(self, file_name: str, known: KnownInfo | None = None) -> None:
        """Nothing is known of `file_name` yet, but what its `info/` may turn out to say.

        Its own list is `listed`, once it is finished.
        """
        self._file_name = file_name
        self._known = known
        self._files: dict[str, bytes] = {}
        self._finder = BytecodeFinder()
        self.members: dict[str, Member] = {}
        self.listed: tuple[PathEntry, ...] = ()

    def look(self, member: Member, content: Content | None) -> bytes | None:
        """Look at a member; return the content of a file where that had to be read.

        Raises:
            ArchiveError: It is larger than anything of its kind.
        """
        path = member.path
        self.members[path] = member
        if content is None:
            return None
        if name := _INFO_PATHS.get(path):
            if member.size > LARGEST_INFO:
                raise ArchiveError(f"{self._file_name}: {path} is too large", hint=_BROKEN)
            data = self._files[name] = content.read()
        elif path.endswith((".py", ".pyc")) and member.size <= LARGEST_SOURCE:
            data = content.read()
            self._finder.look(member, data)
        else:
            return None
        return data

    def finish(self) -> CheckedPackage:
        """The package, after its last member.

        Raises:
            ArchiveError: It is not a sound package.
            UnsafePathError: It holds something below a link.
        """
        members = self.members
        info = self._info()
        _check_parents(self._file_name, members)
        self.listed = info.paths
        return CheckedPackage(
            rules=RULES,
            name=info.name,
            version=info.version,
            build=info.build,
            noarch=info.noarch,
            site_packages=info.site_packages if info.name == "python" else "",
            commands=tuple(item.command for item in info.entry_points),
            paths=tuple(_checked_paths(self._file_name, info, members)),
            # A noarch package is for any python.
            bytecode=() if info.noarch else tuple(self._finder.fitting(info.paths)),
        )

    def _info(self) -> PackageInfo:
        # Parsing takes a while, and what is older than `paths.json` needs the members.
        if self._known and "paths.json" in self._files and self._files == self._known.files:
            return self._known.info
        members = self.members
        return parse_package_info(
            self._file_name,
            self._files,
            lambda path: path in members and members[path].type is MemberType.LINK,
        )


def _check_parents(file_name: str, members: Mapping[str, Member]) -> None:
    """Refuse members below a file or a link, and links that leave `info/` or are its files."""
    kinds = {
        path: Kind.DIRECTORY if member.type is MemberType.DIRECTORY else Kind.FILE
        for path, member in members.items()
    }
    fault = next(_below_others(kinds), None)
    if fault is not None:
        raise UnsafePathError(
            f"{file_name} holds {fault[1]} below {fault[0]}, which is not a directory", hint=_BROKEN
        )
    links = {item.path: item.target for item in members.values() if item.type is MemberType.LINK}
    inside = {path[5:]: target for path, target in links.items() if path.startswith("info/")}
    for path in inside:
        if "/" not in path or link_steps(path, inside) is None:
            raise UnsafePathError(f"{file_name} holds the link info/{path}", hint=_BROKEN)


def _below_others(kinds: Mapping[str, Kind]) -> Iterator[tuple[str, str]]:
    """(ancestor, path) for each path below one that is not a directory."""
    sound = {""}
    for path in kinds:
        ancestor = path.rpartition("/")[0]
        while ancestor not in sound:
            if kinds.get(ancestor, Kind.DIRECTORY) is not Kind.DIRECTORY:
                yield ancestor, path
                break
            sound.add(ancestor)
            ancestor = ancestor.rpartition("/")[0]


def _checked_paths(
    file_name: str, info: PackageInfo, members: Mapping[str, Member]
) -> Iterator[CheckedPath]:
    previous = ""
    for entry in info.paths:
        if entry.path == previous:
            raise ArchiveError(f"{file_name} lists {entry.path} twice", hint=_BROKEN)
        if entry.path.partition("/")[0] == "info":
            raise ArchiveError(f"{file_name} lists {entry.path}, which is its own", hint=_BROKEN)
        previous = entry.path
        yield _checked_path(file_name, entry, members)


def _checked_path(file_name: str, entry: PathEntry, members: Mapping[str, Member]) -> CheckedPath:
    member = members.get(entry.path)
    type_ = MemberType.DIRECTORY if member is None else member.type
    if member is None and entry.type is not PathType.DIRECTORY:
        raise ArchiveError(f"{file_name} lists {entry.path} and does not hold it", hint=_BROKEN)
    if type_ not in _ALLOWED[entry.type]:
        raise ArchiveError(
            f"{file_name} lists {entry.path} as a {entry.type} and holds a {type_}", hint=_BROKEN
        )
    if member is None or type_ is MemberType.DIRECTORY:
        return CheckedPath(entry.path, Kind.DIRECTORY)
    if type_ is MemberType.LINK:
        return CheckedPath(entry.path, Kind.LINK, member.target)
    size = members[member.target].size if type_ is MemberType.HARDLINK else member.size
    if entry.type is PathType.HARDLINK and entry.size not in {None, size}:
        raise ArchiveError(
            f"{file_name} lists {entry.path} with {entry.size} bytes and holds {size}", hint=_BROKEN
        )
    return CheckedPath(entry.path, Kind.FILE)


_FILES = {MemberType.FILE, MemberType.HARDLINK}
_ALLOWED = {
    PathType.HARDLINK: _FILES,
    PathType.SOFTLINK: {MemberType.LINK, *_FILES},
    PathType.DIRECTORY: {MemberType.DIRECTORY},
}


def check_environment(packages: Mapping[str, CheckedPackage], platform: Platform) -> None:
    """Check packages together (5 and 6).

    `packages`: distribution string → package.

    Raises:
        UnsafePathError: A link leads out of the prefix, or a path lies below one.
        ArchiveError: A path is a file of one package and a directory of another.
    """
    site_packages = next(
        (item.site_packages for item in packages.values() if item.site_packages), ""
    )
    fold = str if platform.is_linux else _folded
    kinds: dict[str, Kind] = {}
    owners: dict[str, tuple[str, str]] = {}
    links: dict[str, tuple[str, str]] = {}
    for distribution, package in packages.items():
        for item in _placed(package, site_packages):
            key = fold(item.path)
            owner, path = owners.setdefault(key, (distribution, item.path))
            # A path that is a directory for one and a file for another, or is written in two ways.
            if (item.kind is Kind.DIRECTORY) is not (
                kinds.setdefault(key, item.kind) is Kind.DIRECTORY
            ) or (path != item.path and item.kind is not Kind.DIRECTORY):
                raise _clash(owner, path, distribution, item.path)
            if item.kind is Kind.LINK:
                # Of two links at one place either may be followed: each is checked by itself too.
                _check_links({item.path: (item.target, distribution)})
                links[item.path] = (item.target, distribution)
    for ancestor, path in _below_others(kinds):
        raise _clash(*owners[ancestor], *owners[path])
    _check_links(links)


def _placed(package: CheckedPackage, site_packages: str) -> Iterator[CheckedPath]:
    """The paths of a package at the places where they lie in the prefix."""
    if package.noarch != "python":
        yield from package.paths
        return
    for item in package.paths:
        path = noarch_target(item.path, site_packages or "site-packages")
        yield CheckedPath(path, item.kind, item.target)
    yield from (CheckedPath(f"bin/{command}", Kind.FILE) for command in package.commands)


def _check_links(links: Mapping[str, tuple[str, str]]) -> None:
    """Refuse links that leave the prefix, also by way of each other.

    `links`: path → target and distribution string.
    """
    targets = {path: target for path, (target, _) in links.items()}
    total = 0
    for path, (target, distribution) in links.items():
        steps = link_steps(path, targets)
        if steps is None:
            raise UnsafePathError(
                f"{distribution}: the link {path} leads out of the prefix, to {target}",
                hint=_BROKEN,
            )
        total += steps
        if total > MOST_STEPS:
            raise UnsafePathError(f"{distribution}: links take too long to follow", hint=_BROKEN)


def _clash(owner: str, path: str, other: str, below: str) -> UnsafePathError:
    return UnsafePathError(f"{path} of {owner} is in the way of {below} of {other}", hint=_CLASH)


def _folded(path: str) -> str:
    """A path as a file system that ignores case compares it."""
    return unicodedata.normalize("NFC", path).casefold()
