"""A project made of a simulated channel: a lockfile by hand, installs and packs in a tree."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from lading.conda.channels import MirrorMap
from lading.conda.names import native_platform
from lading.conda.records import RepodataRecord
from lading.engine.embedded import EmbeddedEngine
from lading.engine.protocol import Engine
from lading.format.compression import Format, Level
from lading.install.installer import Installed, apply_install
from lading.install.layout import BuildTree
from lading.install.plan import InstallPlan, plan_install
from lading.install.private_prefix import PrivatePrefix
from lading.lock.model import lock_path
from lading.lock.reading import read_lockfile
from lading.pack.encode import Style
from lading.pack.known_frames import KnownFrames
from lading.pack.packer import Packed, PackRequest, apply_pack, plan_pack
from lading.pack.transcode import Transcoding
from lading.system.temporary import temporary_directory
from simulators.channel import CANONICAL, ChannelSimulator, Package

__all__ = ["ENVIRONMENT", "WHEELS", "Project", "render_lock"]

ENVIRONMENT = "sample"
WHEELS = "https://files.invalid/packages"
"""Canonical base URL of the wheels of a lock."""


@dataclass(frozen=True, slots=True)
class Project:
    """A build tree at `root` whose environment holds every package of `channel`."""

    root: Path
    channel: ChannelSimulator

    @classmethod
    def of(cls, root: Path, packages: Iterable[Package]) -> "Project":
        """A project at `root` with a new channel of `packages`, locked."""
        root.mkdir(parents=True, exist_ok=True)
        channel = ChannelSimulator(root / "channel")
        for package in packages:
            channel.add(package)
        channel.write_repodata()
        project = cls(root, channel)
        project.write_lock(channel.records())
        return project

    @property
    def tree(self) -> BuildTree:
        """Where things lie."""
        return BuildTree(self.root)

    @property
    def mirrors(self) -> MirrorMap:
        """The canonical channel, found in the directory of the simulated one."""
        return MirrorMap(mirrors={CANONICAL: (self.channel.url,)})

    @property
    def prefix(self) -> Path:
        """Where the environment is installed."""
        return self.tree.build(ENVIRONMENT, native_platform()) / "prefix"

    @property
    def lock(self) -> Path:
        """The lockfile."""
        return lock_path(self.root, ENVIRONMENT, native_platform())

    def write_lock(self, records: Iterable[RepodataRecord], wheels: Iterable[Path] = ()) -> None:
        """Lock the environment to `records` and `wheels`."""
        self.lock.parent.mkdir(parents=True, exist_ok=True)
        self.lock.write_text(render_lock(records, wheels))

    def engine(self) -> Engine:
        """The embedded engine with private state."""
        return EmbeddedEngine(self.tree.state / "embedded")

    def plan(self, *, bytecode: bool = True) -> InstallPlan:
        """The plan of installing from the lock."""
        lockfile = read_lockfile(self.lock)
        plan = plan_install(ENVIRONMENT, lockfile, self.tree, bytecode=bytecode)
        return replace(plan, mirrors=self.mirrors)

    def install(self, *, bytecode: bool = True) -> Installed:
        """Install from the lock."""
        return apply_install(
            self.plan(bytecode=bytecode),
            self.tree,
            self.engine(),
            inherited={"PATH": "/usr/bin:/bin"},
        )

    def pack(
        self,
        format_: Format = Format.ZSTD,
        *,
        level: Level = Level.FAST,
        workers: int = 2,
        newest: int | None = None,
    ) -> Packed:
        """Pack into `dist/`, from archives."""
        plan = self.plan()
        self.tree.state.mkdir(exist_ok=True)
        with temporary_directory(self.tree.state, "pack") as directory:
            private = PrivatePrefix(
                plan=plan,
                tree=self.tree,
                build_engine=self.engine,
                inherited={"PATH": "/usr/bin:/bin"},
                directory=directory,
            )
            transcoded, frames = Transcoding(
                private=private,
                style=Style(format=format_, level=level, newest=newest),
                known=KnownFrames(cache=None, layers=(), directory=directory),
                workers=workers,
            ).run()
            request = PackRequest(
                installed=transcoded,
                directory=self.root / "dist",
                format=format_,
                level=level,
                workers=workers,
                newest=newest,
                frames=frames,
            )
            return apply_pack(plan_pack(request))


def render_lock(records: Iterable[RepodataRecord], wheels: Iterable[Path] = ()) -> str:
    """A v1 lockfile of `records` and `wheels` for this machine; JSON, which is YAML too."""
    platform = str(native_platform())
    packages = [
        {
            "name": record.name,
            "version": record.version,
            "manager": "conda",
            "platform": platform,
            "dependencies": {spec.split()[0]: "" for spec in record.depends},
            "url": record.url,
            "hash": {
                "md5": record.md5.hex if record.md5 else None,
                "sha256": record.sha256.hex if record.sha256 else None,
            },
            "category": "main",
            "optional": False,
        }
        for record in records
    ]
    packages += [_wheel_entry(path, platform) for path in wheels]
    document = {
        "version": 1,
        "metadata": {
            "content_hash": {platform: "0" * 64},
            "channels": [{"url": CANONICAL, "used_env_vars": []}],
            "platforms": [platform],
            "sources": ["environment.yml"],
        },
        "package": packages,
    }
    return json.dumps(document, indent=1) + "\n"


def _wheel_entry(path: Path, platform: str) -> dict[str, object]:
    name, version, *_ = path.name.split("-")
    return {
        "name": name,
        "version": version,
        "manager": "pip",
        "platform": platform,
        "dependencies": {},
        "url": f"{WHEELS}/{path.name}",
        "hash": {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()},
        "category": "main",
        "optional": False,
    }
