"""The changes between two lockfiles of one platform. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from lading.conda import Platform
from lading.engine import compare_versions
from lading.lock.model import LockedPackage, Lockfile, Manager

__all__ = ["Change", "ChangeKind", "FoldedChange", "LockDiff", "diff_locks", "fold_diffs"]


class ChangeKind(StrEnum):
    """What happened to a package."""

    ADDED = "added"
    REMOVED = "removed"
    UP = "up"
    DOWN = "down"
    CHANNEL = "channel"
    BUILD = "build"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Change:
    """A package whose locked archive changed.

    Attributes:
        manager: Which installer it is for.
        name: Its name.
        before: Version before; equal to `after` where only the build or the archive changed.
        after: Version after.
        before_file: File name of the archive before.
        after_file: File name of the archive after.
        before_channel: Where it came from, see `LockedPackage.channel`.
        after_channel: Where it comes from.
    """

    manager: Manager
    name: str
    before: str
    after: str
    before_file: str
    after_file: str
    before_channel: str = ""
    after_channel: str = ""

    @property
    def kind(self) -> ChangeKind:
        """The most that changed: the version, else the channel, else the build alone."""
        order = _compare(self.before, self.after)
        if order != 0 or self.before != self.after:
            return ChangeKind.DOWN if order > 0 else ChangeKind.UP
        return ChangeKind.CHANNEL if self.is_moved else ChangeKind.BUILD

    @property
    def is_moved(self) -> bool:
        """Whether it comes from another channel."""
        return self.before_channel != self.after_channel


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class FoldedChange:
    """One change, and the platforms that agree on it.

    Attributes:
        manager: Which installer it is for.
        name: Its name.
        kind: What happened.
        before: Version before, with the build where only that changed; empty for a new one.
        after: Likewise after; empty for one that is gone.
        before_channel: Set where the channel changed.
        after_channel: Likewise.
        platforms: Sorted.
    """

    manager: Manager
    name: str
    kind: ChangeKind
    before: str = ""
    after: str = ""
    before_channel: str = ""
    after_channel: str = ""
    platforms: tuple[Platform, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LockDiff:
    """The difference of two lockfiles; each part sorted by manager, then name.

    Attributes:
        added: Packages of the new one alone.
        removed: Packages of the old one alone.
        changed: Packages of both, with another archive.
    """

    added: tuple[LockedPackage, ...] = ()
    removed: tuple[LockedPackage, ...] = ()
    changed: tuple[Change, ...] = ()


def diff_locks(before: Lockfile | None, after: Lockfile | None) -> LockDiff:
    """The changes from `before` to `after`; None is a lock without packages."""
    old = _packages(before)
    new = _packages(after)
    return LockDiff(
        added=tuple(new[key] for key in sorted(new.keys() - old.keys())),
        removed=tuple(old[key] for key in sorted(old.keys() - new.keys())),
        changed=tuple(
            Change(
                manager=new[key].manager,
                name=new[key].name,
                before=old[key].version,
                after=new[key].version,
                before_file=old[key].file_name,
                after_file=new[key].file_name,
                before_channel=old[key].channel,
                after_channel=new[key].channel,
            )
            for key in sorted(new.keys() & old.keys())
            if (old[key].url, old[key].sha256) != (new[key].url, new[key].sha256)
        ),
    )


def fold_diffs(diffs: Mapping[Platform, LockDiff]) -> tuple[FoldedChange, ...]:
    """The changes of all platforms; those that are the same on several are one.

    Returns:
        Sorted by manager, then name.
    """
    found: dict[FoldedChange, set[Platform]] = {}
    for platform, diff in diffs.items():
        for change in _unfolded(diff):
            found.setdefault(change, set()).add(platform)
    return tuple(
        sorted(
            FoldedChange(
                manager=change.manager,
                name=change.name,
                kind=change.kind,
                before=change.before,
                after=change.after,
                before_channel=change.before_channel,
                after_channel=change.after_channel,
                platforms=tuple(sorted(platforms)),
            )
            for change, platforms in found.items()
        )
    )


def _unfolded(diff: LockDiff) -> list[FoldedChange]:
    changes = [
        FoldedChange(
            manager=item.manager, name=item.name, kind=ChangeKind.ADDED, after=item.version
        )
        for item in diff.added
    ]
    changes += [
        FoldedChange(
            manager=item.manager, name=item.name, kind=ChangeKind.REMOVED, before=item.version
        )
        for item in diff.removed
    ]
    for item in diff.changed:
        kind = item.kind
        builds = kind is ChangeKind.BUILD
        changes.append(
            FoldedChange(
                manager=item.manager,
                name=item.name,
                kind=kind,
                before=f"{item.before} {_build(item, item.before_file)}".strip()
                if builds
                else item.before,
                after=f"{item.after} {_build(item, item.after_file)}".strip()
                if builds
                else item.after,
                before_channel=item.before_channel if item.is_moved else "",
                after_channel=item.after_channel if item.is_moved else "",
            )
        )
    return changes


def _build(change: Change, file_name: str) -> str:
    """The build in a file name; all of the name where it does not show one."""
    if change.manager is Manager.PIP:
        return file_name
    stem = file_name.removesuffix(".conda").removesuffix(".tar.bz2")
    return stem.rpartition("-")[2]


def _compare(before: str, after: str) -> int:
    try:
        return compare_versions(before, after)
    except ValueError:
        return 0


def _packages(lockfile: Lockfile | None) -> dict[tuple[Manager, str], LockedPackage]:
    if lockfile is None:
        return {}
    return {(item.manager, item.name): item for item in lockfile.packages}
