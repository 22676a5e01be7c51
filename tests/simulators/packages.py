"""Small real conda packages, for tests: the same bytes on every run."""

import bz2
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field

from backports import zstd

PLACEHOLDER = b"/build/" + b"placehold_" * 24

TIMESTAMP = 1_700_000_000_000

_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class File:
    """A regular file; `text` and `binary` say how its placeholder is to be replaced.

    `recorded_sha256` and `recorded_size` replace the true values in `paths.json`.
    """

    data: bytes
    mode: int = 0o644
    text: bool = False
    binary: bool = False
    placeholder: bytes = PLACEHOLDER
    no_link: bool = False
    recorded_sha256: str | None = None
    recorded_size: int | None = None


@dataclass(frozen=True, slots=True)
class Symlink:
    """A symbolic link, its target as written."""

    target: str


@dataclass(frozen=True, slots=True)
class HardLink:
    """A second name of another file of the package, named by its path in the package."""

    target: str


Entry = bytes | File | Symlink | HardLink


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """What is in a package; `files` are paths relative to the prefix (or `site-packages/…`).

    `scripts` are link scripts by kind: `{"post-link": b"#!/bin/sh..."}`. `info` adds, replaces or
    (None) leaves out members below `info/`. `index` adds to or replaces keys of `index.json` and of
    the repodata. A package with `v3` is described below that key of the repodata (CEP 48).
    """

    name: str
    version: str = "1.0"
    build: str = "0"
    build_number: int = 0
    subdir: str = "linux-64"
    noarch: str = ""
    files: Mapping[str, Entry] = field(default_factory=dict)
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    entry_points: tuple[str, ...] = ()
    scripts: Mapping[str, bytes] = field(default_factory=dict)
    license: str = "BSD-3-Clause"
    timestamp: int = TIMESTAMP
    python_site_packages_path: str = ""
    archive_format: str = ".conda"
    info: Mapping[str, bytes | None] = field(default_factory=dict)
    index: Mapping[str, object] = field(default_factory=dict)
    raw_members: tuple[tuple[tarfile.TarInfo, bytes], ...] = ()
    v3: bool = False

    @property
    def distribution(self) -> str:
        """`name-version-build`."""
        return f"{self.name}-{self.version}-{self.build}"

    @property
    def directory(self) -> str:
        """The subdir that the archive lies in."""
        return "noarch" if self.noarch else self.subdir

    def index_json(self) -> dict[str, object]:
        """The content of `info/index.json`."""
        platform, _, arch = self.subdir.partition("-")
        content: dict[str, object] = {
            "arch": None if self.noarch else {"64": "x86_64"}.get(arch, arch),
            "build": self.build,
            "build_number": self.build_number,
            "constrains": list(self.constrains),
            "depends": list(self.depends),
            "license": self.license,
            "name": self.name,
            "platform": None if self.noarch else platform,
            "subdir": self.directory,
            "timestamp": self.timestamp,
            "version": self.version,
        }
        if self.noarch:
            content["noarch"] = self.noarch
        if self.python_site_packages_path:
            content["python_site_packages_path"] = self.python_site_packages_path
        return content | dict(self.index)


def build_archive(package: Package) -> bytes:
    """The bytes of the archive of `package`."""
    payload = _payload(package)
    info = _info(package)
    if package.archive_format == ".tar.bz2":
        return bz2.compress(_tar(package, {**info, **payload}, package.raw_members))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in (
            ("metadata.json", b'{"conda_pkg_format_version": 2}'),
            (
                f"pkg-{package.distribution}.tar.zst",
                zstd.compress(_tar(package, payload, package.raw_members)),
            ),
            (f"info-{package.distribution}.tar.zst", zstd.compress(_tar(package, info, ()))),
        ):
            archive.writestr(zipfile.ZipInfo(name, _ZIP_EPOCH), data)
    return buffer.getvalue()


