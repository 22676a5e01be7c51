r"""A conda channel made of small real packages, for tests.

    channel = ChannelSimulator(tmp_path / "channel")
    channel.add(
        Package(
            name="tool",
            version="1.2",
            depends=("library >=2",),
            files={
                "bin/tool": File(b"#!" + PLACEHOLDER + b"/bin/python\n", mode=0o755, text=True),
                "lib/libtool.so.1": File(b"\x7fELF" + PLACEHOLDER + b"/lib\0", binary=True),
                "lib/libtool.so": Symlink("libtool.so.1"),
                "share/tool/LICENSE": b"plain bytes are a file of mode 0644",
            },
        )
    )
    channel.add(Package(name="library", version="2.0", archive_format=".tar.bz2"))
    channel.add(
        Package(
            name="pure",
            noarch="python",
            files={"site-packages/pure/__init__.py": b""},
            entry_points=("pure = pure:main",),
        )
    )
    channel.write_repodata()  # after the last `add`; every `add` may be followed by another one

    channel.url                     # file:///.../channel
    channel.records(CANONICAL)      # lading's records, URLs below the canonical channel URL
    channel.archives()              # distribution string -> archive on this disk

Archives and repodata are the same bytes on every run: no clock, no user, sorted members.
A package may be damaged on purpose: `File(..., recorded_sha256=...)` lies in `paths.json`,
`raw_members` adds tar members that are written as given, `index` overrides `index.json`.

Source: CEP 34 (info files), CEP 35 (archive formats), CEP 36 (repodata).
"""

import bz2
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from backports import zstd

from lading.conda.names import BuildString, MatchSpecText, PackageName
from lading.conda.records import RepodataRecord
from lading.system.digest import Digest

__all__ = [
    "CANONICAL",
    "PLACEHOLDER",
    "ChannelSimulator",
    "File",
    "HardLink",
    "Package",
    "Symlink",
]

CANONICAL = "https://demo.invalid/channel"
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


