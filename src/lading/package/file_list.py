"""The files that an archive puts into a prefix: a wheel, a `.conda` or a `.tar.bz2` package.

Only what lists the files is read of it: the directory of a wheel, the `info/` of a conda package.
"""

import configparser
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import IO

import msgspec

from lading.conda import PathType
from lading.net import PartialFile
from lading.package.archive import archive_errors, read_info
from lading.package.info import PackageInfo, parse_package_info
from lading.package.payload import noarch_target

_SITE = "site-packages/"
_NO_ZIP = "no zip file that could be read in parts"


class ArchiveFiles(msgspec.Struct, frozen=True, kw_only=True):
    """What an archive puts into a prefix.

    Attributes:
        paths: Prefix-relative, POSIX.
        site_paths: Relative to the site-packages of whichever python is there.
        site_packages: Prefix-relative directory, of a python package alone.
    """

    paths: tuple[str, ...] = ()
    site_paths: tuple[str, ...] = ()
    site_packages: str = ""


class Unread(msgspec.Struct, frozen=True):
    """An archive whose files are not known, and why."""

    reason: str


def list_local(file_name: str, path: Path) -> ArchiveFiles | Unread:
    """The files of the package archive `file_name`, which lies at `path`.

    Raises:
        ArchiveError: It is damaged.
    """
    with archive_errors(file_name), path.open("rb") as stream:
        return list_archive(file_name, stream)


def list_archive(file_name: str, stream: IO[bytes] | PartialFile) -> ArchiveFiles | Unread:
    """The files of the package archive `file_name`, whose content is `stream`.

    Raises:
        ArchiveError: It is damaged.
        FetchError: It cannot be read.
    """
    if file_name.endswith((".conda", ".tar.bz2")):
        return _files_of(parse_package_info(file_name, read_info(file_name, stream)))
    if not file_name.endswith(".whl"):
        return Unread(_NO_ZIP)
    with archive_errors(file_name), zipfile.ZipFile(stream) as archive:
        return _list_wheel(archive)


def _files_of(info: PackageInfo) -> ArchiveFiles:
    paths = [item.path for item in info.paths if item.type is not PathType.DIRECTORY]
    if info.noarch != "python":
        own = info.site_packages_path if info.name == "python" else ""
        return ArchiveFiles(paths=tuple(paths), site_packages=own)
    scripts = [f"bin/{item.command}" for item in info.entry_points]
    return _sorted_out((noarch_target(path, "site-packages") for path in paths), scripts)


def _sorted_out(paths: Iterable[str], scripts: Iterable[str]) -> ArchiveFiles:
    """Files of which those below `site-packages/` go to whichever python is there."""
    every = list(paths)
    return ArchiveFiles(
        paths=tuple(sorted({*scripts, *(path for path in every if not path.startswith(_SITE))})),
        site_paths=tuple(
            sorted({path.removeprefix(_SITE) for path in every if path.startswith(_SITE)})
        ),
    )


def _list_wheel(archive: zipfile.ZipFile) -> ArchiveFiles:
    """The files of a wheel, by the directory of its archive.

    Source: the "binary distribution format" of the Python packaging guide.
    """
    names = [name for name in archive.namelist() if not name.endswith("/")]
    scripts: list[str] = []
    for name in names:
        path = PurePosixPath(name)
        if path.name == "entry_points.txt" and path.parent.name.endswith(".dist-info"):
            scripts += _console_scripts(archive.read(name).decode())
    return _sorted_out(filter(None, map(_installed_path, names)), scripts)


def _installed_path(name: str) -> str:
    """Where a member of a wheel goes; empty for headers, whose place depends on the installer."""
    root, _, rest = name.partition("/")
    if not root.endswith(".data"):
        return _SITE + name
    scheme, _, path = rest.partition("/")
    return {"purelib": _SITE + path, "platlib": _SITE + path, "data": path}.get(
        scheme, f"bin/{path}" if scheme == "scripts" else ""
    )


def _console_scripts(text: str) -> list[str]:
    parser = configparser.RawConfigParser(delimiters=("=",))
    # Names of commands keep their case.
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # as its documentation says
    parser.read_string(text)
    return [
        f"bin/{name.strip()}"
        for section in ("console_scripts", "gui_scripts")
        if parser.has_section(section)
        for name in parser[section]
    ]
