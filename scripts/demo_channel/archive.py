"""`.conda` archives: a package in, reproducible bytes out.

The bytes depend on the package and the version of the zstd library alone: sorted members, owner 0,
one modification time, no time of day in a ZIP header. `conda-package-streaming` stamps the local
time into the header of `metadata.json`, `py-rattler-build` writes no `info/link.json`: hence this
writer.

Source: CEP 35 (archive), CEP 34 (`info/`).
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tarfile
import zipfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, TypeAlias

from demo_channel.elf import MAGIC
from demo_channel.package import PLACEHOLDER, Noarch, PackageFile

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from demo_channel.package import Package

Json: TypeAlias = "str | int | Sequence[Json] | Mapping[str, Json]"

COMPRESSION_LEVEL = 1
"""zstd level: the archives are read a few times from the same disk, so speed counts."""

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def write_archive(package: Package, channel: Path) -> Path:
    """The archive of one package, in its subdir of the channel.

    Args:
        package: What to write.
        channel: Absolute directory of the channel; the subdir is made if missing.

    Returns:
        Absolute path of `<subdir>/<name>-<version>-<build>.conda`.

    Raises:
        FileExistsError: Two packages share one subdir and distribution string.
    """
    directory = channel / package.subdir
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{package.stem}.conda"
    files = sorted(package.files, key=lambda file: str(file.path))
    with zipfile.ZipFile(path, "x") as archive:
        _add_stored(archive, "metadata.json", _render_json({"conda_pkg_format_version": 2}))
        for section, members in (("pkg", files), ("info", render_info(package))):
            tar = _render_tar(members, package.timestamp // 1000)
            _add_stored(
                archive,
                f"{section}-{package.stem}.tar.zst",
                compress(tar),
            )
    return path


def render_info(package: Package) -> list[PackageFile]:
    """The members below `info/`, sorted by path.

    Source: CEP 34: `index.json`, `paths.json`, `about.json`, `files`, `licenses/`, and `link.json`
    for `noarch: python`.
    """
    files = sorted(package.files, key=lambda file: str(file.path))
    by_path = {file.path: file for file in files}
    contents = {
        "about.json": _render_json(_render_about(package)),
        "files": "".join(f"{file.path}\n" for file in files).encode(),
        "index.json": _render_json(_render_index(package)),
        "paths.json": _render_json(
            {"paths": [_render_path_entry(file, by_path) for file in files], "paths_version": 1}
        ),
        **{f"licenses/{name}": text for name, text in package.licenses.items()},
    }
    if package.noarch is Noarch.PYTHON:
        noarch = {"type": "python", "entry_points": list(package.entry_points)}
        contents["link.json"] = _render_json({"noarch": noarch, "package_metadata_version": 1})
    return [
        PackageFile(path=PurePosixPath("info", name), data=data)
        for name, data in sorted(contents.items())
    ]


def compress(data: bytes) -> bytes:
    """One zstd frame of `COMPRESSION_LEVEL`, the same bytes each time."""
    return zstd.compress(data, COMPRESSION_LEVEL)


def _render_index(package: Package) -> Mapping[str, Json]:
    """The content of `info/index.json`, keys without a value left out."""
    system, _, machine = package.subdir.partition("-")
    index: dict[str, Json] = {
        "name": package.name,
        "version": package.version,
        "build": package.build,
        "build_number": package.build_number,
        "depends": list(package.depends),
        "constrains": list(package.constrains),
        "subdir": package.subdir,
        "timestamp": package.timestamp,
    }
    if package.subdir != "noarch":
        index |= {"platform": system, "arch": "x86_64" if machine == "64" else machine}
    if package.noarch is not None:
        index["noarch"] = package.noarch.value
    if package.about.license:
        index["license"] = package.about.license
    if package.site_packages:
        index["python_site_packages_path"] = package.site_packages
    return index


def _render_about(package: Package) -> Mapping[str, Json]:
    """The content of `info/about.json`, empty fields left out."""
    about = package.about
    fields = {"summary": about.summary, "home": about.home, "license": about.license}
    return {key: value for key, value in fields.items() if value}


def _render_path_entry(
    file: PackageFile, files: Mapping[PurePosixPath, PackageFile]
) -> Mapping[str, Json]:
    """One path entry; a link has digest and size of the file that it leads to.

    Source: CEP 34, `info/paths.json`.
    """
    data = _follow(file, files).data
    entry: dict[str, Json] = {
        "_path": str(file.path),
        "path_type": "softlink" if file.link_target else "hardlink",
        "sha256": hashlib.sha256(data).hexdigest(),
        "size_in_bytes": len(data),
    }
    if file.has_placeholder:
        mode = "binary" if data.startswith(MAGIC) else "text"
        entry |= {"file_mode": mode, "prefix_placeholder": PLACEHOLDER}
    return entry


def _follow(file: PackageFile, files: Mapping[PurePosixPath, PackageFile]) -> PackageFile:
    """The regular file at the end of a chain of links, all in one directory.

    Raises:
        KeyError: A link leads to a path that the package has not.
    """
    while file.link_target is not None:
        file = files[file.path.parent / file.link_target]
    return file


def _render_tar(files: Sequence[PackageFile], mtime: int) -> bytes:
    """A whole uncompressed tar with these members in this order.

    Args:
        files: Members.
        mtime: Modification time of each, in Unix seconds.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for file in files:
            member = tarfile.TarInfo(str(file.path))
            member.mtime = mtime
            member.mode = 0o755 if file.executable else 0o644
            if file.link_target is not None:
                member.type, member.mode = tarfile.SYMTYPE, 0o777
                member.linkname = str(file.link_target)
            member.size = len(file.data)
            tar.addfile(member, io.BytesIO(file.data))
    return buffer.getvalue()


def _render_json(value: Json) -> bytes:
    """Canonical JSON: sorted keys, UTF-8, two spaces, final newline."""
    return f"{json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)}\n".encode()


def _add_stored(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Add one member, not compressed, with a fixed time and mode."""
    info = zipfile.ZipInfo(name, _ZIP_TIME)
    info.compress_type = zipfile.ZIP_STORED
    info.external_attr = 0o100644 << 16
    archive.writestr(info, data)
