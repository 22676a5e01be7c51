"""What verification found, for people and for programs."""

from lading.report.document import Answer
from lading.report.terminal import one_line
from lading.verify import Report, Severity

SHOWN_FINDINGS = 50


def render_report(report: Report) -> Answer:
    """Yes or no on the first line, then the findings; the document has all of them."""
    return Answer(
        _text(report),
        "verify/1",
        subject=report.subject,
        kind=report.kind,
        environment=report.environment,
        platform=report.platform,
        checked=report.checked,
        clean=report.is_clean,
        findings=list(report.findings),
    )


def _text(report: Report) -> str:
    errors = [item for item in report.findings if item.severity is Severity.ERROR]
    notes = len(report.findings) - len(errors)
    noted = f", {notes} noted" if notes else ""
    if report.is_clean:
        return (
            f"yes: {report.subject} is exactly what its bill says"
            f" ({report.kind}, {report.environment} for {report.platform},"
            f" {report.checked} paths{noted})\n"
        )
    lines = [
        f"no: {report.subject} differs from its bill in {len(errors)} of {report.checked} paths"
    ]
    for item in errors[:SHOWN_FINDINGS]:
        owner = f" ({item.owner})" if item.owner else ""
        lines.append(f"  {item.rule:<9} {one_line(item.path)}{owner}: {item.message}")
        if item.expected or item.found:
            lines.append(f"            expected {item.expected}, found {item.found}")
    if len(errors) > SHOWN_FINDINGS:
        lines.append(f"  and {len(errors) - SHOWN_FINDINGS} more; --json lists all")
    return "\n".join(lines) + "\n"