class ChannelSimulator:
    """A channel directory that grows by `add` and is described by `write_repodata`."""

    def __init__(self, root: Path, info: Mapping[str, object] | None = None) -> None:
        """A channel at `root`, which is made where it does not exist; `info` is in its repodata."""
        self.root = root
        self.info = info or {}
        self._entries: dict[str, dict[str, dict[str, object]]] = {"noarch": {}}
        self._newer: set[str] = set()
        root.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        """The `file:` URL of the channel."""
        return self.root.as_uri()

    def add(self, package: Package) -> Path:
        """The archive of `package`, written into the channel."""
        data = build_archive(package)
        path = self.root / package.directory / (package.distribution + package.archive_format)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        if package.v3:
            self._newer.add(path.name)
        self._entries.setdefault(package.directory, {})[path.name] = package.index_json() | {
            "md5": hashlib.md5(data, usedforsecurity=False).hexdigest(),
            "sha256": hashlib.sha256(data).hexdigest(),
            "size": len(data),
        }
        return path

    def edit(self, file_name: str, **changes: object) -> None:
        """Patch the repodata of one archive, as channels do; a value of None takes the key away."""
        for entries in self._entries.values():
            if file_name in entries:
                edited = (entries[file_name] | changes).items()
                entries[file_name] = {key: value for key, value in edited if value is not None}
                return
        raise KeyError(file_name)

    def write_repodata(self) -> None:
        """Write `repodata.json` of every subdir; `noarch` always has one."""
        for subdir, all_entries in self._entries.items():
            entries = {name: all_entries[name] for name in all_entries.keys() - self._newer}
            newer = {name: all_entries[name] for name in all_entries.keys() & self._newer}
            document: dict[str, object] = {
                "info": {"subdir": subdir} | dict(self.info),
                "packages": _only(entries, ".tar.bz2"),
                "packages.conda": _only(entries, ".conda"),
                "removed": [],
                "repodata_version": 2 if "base_url" in self.info else 1,
            }
            if newer:
                document["v3"] = {
                    suffix[1:]: {_stem(name): entry for name, entry in _only(newer, suffix).items()}
                    for suffix in (".tar.bz2", ".conda")
                }
            path = self.root / subdir / "repodata.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_json(document))

    def write_shards(self) -> None:
        """Write the repodata of every subdir as shards (CEP 16) instead of one document."""
        for subdir, entries in self._entries.items():
            directory = self.root / subdir
            (directory / "shards").mkdir(parents=True, exist_ok=True)
            names = sorted({str(entry["name"]) for entry in entries.values()})
            shards = {
                name: self._write_shard(directory / "shards", entries, name) for name in names
            }
            info = {"subdir": subdir, "base_url": "./", "shards_base_url": "./shards/"}
            index = {"version": 1, "info": info, "shards": shards}
            (directory / "repodata_shards.msgpack.zst").write_bytes(_packed(index))

    def _write_shard(
        self, directory: Path, entries: Mapping[str, dict[str, object]], name: str
    ) -> bytes:
        """Write the shard of the packages `name`; return its digest."""
        shard: dict[str, dict[str, object]] = {"packages": {}, "packages.conda": {}, "v3": {}}
        for file_name, entry in entries.items():
            record = entry | {key: bytes.fromhex(str(entry[key])) for key in ("md5", "sha256")}
            if entry["name"] == name and file_name in self._newer:
                shard["v3"].setdefault("conda", {})[_stem(file_name)] = record
            elif entry["name"] == name:
                key = "packages.conda" if file_name.endswith(".conda") else "packages"
                shard[key][file_name] = record
        data = _packed(shard)
        digest = hashlib.sha256(data).digest()
        (directory / f"{digest.hex()}.msgpack.zst").write_bytes(data)
        return digest

    def archives(self) -> dict[str, Path]:
        """Distribution string → archive."""
        return {
            _stem(name): self.root / subdir / name
            for subdir, entries in self._entries.items()
            for name in entries
        }

    def records(self, channel: str = CANONICAL) -> tuple[RepodataRecord, ...]:
        """Every package as lading's record below `channel`, sorted by distribution string."""
        return tuple(
            sorted(
                (
                    _record(channel, subdir, name, entry)
                    for subdir, entries in self._entries.items()
                    for name, entry in entries.items()
                ),
                key=lambda record: record.distribution,
            )
        )


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
        "info/about.json": _json({"license": package.license, "summary": package.name}),
        "info/files": "".join(f"{path}\n" for path in payload).encode(),
        "info/index.json": _json(package.index_json()),
        "info/paths.json": _json(_paths_json(payload)),
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
        members["info/link.json"] = _json({"noarch": noarch, "package_metadata_version": 1})
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


def _record(channel: str, subdir: str, name: str, entry: Mapping[str, object]) -> RepodataRecord:
    def text(key: str) -> str:
        return str(entry.get(key) or "")

    def number(key: str) -> int:
        value = entry.get(key)
        return value if isinstance(value, int) else 0

    def specs(key: str) -> tuple[MatchSpecText, ...]:
        value = entry.get(key)
        return tuple(MatchSpecText(item) for item in value) if isinstance(value, list) else ()

    return RepodataRecord(
        name=PackageName(text("name")),
        version=text("version"),
        build=BuildString(text("build")),
        build_number=number("build_number"),
        subdir=subdir,
        channel=channel,
        url=f"{channel}/{subdir}/{name}",
        sha256=Digest.sha256(text("sha256")) if entry.get("sha256") else None,
        md5=Digest.md5(text("md5")) if entry.get("md5") else None,
        size=number("size"),
        depends=specs("depends"),
        constrains=specs("constrains"),
        license=text("license"),
        timestamp=number("timestamp"),
        noarch=text("noarch"),
    )


def _only(entries: Mapping[str, dict[str, object]], suffix: str) -> dict[str, dict[str, object]]:
    return {name: entry for name, entry in entries.items() if name.endswith(suffix)}


def _stem(file_name: str) -> str:
    return file_name.removesuffix(".conda").removesuffix(".tar.bz2")


def _packed(content: object) -> bytes:
    return zstd.compress(msgspec.msgpack.encode(content))


def _json(content: object) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()
