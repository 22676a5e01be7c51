"""Why packages moved when an environment was locked again. Pure.

A lock keeps what still fits. So a package that moved was asked to, or something that is locked now
does not admit what was locked before; that is looked for here, in the lockfiles and the specs.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from lading.conda import IN_PROJECT
from lading.engine import admits, satisfies
from lading.lock.diff import diff_locks
from lading.lock.model import LockedPackage, Lockfile, Manager

if TYPE_CHECKING:
    from lading.lock.request import PlatformPlan

NEWEST = "an update was asked for"
OWN = "its sources, or what it is built with, changed"
GONE = "its archive is not offered any more, or another package excludes it"


def explain_changes(
    plan: "PlatformPlan", before: Lockfile, after: Lockfile
) -> Mapping[tuple[Manager, str], str]:
    """(manager, name) of each package that was added, removed or changed → why, in a few words."""
    difference = diff_locks(before, after)
    old = {item.key: item for item in before.packages}
    reasons: dict[tuple[Manager, str], str] = {}
    for item in difference.added:
        reasons[item.manager, item.name] = _why_added(plan, after, item)
    for item in difference.removed:
        reasons[item.manager, item.name] = _why_removed(before, item)
    moved = {item.name for item in difference.changed}
    for change in difference.changed:
        key = change.manager, change.name
        reasons[key] = _why_moved(plan, after, old[key]) or _why_unfit(old[key], after, moved)
    return reasons


def _why_added(plan: "PlatformPlan", after: Lockfile, item: LockedPackage) -> str:
    asked = [spec.text for spec in plan.requested.specs if spec.name == item.name]
    if asked and item.manager is Manager.CONDA:
        return f"asked for: {asked[0]}"
    return next(
        (f"needed by {one.name} {one.version}" for one, _ in _needing(after, item)), "asked for"
    )


def _why_removed(before: Lockfile, item: LockedPackage) -> str:
    needed_by = [one.name for one, _ in _needing(before, item)]
    return f"no longer needed by {', '.join(needed_by[:3])}" if needed_by else "no longer asked for"


def _why_moved(plan: "PlatformPlan", after: Lockfile, old: LockedPackage) -> str:
    """Who asked the package `old` to move; empty where nobody did."""
    if plan.update_all or old.name in plan.update:
        return NEWEST
    if old.manager is Manager.CONDA:
        for spec in plan.requested.specs:
            if spec.name == old.name and not satisfies(spec, old.version, old.build, old.channel):
                return f"asked for: {spec.text}"
        for one, query in _needing(after, old):
            if not admits(query, old.version):
                return f"{one.name} {one.version} needs {old.name} {query}"
    return ""


def _why_unfit(old: LockedPackage, after: Lockfile, moved: set[str]) -> str:
    """What of the new lock excludes the package `old`; `moved` are the names that changed."""
    later = {item.name: item for item in after.packages}.get(old.name)
    if later is not None and later.url.startswith(IN_PROJECT):
        return OWN
    conda = {item.name: item for item in after.conda}
    for name in sorted(moved & set(old.dependencies)):
        new = conda.get(name)
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
