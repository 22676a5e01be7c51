"""Why packages moved when an environment was locked again. Pure.

A lock keeps what still fits. So a package that moved was asked to, or something that is locked now
does not admit what was locked before; that is looked for here, in the lockfiles and the specs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lading.conda import MatchSpec
from lading.engine import admits, satisfies
from lading.lock.diff import diff_locks
from lading.lock.model import LockedPackage, Lockfile, Manager

NEWEST = "an update was asked for"
GONE = "its archive is not offered any more, or another package excludes it"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockStep:
    """From one lockfile to the next.

    Attributes:
        before: The old one.
        after: The new one.
        specs: The conda packages asked for.
        update: Names that were to move.
        update_all: Whether all were.
    """

    before: Lockfile
    after: Lockfile
    specs: tuple[MatchSpec, ...]
    update: frozenset[str] = frozenset()
    update_all: bool = False


def explain_changes(step: LockStep) -> Mapping[tuple[Manager, str], str]:
    """(manager, name) of each package that was added, removed or changed → why, in a few words."""
    difference = diff_locks(step.before, step.after)
    old = {(item.manager, item.name): item for item in step.before.packages}
    reasons: dict[tuple[Manager, str], str] = {}
    for item in difference.added:
        reasons[item.manager, item.name] = _why_added(step, item)
    for item in difference.removed:
        reasons[item.manager, item.name] = _why_removed(step, item)
    for change in difference.changed:
        key = change.manager, change.name
        reasons[key] = _why_moved(step, old[key])
    return reasons


def _why_added(step: LockStep, item: LockedPackage) -> str:
    asked = [spec.text for spec in step.specs if spec.name == item.name]
    if asked and item.manager is Manager.CONDA:
        return f"asked for: {asked[0]}"
    return next(
        (f"needed by {one.name} {one.version}" for one, _ in _needing(step.after, item)),
        "asked for",
    )


def _why_removed(step: LockStep, item: LockedPackage) -> str:
    before = [one.name for one, _ in _needing(step.before, item)]
    if not before:
        return "no longer asked for"
    return f"no longer needed by {', '.join(before[:3])}"


def _why_moved(step: LockStep, old: LockedPackage) -> str:
    if step.update_all or old.name in step.update:
        return NEWEST
    if old.manager is Manager.CONDA:
        for spec in step.specs:
            if spec.name == old.name and not satisfies(spec, old.version, old.build, old.channel):
                return f"asked for: {spec.text}"
        for one, query in _needing(step.after, old):
            if not admits(query, old.version):
                return f"{one.name} {one.version} needs {old.name} {query}"
    return _why_unfit(step, old)


def _why_unfit(step: LockStep, old: LockedPackage) -> str:
    """What of the new lock excludes the package `old`."""
    moved = {item.name for item in diff_locks(step.before, step.after).changed}
    later = {item.name: item for item in step.after.packages}.get(old.name)
    for name in sorted(moved & set(old.dependencies)):
        new = {item.name: item for item in step.after.conda}.get(name)
        if new is not None and not admits(old.dependencies[name], new.version):
            return f"{old.name} {old.version} does not admit {name} {new.version}"
    if later is not None and later.version == old.version:
        return f"another build was needed, or {GONE}"
    return GONE


def _needing(lock: Lockfile, item: LockedPackage) -> Iterator[tuple[LockedPackage, str]]:
    """(package, version query) of those that depend on `item`."""
    for other in lock.packages:
        if other.manager is item.manager and item.name in other.dependencies:
            yield other, other.dependencies[item.name]
