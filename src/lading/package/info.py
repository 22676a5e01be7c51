"""What a package says of itself in the files of its `info/` directory.

Source: CEP 34 (`info/paths.json`, `info/index.json`), CEP 20 and 17 (noarch python,
`info/link.json`, `python_site_packages_path`), conda-build's older `info/files` and `has_prefix`.
"""

import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from lading.conda import FileMode, PathType, check_placeholder
from lading.errors import ArchiveError
from lading.package.archive import REMEDY, check_path
from lading.system import Digest, decode_json

INFO_FILES = ("index.json", "paths.json", "link.json", "files", "has_prefix")
"""The files of `info/` that are read."""

DEFAULT_PLACEHOLDER = "/opt/anaconda1anaconda2anaconda3"
"""What `info/has_prefix` means where it names no placeholder (conda-build before 1.9)."""


class PathEntry(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One path of a package.

    Attributes:
        path: Relative to the package directory, POSIX.
        sha256: Of the file in the package; None for directories and where the package says nothing.
        size: In bytes; None where the package says nothing.
        mode: How it is replaced; meaningful only with a placeholder.
        no_link: Whether an installer must copy it, since programs change it in place.
    """

    path: str
    type: PathType
    sha256: Digest | None = None
    size: int | None = None
    placeholder: str = ""
    mode: FileMode = FileMode.TEXT
    no_link: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPoint:
    """A console script of a noarch python package: `command = module:function`."""

    command: str
    module: str
    function: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageInfo:
    """The `info/` of one package.

    Attributes:
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

    @property
    def site_packages(self) -> str:
        """Of a package of python: the prefix-relative directory of its packages (CEP 17)."""
        version = ".".join(self.version.split(".")[:2])
        return self.site_packages_path or f"lib/python{version}/site-packages"


class _Path(msgspec.Struct, frozen=True):
    path: str = msgspec.field(name="_path")
    path_type: str = "hardlink"
    sha256: str | None = None
    size_in_bytes: int | None = None
    prefix_placeholder: str | None = None
    file_mode: FileMode | None = None
    no_link: bool | None = None


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
    """Read the `info/` of the extracted package in `directory`.

    Raises:
        ArchiveError: A file of `info/` is missing or malformed.
    """
    info = directory / "info"
    try:
        files = {name: (info / name).read_bytes() for name in INFO_FILES if (info / name).exists()}
    except OSError as error:
        raise ArchiveError(f"{directory.name}: {error}", hint=REMEDY) from error
    return parse_package_info(directory.name, files, lambda path: (directory / path).is_symlink())


def parse_package_info(
    name: str, files: Mapping[str, bytes], is_link: Callable[[str], bool] = lambda _path: False
) -> PackageInfo:
    """The package described by the `files` of its `info/`.

    Args:
        name: What to call it in a message.
        files: File name → content; other files than `INFO_FILES` are ignored.
        is_link: Whether a path of the package is a symbolic link; asked where the package does not
            say it, in the form before 2017.

    Raises:
        ArchiveError: A file is missing or malformed.
    """
    try:
        index = decode_json(files["index.json"], _Index)
        link = decode_json(files.get("link.json", b"{}"), _Link)
        entry_points = link.noarch.entry_points if link.noarch else []
        info = PackageInfo(
            name=index.name,
            version=index.version,
            build=index.build,
            index=decode_json(files["index.json"], dict[str, object]),
            noarch=index.noarch if isinstance(index.noarch, str) else "",
            timestamp=index.timestamp or 0,
            site_packages_path=index.python_site_packages_path or "",
            entry_points=tuple(parse_entry_point(text) for text in entry_points),
            paths=tuple(sorted(_paths(files, is_link), key=lambda entry: entry.path)),
        )
        check_path(info.site_packages)
    except KeyError as error:
        raise ArchiveError(f"{name} has no info/{error.args[0]}", hint=REMEDY) from error
    except (ValueError, RecursionError) as error:
        raise ArchiveError(f"{name}: {error}", hint=REMEDY) from error
    return info


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
    is_name = "/" not in result.command and all(name.isidentifier() for name in dotted)
    if not (equals and colon and is_name):
        raise ValueError(f"{text!r} is not an entry point")
    check_path(result.command)
    return result


def _paths(files: Mapping[str, bytes], is_link: Callable[[str], bool]) -> Iterator[PathEntry]:
    """The path entries, from `paths.json` or, in packages before 2017, `files`."""
    if "paths.json" not in files:
        yield from _old_paths(files, is_link)
        return
    for item in decode_json(files["paths.json"], _Paths).paths:
        placeholder = item.prefix_placeholder or ""
        _check_entry(item.path, placeholder)
        yield PathEntry(
            path=item.path,
            type=PathType(item.path_type),
            sha256=Digest.sha256(item.sha256) if item.sha256 else None,
            size=item.size_in_bytes,
            placeholder=placeholder,
            mode=item.file_mode or FileMode.TEXT,
            no_link=bool(item.no_link),
        )


def _old_paths(files: Mapping[str, bytes], is_link: Callable[[str], bool]) -> Iterator[PathEntry]:
    placeholders = _has_prefix(files.get("has_prefix", b"").decode())
    for path in files["files"].decode().splitlines():
        mode, placeholder = placeholders.get(path, (FileMode.TEXT, ""))
        _check_entry(path, placeholder)
        type_ = PathType.SOFTLINK if is_link(path) else PathType.HARDLINK
        yield PathEntry(path=path, type=type_, placeholder=placeholder, mode=mode)


def _check_entry(path: str, placeholder: str) -> None:
    check_path(path)
    if placeholder:
        check_placeholder(placeholder)


def _has_prefix(text: str) -> dict[str, tuple[FileMode, str]]:
    """File → how and what to replace; lines are `path` or `placeholder mode path`."""
    result: dict[str, tuple[FileMode, str]] = {}
    for line in text.splitlines():
        words = shlex.split(line)
        if len(words) == 1:
            result[words[0]] = (FileMode.TEXT, DEFAULT_PLACEHOLDER)
        elif words:
            placeholder, mode, name = words
            result[name] = (FileMode(mode), placeholder)
    return result
