"""What a project has and what is newer, for people and for programs."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from lading.lock import Listed, Lockfile
from lading.report.document import Answer
from lading.report.summary import category_fields, megabytes
from lading.report.terminal import render_table

if TYPE_CHECKING:
    from lading.api import LockedPlatform, Outdated, Overview

SHOWN_DEPENDENTS = 3


def render_list(lock: Lockfile, listed: Sequence[Listed]) -> Answer:
    """One line a package: version, build, channel, categories, who asked for it."""
    rows = [
        (
            item.package.name,
            item.package.version,
            item.package.build or item.package.manager.value,
            item.package.channel.rpartition("/")[2],
            ",".join(item.package.categories),
            _asked_by(item),
        )
        for item in listed
    ]
    return Answer(
        render_table([("name", "version", "build", "channel", "category", "asked by"), *rows]),
        "list/1",
        environment=lock.environment,
        platform=lock.platform,
        **category_fields(lock),
        packages=[
            {
                "name": item.package.name,
                "version": item.package.version,
                "build": item.package.build,
                "manager": item.package.manager,
                "channel": item.package.channel,
                "url": item.package.url,
                "sha256": item.package.sha256.hex,
                "in_categories": item.package.categories,
                "asked": item.asked,
                "needed_by": item.needed_by,
            }
            for item in listed
        ],
    )


def _asked_by(item: Listed) -> str:
    if item.asked:
        return "; ".join(item.asked)
    shown = ", ".join(item.needed_by[:SHOWN_DEPENDENTS])
    more = len(item.needed_by) - SHOWN_DEPENDENTS
    return shown + (f" and {more} more" if more > 0 else "")


def render_outdated(found: "Sequence[Outdated]") -> Answer:
    """A table for each platform: what is locked, allowed and newest, and what holds it back."""
    lines = []
    for outdated in found:
        title = f"{outdated.environment} for {outdated.platform}"
        count = len(outdated.newer)
        lines.append(f"{title}: {count or 'no'} packages have newer versions\n")
        rows = [
            (item.name, item.locked, item.allowed, item.newest, "; ".join(item.held_by))
            for item in outdated.newer
        ]
        if rows:
            heads = ("name", "locked", "allowed", "newest", "held back by")
            lines.append(render_table([heads, *rows]))
        if outdated.unchecked:
            lines.append(f"{outdated.unchecked} pip packages were not looked at\n")
    return Answer("".join(lines), "outdated/1", platforms=found)


def render_overview(found: "Overview") -> Answer:
    """Environments with their locks and prefixes, artifacts and caches with their sizes."""
    lines = [f"project {found.directory}"]
    lines.append(f"configuration {found.settings.name if found.settings else 'none'}")
    for item in found.environments:
        sources = ", ".join(path.name for path in item.sources) or "no source is known"
        lines.append(f"environment {item.name} ({sources})")
        lines += [f"  {line}" for lock in item.locks for line in _lock_lines(lock)] or [
            "  not locked"
        ]
    for title, places in (("artifact", found.artifacts), ("cache", found.caches)):
        lines += [f"{title} {item.name} {megabytes(item.size)} {item.path}" for item in places]
    fields = {name: getattr(found, name) for name in found.__slots__}
    return Answer("\n".join(lines) + "\n", "info/1", **fields)


def _lock_lines(lock: "LockedPlatform") -> Iterator[str]:
    if lock.fault:
        yield f"{lock.platform}: {lock.fault}"
        return
    categories = f" ({', '.join(lock.categories)})" if len(lock.categories) > 1 else ""
    state = "not installed"
    if lock.prefix is not None:
        old = "" if lock.is_current else " from an older lock"
        state = f"installed{old} in {lock.prefix}"
    yield f"{lock.platform}: {lock.packages} packages{categories}, {state}"
