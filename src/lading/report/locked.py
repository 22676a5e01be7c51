"""What locking did, for people and for programs."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from lading.lock import MAIN, Change, LockedPackage, Lockfile, LockOutcome, PlatformOutcome
from lading.report.document import Answer

if TYPE_CHECKING:
    from lading.api import Adopted

SHOWN_CHANGES = 20


def render_locked(outcome: LockOutcome, heading: str = "") -> Answer:
    """After `heading`, one line a platform, and below it what moved."""
    lines = []
    written = "would be written" if outcome.is_dry else "written"
    for item in outcome.platforms:
        conda, pip = len(item.lockfile.conda), len(item.lockfile.pip)
        state = written if item.written else "unchanged"
        lines.append(
            f"{item.platform}: {conda} conda and {pip} pip packages, {state}, {item.seconds:.1f} s"
        )
        # A first lock adds everything, which says nothing.
        if len(item.diff.added) < conda + pip:
            lines += _changes(item)
        if item.unchecked:
            lines.append(_unchecked(item.unchecked))
        if item.dated_by_builder:
            lines.append(_dated_by_builder(item.dated_by_builder, conda))
    return Answer(
        heading + "\n".join(lines) + "\n",
        "lock/1",
        environment=outcome.name,
        dry_run=outcome.is_dry,
        platforms=list(map(_platform_fields, outcome.platforms)),
    )


def _platform_fields(item: PlatformOutcome) -> dict[str, object]:
    return {
        "platform": str(item.platform),
        "path": str(item.path),
        "digest": str(item.lockfile.digest),
        "written": item.written,
        "seconds": round(item.seconds, 3),
        "unchecked": item.unchecked,
        "dated_by_builder": item.dated_by_builder,
        "conda": len(item.lockfile.conda),
        "pip": len(item.lockfile.pip),
        "added": [f"{entry.name} {entry.version}" for entry in item.diff.added],
        "removed": [f"{entry.name} {entry.version}" for entry in item.diff.removed],
        "changed": item.diff.changed,
        "reasons": [
            {"manager": manager, "name": name, "reason": reason}
            for (manager, name), reason in item.reasons.items()
        ],
    }


def _unchecked(archives: Sequence[str]) -> str:
    more = f" and {len(archives) - 1} more" if len(archives) > 1 else ""
    return (
        f"  not checked for files of both conda and pip until the installation: {archives[0]}{more}"
    )


def _dated_by_builder(names: Sequence[str], total: int) -> str:
    return (
        f"  excluded by the date of the build, which the builder sets: {len(names)} of {total}"
        f" packages; their channel does not say when it listed them: {', '.join(names[:3])}"
        f"{', ...' if len(names) > len(names[:3]) else ''}"
    )


def _changes(outcome: PlatformOutcome) -> list[str]:
    lines = list(_change_lines(outcome))
    more = len(lines) - SHOWN_CHANGES
    return lines if more <= 0 else [*lines[:SHOWN_CHANGES], f"  and {more} more; --json lists all"]


def _change_lines(outcome: PlatformOutcome) -> Iterator[str]:
    diff = outcome.diff
    for package in diff.added:
        yield f"  + {package.name} {package.version}{_why(outcome, package)}"
    for package in diff.removed:
        yield f"  - {package.name} {package.version}{_why(outcome, package)}"
    for change in diff.changed:
        if change.before != change.after:
            movement = f"{change.before} -> {change.after}"
        else:
            movement = f"{change.before_file} -> {change.after_file}"
        yield f"    {change.name} {movement}{_why(outcome, change)}"


def _why(outcome: PlatformOutcome, item: LockedPackage | Change) -> str:
    reason = outcome.reasons.get((item.manager, item.name), "")
    return f"  ({reason})" if reason else ""


def render_adopted(adopted: "Sequence[Adopted]") -> Answer:
    """One line a lockfile: what it holds, and of what it was made."""
    lines = []
    for item in adopted:
        conda, pip = len(item.lock.conda), len(item.lock.pip)
        origin = ", ".join(path.name for path in item.origin)
        state = "written" if item.written else "unchanged"
        left = f", without {', '.join(item.left_out)}" if item.left_out else ""
        lines.append(
            f"{item.path.parent.name} for {item.lock.platform}: {conda} conda and {pip} pip"
            f" packages of {origin}{left}, {state}"
        )
    return Answer(
        "\n".join(lines) + "\n",
        "adopt/1",
        locks=[
            {
                "environment": item.path.parent.name,
                "platform": item.lock.platform,
                "path": item.path,
                "origin": item.origin,
                "conda": len(item.lock.conda),
                "pip": len(item.lock.pip),
                "left_out": item.left_out,
                "written": item.written,
            }
            for item in adopted
        ],
    )


def render_left_out(lock: Lockfile) -> str:
    """One line: how many packages are left out, and how to get them; empty where none is."""
    if not lock.left_out:
        return ""
    names = sorted({name for item in lock.left_out for name in item.categories})
    count = len(lock.left_out)
    packages = "package" if count == 1 else "packages"
    hint = "" if names == [MAIN] else f"; --with {','.join(names)} includes them"
    verb = "is" if count == 1 else "are"
    return f"{count} {packages} of {', '.join(names)} {verb} left out{hint}\n"
