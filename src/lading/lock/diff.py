"""What changed between two lockfiles of one platform. Pure."""

from dataclasses import dataclass

from lading.lock.model import LockedPackage, Lockfile, Manager

__all__ = ["Change", "LockDiff", "diff_locks"]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Change:
    """A package whose locked archive is another one.

    Attributes:
        manager: Who installs it.
        name: Its name.
        before: Version before; equal to `after` where only the build or the archive changed.
        after: Version after.
        before_file: File name of the archive before.
        after_file: File name of the archive after.
    """

    manager: Manager
    name: str
    before: str
    after: str
    before_file: str
    after_file: str


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

    @property
    def is_empty(self) -> bool:
        """Whether both lock the same archives."""
        return not (self.added or self.removed or self.changed)


def diff_locks(before: Lockfile | None, after: Lockfile) -> LockDiff:
    """What has to be done to `before` (None: there was none) to get `after`."""
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
            )
            for key in sorted(new.keys() & old.keys())
            if (old[key].url, old[key].sha256) != (new[key].url, new[key].sha256)
        ),
    )


def _packages(lockfile: Lockfile | None) -> dict[tuple[Manager, str], LockedPackage]:
    if lockfile is None:
        return {}
    return {(item.manager, item.name): item for item in lockfile.packages}
