"""Look at what a project has: what is locked, what is newer, what lies on this machine."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lading.api.asked import find_sources
from lading.api.environments import named_environments, read_one_lock
from lading.api.locking import LockChoices, lock_request
from lading.api.project import Project
from lading.conda import Platform
from lading.errors import LadingError
from lading.format import CHECKSUMS_SUFFIX, MANIFEST_SUFFIX
from lading.install import read_install_record
from lading.lock import (
    Choice,
    Listed,
    Lockfile,
    Newer,
    categories_of,
    list_packages,
    lock_path,
    locked_environments,
    locked_platforms,
    newer_packages,
    plan_lock,
    read_lock_inputs,
    read_lockfile,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outdated:
    """What is newer than what one lock has.

    Attributes:
        newer: The conda packages, sorted by name.
        unchecked: How many pip packages were not looked at.
    """

    environment: str
    platform: Platform
    newer: tuple[Newer, ...]
    unchecked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedPlatform:
    """One lockfile.

    Attributes:
        packages: How many it has; 0 where it cannot be read.
        prefix: Where it is installed, or None.
        is_current: Whether it is installed from this very lock.
        fault: Why it cannot be read, or empty.
    """

    platform: Platform
    lock: Path
    packages: int = 0
    categories: tuple[str, ...] = ()
    prefix: Path | None = None
    is_current: bool = False
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownEnvironment:
    """An environment that is configured, or locked.

    Attributes:
        sources: Absolute; empty where none is known.
        locks: By platform; may be empty.
    """

    name: str
    sources: tuple[Path, ...]
    locks: tuple[LockedPlatform, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A file or directory and its size in bytes."""

    name: str
    path: Path
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What a project has.

    Attributes:
        environments: Sorted by name.
        artifacts: Tarballs, images and installers in `dist/`, sorted by name.
    """

    directory: Path
    settings: Path | None
    environments: tuple[KnownEnvironment, ...]
    artifacts: tuple[Place, ...]
    caches: tuple[Place, ...]


def list_locked(
    project: Project, environment: str | None, platform: str | None, choice: Choice
) -> tuple[Lockfile, tuple[Listed, ...]]:
    """The lock of an environment, limited by `choice`, and its packages with who asked for them.

    Raises:
        LockError: It is not locked.
        UsageError: Several environments are locked, and none is named.
    """
    path, lock = read_one_lock(project, environment, platform, choice)
    return lock, list_packages(lock, path.parent)


def find_outdated(
    project: Project, environment: str | None, platforms: Sequence[str]
) -> tuple[Outdated, ...]:
    """Ask the channels what is newer than the locks of an environment, and what holds it back.

    Raises:
        LockError: It is not locked.
        LadingError: As `lock`.
    """
    (name,) = named_environments(project, (environment,) if environment else ())
    if not locked_platforms(project.directory, name):
        read_one_lock(project, name, platforms[0] if platforms else None)
    request = lock_request(project, (name,), LockChoices(platforms=platforms, update_all=True))
    inputs = read_lock_inputs(request)
    engine = project.build_engine()
    found = []
    for item in plan_lock(request, inputs).platforms:
        lock = read_lockfile(item.path, item.solve.platform)
        solve = replace(item.solve, locked=())
        names = [package.name for package in lock.conda]
        offers = engine.look_up(solve, names, [solve.platform])
        newer = newer_packages(lock, offers.records, engine.solve(solve), item.requested.specs)
        found.append(
            Outdated(
                environment=name, platform=item.solve.platform, newer=newer, unchecked=len(lock.pip)
            )
        )
    return tuple(found)


def overview(project: Project) -> Overview:
    """Look at what the project has; nothing is fetched and nothing changed."""
    tree = project.tree
    caches = {
        "packages": tree.package_cache,
        "frames": tree.frame_cache,
        "bytecode": tree.bytecode_cache,
        "installations": tree.root / "build",
        "state": tree.state,
    }
    return Overview(
        directory=project.directory,
        settings=project.settings.path,
        environments=tuple(_environment(project, name) for name in _names(project)),
        artifacts=tuple(
            Place(name=path.name, path=path, size=path.stat().st_size)
            for path in sorted((project.directory / "dist").glob("*"))
            if path.is_file()
            and not path.name.startswith(".")
            # What stands beside an artifact says of it what `verify` needs.
            and not path.name.endswith((MANIFEST_SUFFIX, CHECKSUMS_SUFFIX))
        ),
        caches=tuple(
            Place(name=name, path=path, size=size_of(path))
            for name, path in caches.items()
            if path.is_dir()
        ),
    )


def _names(project: Project) -> list[str]:
    return sorted({*project.settings.environments, *locked_environments(project.directory)})


def _environment(project: Project, name: str) -> KnownEnvironment:
    try:
        _, sources = find_sources(project, (name,))
    except LadingError:
        # Its lock cannot be read, which is said of the lock.
        sources = ()
    platforms = locked_platforms(project.directory, name)
    return KnownEnvironment(
        name=name,
        sources=sources,
        locks=tuple(_locked(project, name, platform) for platform in platforms),
    )


def _locked(project: Project, name: str, platform: Platform) -> LockedPlatform:
    path = lock_path(project.directory, name, platform)
    try:
        lock = read_lockfile(path, platform)
        record = read_install_record(project.tree.build(name, platform))
    except LadingError as error:
        return LockedPlatform(platform=platform, lock=path, fault=error.message)
    return LockedPlatform(
        platform=platform,
        lock=path,
        packages=len(lock.packages),
        categories=categories_of(lock),
        prefix=Path(record.prefix) if record else None,
        is_current=record is not None and record.lock == lock.digest.hex,
    )


def size_of(directory: Path) -> int:
    """How many bytes the files below `directory` take, each inode once; no link is followed."""
    sizes: dict[tuple[int, int], int] = {}
    for root, _, names in os.walk(directory):
        for name in names:
            try:
                status = os.lstat(os.path.join(root, name))  # noqa: PTH118  # thousands of them
            except FileNotFoundError:
                continue  # another process has removed it
            sizes[status.st_dev, status.st_ino] = status.st_size
    return sum(sizes.values())