def _payload(package: Package) -> dict[str, Entry]:
    """The files of `package` and its link scripts, sorted by path."""
    scripts: dict[str, Entry] = {
        f"bin/.{package.name}-{kind}.sh": File(data, mode=0o755)
        for kind, data in package.scripts.items()
    }
    return dict(sorted({**package.files, **scripts}.items()))


def _info(package: Package) -> dict[str, Entry]:
    """The members below `info/`, sorted by path."""
    payload = _payload(package)
    members: dict[str, Entry] = {
        "info/about.json": to_json({"license": package.license, "summary": package.name}),
        "info/files": "".join(f"{path}\n" for path in payload).encode(),
        "info/index.json": to_json(package.index_json()),
        "info/paths.json": to_json(_paths_json(payload)),
    }
    prefixes = [
        f'"{entry.placeholder.decode()}" "{_file_mode(entry)}" "{path}"\n'
        for path, entry in payload.items()
        if isinstance(entry, File) and _file_mode(entry)
    ]
    if prefixes:
        members["info/has_prefix"] = "".join(prefixes).encode()
    if package.noarch:
        noarch: dict[str, object] = {"type": package.noarch}
        if package.noarch == "python":
            noarch["entry_points"] = list(package.entry_points)
        members["info/link.json"] = to_json({"noarch": noarch, "package_metadata_version": 1})
    members |= {f"info/{name}": data for name, data in package.info.items() if data is not None}
    for name in [name for name, data in package.info.items() if data is None]:
        members.pop(f"info/{name}", None)
    return dict(sorted(members.items()))


def _paths_json(payload: Mapping[str, Entry]) -> dict[str, object]:
    """The content of `info/paths.json` (CEP 34)."""
    return {
        "paths": [_path_entry(path, entry, payload) for path, entry in payload.items()],
        "paths_version": 1,
    }


def _path_entry(path: str, entry: Entry, payload: Mapping[str, Entry]) -> dict[str, object]:
    match entry:
        case Symlink():
            empty = hashlib.sha256(b"").hexdigest()
            return {"_path": path, "path_type": "softlink", "sha256": empty, "size_in_bytes": 0}
        case HardLink(target):
            return _path_entry(path, payload[target], payload)
        case bytes():
            return _path_entry(path, File(entry), payload)
        case File():
            digest = entry.recorded_sha256 or hashlib.sha256(entry.data).hexdigest()
            size = len(entry.data) if entry.recorded_size is None else entry.recorded_size
            result: dict[str, object] = {
                "_path": path,
                "path_type": "hardlink",
                "sha256": digest,
                "size_in_bytes": size,
            }
            if _file_mode(entry):
                result["file_mode"] = _file_mode(entry)
                result["prefix_placeholder"] = entry.placeholder.decode()
            if entry.no_link:
                result["no_link"] = True
            return result


def _file_mode(entry: File) -> str:
    if entry.binary:
        return "binary"
    return "text" if entry.text else ""


def _tar(
    package: Package,
    members: Mapping[str, Entry],
    raw: tuple[tuple[tarfile.TarInfo, bytes], ...],
) -> bytes:
    """A tar of `members`, hard links last, then of `raw`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        # A hard link must follow the file that it names.
        for path, entry in sorted(members.items(), key=lambda item: isinstance(item[1], HardLink)):
            member, data = _member(path, entry)
            member.mtime = package.timestamp // 1000
            archive.addfile(member, io.BytesIO(data))
        for member, data in raw:
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def _member(path: str, entry: Entry) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(path)
    match entry:
        case Symlink(target):
            member.type, member.linkname, member.mode = tarfile.SYMTYPE, target, 0o777
            return member, b""
        case HardLink(target):
            member.type, member.linkname = tarfile.LNKTYPE, target
            return member, b""
        case File(data, mode):
            member.size, member.mode = len(data), mode
            return member, data
        case bytes():
            member.size = len(entry)
            return member, entry


def to_json(content: object) -> bytes:
    """The JSON of the value: sorted keys, so the same bytes on every run."""
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()
