"""A node with a store, and two versions of an environment to put there."""

from dataclasses import dataclass
from pathlib import Path

from lading.format.manifest import Manifest, ManifestPackage
from lading.pack.packer import Packed
from simulators.launcher import Launcher, Run


@dataclass(frozen=True, slots=True)
class Node:
    """A node with a store and an environment called `env`, and two versions to put there."""

    root: Path
    old: Packed
    new: Packed
    launcher: Launcher

    @property
    def name(self) -> Path:
        """The link."""
        return self.root / "opt/env"

    @property
    def store(self) -> Path:
        """The store."""
        return self.root / "store"

    def run(self, *arguments: object) -> Run:
        """How a command ended."""
        return self.launcher.run("-C", self.root, *arguments)

    def done(self, *arguments: object) -> str:
        """What a command wrote that must succeed."""
        found = self.run(*arguments)
        assert found.code == 0, found.output
        return found.output

    def unpack(self, source: Path) -> Run:
        """Unpack a tarball, or a bill, through the store."""
        return self.run("unpack", "--store", self.store, source, self.name)

    def update(self, source: object, *options: object) -> Run:
        """Fetch the packages of the new version that the store lacks."""
        return self.run(
            "fetch-frames",
            self.old.plan.manifest,
            self.new.plan.manifest,
            source,
            "--store",
            self.store,
            *options,
        )

    def prefix(self, packed: Packed) -> Path:
        """Where a version lies."""
        return self.name.with_name(f"env@{packed.manifest_sha256.hex[:12]}")

    def packages(self) -> set[str]:
        """The digests in the store."""
        return {path.name for path in self.store.glob("packages/*/*")}


def digests(manifest: Manifest) -> set[str]:
    """Of the lists of all packages."""
    return {item.listed.sha256 for item in manifest.packages}


def package_of(packed: Packed, name: str) -> ManifestPackage:
    """A package on the bill; it has one frame."""
    [found] = [item for item in packed.manifest.packages if item.name == name]
    assert len(found.frames) == 1
    return found
