"""Where an image was mounted, and how; which ways were not possible."""

from collections.abc import Sequence
from pathlib import Path

from lading.node import Entered, MountedImage
from lading.report.document import render_json


def render_mounted(mounted: MountedImage) -> str:
    """One line, a line for each way that was not taken, and what does not work elsewhere."""
    if mounted.how == "here":
        lines = [f"it is mounted at {mounted.directory} already"]
    else:
        lines = [f"mounted at {mounted.directory} by {mounted.how}"]
    lines += _refusals(mounted.refusals)
    if not mounted.is_at_prefix:
        lines.append(
            "warning: it was packed for another place: files can be looked at, but scripts and"
            " programs that name their prefix do not work; `lading run` shows them that prefix"
        )
    return "\n".join(lines) + "\n"


def render_entered(entered: Entered) -> str:
    """How the image was reached; a line for each way that was not taken."""
    if entered.how == "here":
        return f"it is at {entered.prefix} already\n"
    verb = "mounted" if entered.delivered else "joined"
    return "\n".join([f"{verb} by {entered.how}", *_refusals(entered.refusals)]) + "\n"


def _refusals(refusals: Sequence[tuple[str, str]]) -> list[str]:
    return [f"  not by {name}: {reason}" for name, reason in refusals]


def render_mounted_json(mounted: MountedImage) -> str:
    """The same as a JSON document."""
    return render_json(
        "mount/1",
        directory=mounted.directory,
        how=mounted.how,
        at_prefix=mounted.is_at_prefix,
        refusals=[{"how": name, "reason": reason} for name, reason in mounted.refusals],
    )


def render_unmounted_json(directory: Path) -> str:
    """What was unmounted, as a JSON document."""
    return render_json("umount/1", directory=directory)
