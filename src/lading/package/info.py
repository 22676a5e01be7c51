"""What a package puts into a prefix, as its own `info/` directory says.

Source: CEP 34 (`info/paths.json`, `info/index.json`), CEP 20 and 17 (noarch python,
`info/link.json`, `python_site_packages_path`), conda-build's older `info/files` and `has_prefix`.
"""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from lading.conda import FileMode, PathType
from lading.errors import ArchiveError
from lading.system import Digest

__all__ = [
    "EntryPoint",
    "PackageInfo",
    "PathEntry",
    "read_package_info",
]

DEFAULT_PLACEHOLDER = "/opt/anaconda1anaconda2anaconda3"
"""What `info/has_prefix` means where it names no placeholder (conda-build before 1.9)."""

REMEDY = "the package is damaged or no conda package: clear the package cache and fetch it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class PathEntry:
    """One path of a package.

    Attributes:
        path: Relative to the package directory, POSIX.
        type: How it is linked.
        sha256: Of the file in the package; None for directories and where the package says nothing.
        size: In bytes; None where the package says nothing.
        placeholder: Build prefix to be replaced, or empty.
        mode: How it is replaced; meaningful only with a placeholder.
    """

    path: str
    type: PathType
    sha256: Digest | None = None
    size: int | None = None
    placeholder: str = ""
    mode: FileMode = FileMode.TEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPoint:
    """A console script of a noarch python package: `command = module:function`."""

    command: str
    module: str
    function: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageInfo:
    """The `info/` directory of one extracted package.

    Attributes:
        name: Package name.
        version: Version literal.
        build: Build string.
        index: The whole of `info/index.json`.
        noarch: `python`, `generic` or empty.
        timestamp: Build time in Unix milliseconds; 0 where unknown.
        site_packages_path: `python_site_packages_path` of a python package, or empty.
        entry_points: In the package's order.
        paths: Sorted by path; unique.
    """

    name: str
    version: str
    build: str
    index: dict[str, object]
    noarch: str
    timestamp: int
    site_packages_path: str
    entry_points: tuple[EntryPoint, ...]
    paths: tuple[PathEntry, ...]


class _Path(msgspec.Struct, frozen=True):
    path: str = msgspec.field(name="_path")
    path_type: str = "hardlink"
    sha256: str | None = None
    size_in_bytes: int | None = None
    prefix_placeholder: str | None = None
    file_mode: FileMode | None = None


class _Paths(msgspec.Struct, frozen=True):
    paths: list[_Path]


class _Index(msgspec.Struct, frozen=True):
    name: str
    version: str
    build: str
    noarch: str | bool | None = None
    timestamp: int | None = None
    python_site_packages_path: str | None = None


class _NoArch(msgspec.Struct, frozen=True):
    type: str = ""
    entry_points: list[str] = []


class _Link(msgspec.Struct, frozen=True):
    noarch: _NoArch | None = None


def read_package_info(directory: Path) -> PackageInfo:
    """What the extracted package in `directory` says of itself.

    Raises:
        ArchiveError: A file of `info/` is missing or malformed.
    """
    try:
        data = (directory / "info/index.json").read_bytes()
        index = msgspec.json.decode(data, type=_Index)
        link_path = directory / "info/link.json"
        link = (
            msgspec.json.decode(link_path.read_bytes(), type=_Link) if link_path.exists() else None
        )
        paths = _read_paths(directory)
        entry_points = link.noarch.entry_points if link is not None and link.noarch else []
        return PackageInfo(
            name=index.name,
            version=index.version,
            build=index.build,
            index=msgspec.json.decode(data, type=dict[str, object]),
            noarch=index.noarch if isinstance(index.noarch, str) else "",
            timestamp=index.timestamp or 0,
            site_packages_path=index.python_site_packages_path or "",
            entry_points=tuple(parse_entry_point(text) for text in entry_points),
            paths=paths,
        )
    except (OSError, ValueError, msgspec.DecodeError) as error:
        raise ArchiveError(f"{directory.name}: {error}", hint=REMEDY) from error


def parse_entry_point(text: str) -> EntryPoint:
    """The entry point written as `command = module:function`.

    Raises:
        ValueError: It has another form, or a name in it is not usable.
    """
    command, equals, rest = text.partition("=")
    module, colon, function = rest.partition(":")
    result = EntryPoint(
        command=command.strip(), module=module.strip(), function=function.strip().split(" ")[0]
    )
    dotted = f"{result.module}.{result.function}".split(".")
    usable = result.command and "/" not in result.command and all(n.isidentifier() for n in dotted)
    if not equals or not colon or not usable:
        raise ValueError(f"{text!r} is no entry point")
    return result


def _read_paths(directory: Path) -> tuple[PathEntry, ...]:
    """The path entries, from `info/paths.json` or, in packages before 2017, `info/files`."""
    path = directory / "info/paths.json"
    if not path.exists():
        return _read_old_paths(directory)
    document = msgspec.json.decode(path.read_bytes(), type=_Paths)
    _refuse_unsafe(item.path for item in document.paths)
    entries = [
        PathEntry(
            path=item.path,
            type=PathType(item.path_type),
            sha256=Digest.sha256(item.sha256) if item.sha256 else None,
            size=item.size_in_bytes,
            placeholder=item.prefix_placeholder or "",
            mode=item.file_mode or FileMode.TEXT,
        )
        for item in document.paths
    ]
    return tuple(sorted(entries, key=lambda entry: entry.path))


def _refuse_unsafe(paths: Iterable[str]) -> None:
    """Refuse paths that lead out of the package.

    Raises:
        ValueError: There is one.
    """
    for path in paths:
        if not path or "\0" in path or path.startswith("/") or ".." in path.split("/"):
            raise ValueError(f"it lists the unsafe path {path!r}")


def _read_old_paths(directory: Path) -> tuple[PathEntry, ...]:
    placeholders = _read_has_prefix(directory / "info/has_prefix")
    entries = []
    names = (directory / "info/files").read_text("utf-8").splitlines()
    _refuse_unsafe(names)
    for name in names:
        mode, placeholder = placeholders.get(name, (FileMode.TEXT, ""))
        is_link = (directory / name).is_symlink()
        entries.append(
            PathEntry(
                path=name,
                type=PathType.SOFTLINK if is_link else PathType.HARDLINK,
                placeholder=placeholder,
                mode=mode,
            )
        )
    return tuple(sorted(entries, key=lambda entry: entry.path))


def _read_has_prefix(path: Path) -> dict[str, tuple[FileMode, str]]:
    """File → how and what to replace; lines are `path` or `placeholder mode path`."""
    result: dict[str, tuple[FileMode, str]] = {}
    if not path.exists():
        return result
    for line in path.read_text("utf-8").splitlines():
        words = shlex.split(line)
        if len(words) == 1:
            result[words[0]] = (FileMode.TEXT, DEFAULT_PLACEHOLDER)
        elif words:
            placeholder, mode, name = words
            result[name] = (FileMode(mode), placeholder)
    return result
