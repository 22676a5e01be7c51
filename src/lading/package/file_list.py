"""Which files an archive puts into a prefix: a wheel, a `.conda` or a `.tar.bz2` package.

Only what lists the files is read of it: the directory of a wheel, the `info/` of a conda package.
"""

import configparser
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, cast

import msgspec

from lading.conda import PathType
from lading.errors import ArchiveError
from lading.net import PartialFile
from lading.package.info import PackageInfo, read_package_info

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd  # noqa: TID251  # lading.format.compression lies above this layer

__all__ = ["DAMAGE", "ArchiveFiles", "Unread", "list_local", "list_zip"]

LONGEST_INFO = 1 << 28
"""Bytes that the `info/` of a package may have."""

DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    configparser.Error,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    zstd.ZstdError,
)
"""What reading a damaged or hostile archive may end with, besides a `LadingError`."""

_INFO_MEMBERS = ("index.json", "paths.json", "link.json", "files", "has_prefix", "no_link")
_SITE = "site-packages/"
_SCRIPTS = "python-scripts/"
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
        ArchiveError: It is damaged; this, or one of `DAMAGE`.
    """
    if file_name.endswith(".tar.bz2"):
        with tarfile.open(path, "r:bz2") as archive:
            return _list_info(archive)
    with path.open("rb") as stream:
        return list_zip(file_name, stream)


def list_zip(file_name: str, file: IO[bytes] | PartialFile) -> ArchiveFiles | Unread:
    """The files of the package archive `file_name`, whose content is `file`.

    Raises:
        ArchiveError: It is damaged; this, or one of `DAMAGE`.
        FetchError: It cannot be read.
    """
    if not file_name.endswith((".conda", ".whl")):
        return Unread(_NO_ZIP)
    with zipfile.ZipFile(file) as archive:
        if file_name.endswith(".whl"):
            return _list_wheel(archive)
        name = next((name for name in archive.namelist() if name.startswith("info-")), "info-")
        with (
            archive.open(name) as member,
            zstd.ZstdFile(member) as stream,
            tarfile.open(fileobj=cast("IO[bytes]", _Limited(stream)), mode="r|") as tar,
        ):
            return _list_info(tar)


class _Limited:
    """A stream that ends in an error rather than to go on for ever; tarfile only reads it."""

    def __init__(self, stream: zstd.ZstdFile) -> None:
        self._stream = stream
        self._rest = LONGEST_INFO

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes.

        Raises:
            ArchiveError: There are more than `info/` may have.
        """
        data = self._stream.read(size)
        self._rest -= len(data)
        if self._rest < 0:
            raise ArchiveError("its info/ is too large", hint="tell its maintainers")
        return data


def _list_info(archive: tarfile.TarFile) -> ArchiveFiles:
    """The files of a conda package, from its `info/`.

    Raises:
        ArchiveError: It is none.
    """
    missing = {f"info/{name}" for name in _INFO_MEMBERS}
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "info").mkdir()
        for member in archive:
            if member.name not in missing or not member.isfile():
                # `info/` comes first in most packages, and what follows may be gigabytes.
                if not member.name.startswith("info/") and len(missing) < len(_INFO_MEMBERS):
                    break
                continue
            stream = archive.extractfile(member)
            if stream is not None:
                (Path(directory) / member.name).write_bytes(stream.read(LONGEST_INFO))
            missing.discard(member.name)
        return _files_of(read_package_info(Path(directory)))


def _files_of(info: PackageInfo) -> ArchiveFiles:
    paths = [item.path for item in info.paths if item.type is not PathType.DIRECTORY]
    if info.noarch != "python":
        return ArchiveFiles(paths=tuple(paths), site_packages=_site_packages(info))
    scripts = [f"bin/{item.command}" for item in info.entry_points]
    return _sorted_out(_moved_scripts(paths), scripts)


def _site_packages(info: PackageInfo) -> str:
    return info.site_packages_path if info.name == "python" else ""


def _moved_scripts(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        yield f"bin/{path.removeprefix(_SCRIPTS)}" if path.startswith(_SCRIPTS) else path


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
