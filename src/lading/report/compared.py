"""The difference of two locks: as text, as JSON, and as Markdown for a pull request."""

from collections.abc import Sequence

from lading.conda import Platform
from lading.lock import ChangeKind, FoldedChange
from lading.report.document import render_json

_SIGNS = {
    ChangeKind.ADDED: "+",
    ChangeKind.REMOVED: "-",
    ChangeKind.UP: "^",
    ChangeKind.DOWN: "v",
    ChangeKind.CHANNEL: "~",
    ChangeKind.BUILD: "=",
}
_TITLES = {
    ChangeKind.UP: "Up",
    ChangeKind.DOWN: "Down",
    ChangeKind.ADDED: "Added",
    ChangeKind.REMOVED: "Removed",
    ChangeKind.CHANNEL: "From another channel",
    ChangeKind.BUILD: "Build only",
}


def render_diff(changes: Sequence[FoldedChange], platforms: Sequence[Platform]) -> str:
    """One line a change, then how many of each kind; platforms are named where they disagree."""
    if not changes:
        return "the locks are the same\n"
    width = max(len(_label(change)) for change in changes)
    lines = []
    for change in changes:
        where = _where(change, platforms)
        text = f"{_SIGNS[change.kind]} {_label(change):<{width}}  {_movement(change)}"
        lines.append(f"{text}  [{where}]" if where else text)
    return "\n".join([*lines, _totals(changes)]) + "\n"


def render_diff_json(changes: Sequence[FoldedChange], platforms: Sequence[Platform]) -> str:
    """The changes as a JSON document."""
    return render_json("diff/1", platforms=platforms, changes=changes)


def render_diff_markdown(changes: Sequence[FoldedChange], platforms: Sequence[Platform]) -> str:
    """A heading with the totals, and one table a kind of change, folded away but for versions."""
    lines = [f"### Locked packages: {_totals(changes) if changes else 'no change'}"]
    for kind, title in _TITLES.items():
        rows = [change for change in changes if change.kind is kind]
        if not rows:
            continue
        is_noise = kind is ChangeKind.BUILD
        lines += ["", f"<details><summary>{title} ({len(rows)})</summary>"] if is_noise else []
        lines += [] if is_noise else ["", f"**{title}**"]
        lines += ["", "| package | before | after | platforms |", "|---|---|---|---|"]
        for change in rows:
            where = _where(change, platforms) or "all"
            before = _cell(f"{change.before} {change.before_channel}")
            after = _cell(f"{change.after} {change.after_channel}")
            lines.append(f"| {_cell(_label(change))} | {before} | {after} | {where} |")
        lines += ["", "</details>"] if is_noise else []
    return "\n".join(lines) + "\n"


def _label(change: FoldedChange) -> str:
    return change.name if change.manager.value == "conda" else f"{change.name} (pip)"


def _movement(change: FoldedChange) -> str:
    match change.kind:
        case ChangeKind.ADDED:
            return change.after
        case ChangeKind.REMOVED:
            return change.before
        case _:
            before = f"{change.before} {change.before_channel}".strip()
            return f"{before} -> {change.after} {change.after_channel}".strip()


def _where(change: FoldedChange, platforms: Sequence[Platform]) -> str:
    """The platforms of a change; empty where it is all of them."""
    return "" if set(change.platforms) == set(platforms) else ", ".join(change.platforms)


def _totals(changes: Sequence[FoldedChange]) -> str:
    counts = [
        (sum(change.kind is kind for change in changes), title.lower())
        for kind, title in _TITLES.items()
    ]
    return ", ".join(f"{count} {title}" for count, title in counts if count)


def _cell(text: str) -> str:
    return text.strip().replace("|", "\\|")
