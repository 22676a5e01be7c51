"""The answer of `lading lock --check`, for people and for programs."""

from collections.abc import Sequence

from lading.lock import LockFinding, LockReport
from lading.report.document import Answer

SHOWN = 50


def render_check(reports: Sequence[LockReport]) -> Answer:
    """Yes or no for each environment, and what is wrong; platforms that agree share a line."""
    lines = []
    for report in reports:
        platforms = ", ".join(report.platforms)
        if report.is_fresh:
            lines.append(
                f"yes: {report.name} is locked as its sources ask for"
                f" ({report.packages} packages for {platforms})"
            )
            continue
        folded = _folded(report.findings)
        lines.append(f"no: {report.name} is not locked as its sources ask for ({platforms})")
        for (rule, subject, message), where in list(folded.items())[:SHOWN]:
            place = "" if len(where) == len(report.platforms) else f" [{', '.join(where)}]"
            lines.append(f"  {rule:<8} {subject}: {message}{place}")
        if len(folded) > SHOWN:
            lines.append(f"  and {len(folded) - SHOWN} more; --json lists all")
        lines.append(f"  lock it again: lading lock {report.name}")
    return Answer(
        "\n".join(lines) + "\n",
        "lock-check/1",
        fresh=all(report.is_fresh for report in reports),
        environments=[
            {
                "environment": report.name,
                "fresh": report.is_fresh,
                "platforms": report.platforms,
                "packages": report.packages,
                "findings": report.findings,
            }
            for report in reports
        ],
    )


def _folded(findings: Sequence[LockFinding]) -> dict[tuple[str, str, str], list[str]]:
    """(rule, subject, message) → platforms, in the order of the findings."""
    folded: dict[tuple[str, str, str], list[str]] = {}
    for item in findings:
        folded.setdefault((item.rule, item.subject, item.message), []).append(item.platform)
    return folded
