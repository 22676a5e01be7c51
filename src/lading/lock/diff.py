"""The changes between two lockfiles of one platform. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from lading.conda import Platform
from lading.engine import is_newer
from lading.lock.model import LockedPackage, Lockfile, Manager


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
        before: Version; equal to `after` where only the build or the archive changed.
    """

    manager: Manager
    name: str
    before: str
    after: str
    before_file: str
    after_file: str
    before_channel: str
    after_channel: str

    @property
    def kind(self) -> ChangeKind:
        """The most that changed: the version, else the channel, else the build alone."""
        if self.before != self.after:
            return ChangeKind.DOWN if is_newer(self.before, self.after) else ChangeKind.UP
        return ChangeKind.CHANNEL if self.is_moved else ChangeKind.BUILD

    @property
    def is_moved(self) -> bool:
        """Whether it comes from another channel."""
        return self.before_channel != self.after_channel


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class FoldedChange:
    """One change, and the platforms that agree on it.

    Attributes:
        before: Version, with the build where only that changed; empty for a new package.
        after: Version, likewise; empty for one that is gone.
        before_channel: Set where the channel changed.
        after_channel: Set where the channel changed.
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
    """The difference of two lockfiles; each part sorted by manager, then name."""

    added: tuple[LockedPackage, ...] = ()
    removed: tuple[LockedPackage, ...] = ()
    changed: tuple[Change, ...] = ()


def diff_locks(before: Lockfile | None, after: Lockfile | None) -> LockDiff:
    """The changes from `before` to `after`; None is a lock without packages."""
    old, new = _packages(before), _packages(after)
    return LockDiff(
        added=tuple(new[key] for key in sorted(new.keys() - old.keys())),
        removed=tuple(old[key] for key in sorted(old.keys() - new.keys())),
        changed=tuple(
            _change(old[key], new[key])
            for key in sorted(new.keys() & old.keys())
            if (old[key].url, old[key].sha256) != (new[key].url, new[key].sha256)
        ),
    )


def fold_diffs(diffs: Mapping[Platform, LockDiff]) -> tuple[FoldedChange, ...]:
    """The changes of all platforms, those of several as one; sorted by manager, then name."""
    found: dict[FoldedChange, set[Platform]] = {}
    for platform, diff in diffs.items():
        for change in _unfolded(diff):
            found.setdefault(change, set()).add(platform)
    return tuple(
        sorted(replace(change, platforms=tuple(sorted(names))) for change, names in found.items())
    )


def _unfolded(diff: LockDiff) -> Iterator[FoldedChange]:
    for item in diff.added:
        yield FoldedChange(
            manager=item.manager, name=item.name, kind=ChangeKind.ADDED, after=item.version
        )
    for item in diff.removed:
        yield FoldedChange(
            manager=item.manager, name=item.name, kind=ChangeKind.REMOVED, before=item.version
        )
    for change in diff.changed:
        before, after = change.before, change.after
        if change.kind is ChangeKind.BUILD:
            before = f"{before} {_build(change, change.before_file)}"
            after = f"{after} {_build(change, change.after_file)}"
        yield FoldedChange(
            manager=change.manager,
            name=change.name,
            kind=change.kind,
            before=before,
            after=after,
            before_channel=change.before_channel if change.is_moved else "",
            after_channel=change.after_channel if change.is_moved else "",
        )


def _change(before: LockedPackage, after: LockedPackage) -> Change:
    return Change(
        manager=after.manager,
        name=after.name,
        before=before.version,
        after=after.version,
        before_file=before.file_name,
        after_file=after.file_name,
        before_channel=before.channel,
        after_channel=after.channel,
    )


def _build(change: Change, file_name: str) -> str:
    """The build in a file name; all of the name where it does not show one."""
    if change.manager is Manager.PIP:
        return file_name
    stem = file_name.removesuffix(".conda").removesuffix(".tar.bz2")
    return stem.rpartition("-")[2]


def _packages(lock: Lockfile | None) -> dict[tuple[Manager, str], LockedPackage]:
    return {item.key: item for item in lock.packages} if lock else {}
