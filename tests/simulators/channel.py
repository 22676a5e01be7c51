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

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec
from backports import zstd

from lading.conda.names import BuildString, MatchSpecText, PackageName
from lading.conda.records import RepodataRecord
from lading.system.digest import Digest
from simulators.packages import (
    PLACEHOLDER,
    TIMESTAMP,
    Entry,
    File,
    HardLink,
    Package,
    Symlink,
    build_archive,
    to_json,
)

__all__ = [
    "CANONICAL",
    "PLACEHOLDER",
    "TIMESTAMP",
    "ChannelSimulator",
    "Entry",
    "File",
    "HardLink",
    "Package",
    "Symlink",
    "build_archive",
]

CANONICAL = "https://demo.invalid/channel"


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
            path.write_bytes(to_json(document))

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
