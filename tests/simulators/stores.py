"""Stores of a node that hold versions of a small environment."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lading.format.contents import PackageContents
from lading.format.opening import open_tarball
from lading.format.tarball import TarballSource
from lading.node.staging import staged_prefix
from lading.node.store import Store
from lading.system.beneath import DIRECTORY_MODE, Beneath
from lading.system.filesystem import no_sync
from simulators.versions import versioned_tarball


@contextmanager
def tarball(root: Path, version: str = "1") -> Iterator[TarballSource]:
    """A version of the small environment, open."""
    with open_tarball(versioned_tarball(root / "tarballs", version).plan.tarball) as opened:
        yield opened


def package_in(opened: TarballSource, name: str) -> PackageContents:
    """One package."""
    return next(item for item in opened.contents().packages if item.package.name == name)


def add(store: Store, opened: TarballSource, *names: str) -> None:
    """Put packages into a store; all if none is named."""
    packages = opened.contents().packages
    chosen = [item for item in packages if not names or item.package.name in names]
    with store.in_use():
        store.add(opened, chosen, 1, no_sync)


def filled(root: Path, version: str = "1", prefix: Path | None = None) -> Store:
    """A store with all packages of a version, and the prefix that is named, registered."""
    store = Store(root / "store")
    with tarball(root, version) as opened:
        add(store, opened)
        if prefix is not None:
            contents = opened.contents()
            with (
                staged_prefix(contents, prefix, sync=no_sync) as place,
                Beneath(place, mode=DIRECTORY_MODE) as below,
            ):
                for package in contents.packages:
                    store.link(package, package.files, below, os.fsencode(prefix))
            store.records.register(prefix, opened.bill.document)
    return store


def lists_in(store: Store) -> set[str]:
    """The digests of the lists of the packages in a store."""
    return {path.name for path in store.directory.glob("packages/*/*")}


def digests(root: Path, *versions: str) -> set[str]:
    """The digests of all lists of some versions."""
    return {
        package.listed.sha256
        for version in versions
        for package in versioned_tarball(root / "tarballs", version).manifest.packages
    }


def stored(store: Store, package: PackageContents) -> Path:
    """Where a package lies."""
    digest = package.package.listed.sha256
    return store.directory / "packages" / digest[:2] / digest
