"""Where an image was mounted, and how; which ways were not possible."""

from collections.abc import Sequence

from lading.node import Entered, MountedImage
from lading.report.document import Answer


def render_mounted(mounted: MountedImage) -> Answer:
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
    return Answer(
        "\n".join(lines) + "\n",
        "mount/1",
        directory=mounted.directory,
        how=mounted.how,
        at_prefix=mounted.is_at_prefix,
        refusals=[{"how": name, "reason": reason} for name, reason in mounted.refusals],
    )


def render_entered(entered: Entered) -> str:
    """How the image was reached; a line for each way that was not taken."""
    if entered.how == "here":
        return f"it is at {entered.prefix} already\n"
    verb = "mounted" if entered.delivered else "joined"
    return "\n".join([f"{verb} by {entered.how}", *_refusals(entered.refusals)]) + "\n"


def _refusals(refusals: Sequence[tuple[str, str]]) -> list[str]:
    return [f"  not by {name}: {reason}" for name, reason in refusals]
