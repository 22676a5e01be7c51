"""Whether an environment will run on a machine, or on many, for people and for programs."""

from collections.abc import Sequence

from lading.errors import InputError, raised_as
from lading.node import Preflight, Verdict, item_lines
from lading.report.document import Answer
from lading.report.terminal import render_table
from lading.system import decode_json


def render_preflight(report: Preflight) -> Answer:
    """Yes or no on the first line, the ways, then all that was looked at."""
    if report.is_ready:
        lines = [f"yes: {report.subject} will run on {report.host}, by {report.delivery}"]
    else:
        lines = [f"no: {report.subject} will not run on {report.host}"]
    lines += [f"  not by {way.name}: {way.reason}" for way in report.ways if way.reason]
    lines += [f"  {line}" for line in item_lines(report.items)]
    fields = {name: getattr(report, name) for name in Preflight.__struct_fields__}
    return Answer("\n".join(lines) + "\n", "preflight/1", ready=report.is_ready, **fields)


def merge_preflights(data: bytes, name: str) -> tuple[Preflight, ...]:
    """What several machines said, by name of the machine.

    `data` are JSON lines, in any order; `name` is where they are from, for an error.

    Raises:
        InputError: A line is something else, or there is none.
    """
    reports = []
    for number, line in enumerate(data.splitlines(), start=1):
        if line.strip():
            with raised_as(
                InputError,
                f"{name}:{number}: not a line of `lading preflight --json`",
                "let each machine write a file of its own",
                ValueError,
            ):
                reports.append(decode_json(line, Preflight))
    if not reports:
        raise InputError(f"{name} is empty", hint="write it with `lading preflight --json`")
    return tuple(sorted(reports, key=lambda report: report.host))


def render_preflights(reports: Sequence[Preflight]) -> str:
    """A line for each machine: whether, how, and what is in the way."""
    rows = [("machine", "ready", "by", "in the way")]
    for report in reports:
        wrong = [item for item in report.items if item.verdict is Verdict.NO]
        why = "; ".join(f"{item.name} {item.found}, needed {item.needed}" for item in wrong)
        ready = "yes" if report.is_ready else "no"
        rows.append((report.host, ready, report.delivery or "-", why))
    return render_table(rows)
