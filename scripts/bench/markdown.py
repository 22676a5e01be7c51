"""The report as `docs/benchmarks.md`."""

from collections.abc import Iterable, Sequence
from statistics import median

from bench.figures import DASH, pairwise, render_bytes, render_ratio, render_seconds
from bench.measure import Measurement
from bench.report import Comparison, Growth, Machine, Report, Section

__all__ = ["render_markdown"]

HEAD = """\
# Benchmarks

{summary}
The raw runs are in [benchmarks.json](benchmarks.json).
[Where the time goes](explanation/speed.md) says why it is not less.

{machine}

How to read the tables:

- Both tools run in turn, A B A B …, after a warm-up of each that is not counted.
  The kernel's page cache is never dropped; tools have caches of their own, in a temporary place.
- Times are medians of whole processes, from start to end.
  CPU is user and system time of a process and of all that it started.
- *faster* is the other tool's time by lading's, pair by pair: the median, the least and the most.
- *memory* is the peak of the largest single process.
"""


def render_markdown(report: Report, picture: str) -> str:
    """The page.

    Args:
        report: What was found.
        picture: File name of the picture of growth, beside the page; empty for none.
    """
    head = HEAD.format(summary=_summary(report), machine=_machine(report.machine))
    sections = [_section(section, picture) for section in report.sections]
    return "\n".join([head, *sections])


def _summary(report: Report) -> str:
    pairs = f"{report.pairs} pair{'s' if report.pairs != 1 else ''}"
    minutes = sum(section.seconds for section in report.sections) / 60
    return (
        f"Made on {report.when} by `{report.command}`, in {minutes:.0f} minutes;"
        f" {pairs} of each comparison unless something else is said."
    )


def _machine(machine: Machine) -> str:
    rows = [
        ("CPU", f"{machine.cpu}, {machine.cores} cores"),
        ("memory", render_bytes(machine.memory)),
        ("kernel", machine.kernel),
        ("Python", machine.python),
        *machine.tools.items(),
    ]
    return _table(("machine and tools", ""), rows)


def _section(section: Section, picture: str) -> str:
    parts = [f"## {section.title}", "", *(f"- {note}" for note in section.notes), ""]
    if section.comparisons:
        parts += [_comparisons(section.comparisons, section.sized), ""]
    if section.growths:
        parts += [_growths(section.growths, section.sized), ""]
        if section.name == "growth" and picture:
            parts += [f"![Time and peak memory of pack and unpack, by size]({picture})", ""]
    commands = dict.fromkeys(_commands(section))
    if commands:
        parts += ["```sh", *commands, "```", ""]
    parts += [f"This section took {section.seconds:.0f} s.", ""]
    return "\n".join(parts)


def _commands(section: Section) -> Iterable[str]:
    for item in section.comparisons:
        yield item.ours.command
        if item.theirs is not None:
            yield item.theirs.command
    for growth in section.growths:
        yield growth.command


def _comparisons(comparisons: Sequence[Comparison], sized: str) -> str:
    has_sizes = any(run.size for item in comparisons for run in item.ours.runs)
    heads = ["work", "lading", "other", "", "faster", "CPU", "memory"]
    rows = [_comparison(item) for item in comparisons]
    if has_sizes:
        heads += [sized, "size ratio"]
        rows = [(*row, *_sizes(item)) for row, item in zip(rows, comparisons, strict=True)]
    return _table(heads, rows)


def _comparison(item: Comparison) -> tuple[str, ...]:
    ours = item.ours.runs
    theirs = item.theirs.runs if item.theirs is not None else ()
    tool = item.theirs.tool if item.theirs is not None else "left out"
    faster = pairwise([run.wall for run in theirs], [run.wall for run in ours])
    return (
        item.work,
        _seconds([run.wall for run in ours]),
        _seconds([run.wall for run in theirs]),
        tool,
        render_ratio(faster, spread=len(ours) > 1),
        _both([_seconds([run.cpu for run in runs]) for runs in (ours, theirs)]),
        _both([_peak(runs) for runs in (ours, theirs)]),
    )


def _sizes(item: Comparison) -> tuple[str, str]:
    ours = item.ours.runs
    theirs = item.theirs.runs if item.theirs is not None else ()
    sizes = [_median_bytes([run.size for run in runs]) for runs in (ours, theirs)]
    ratio = pairwise([run.size for run in ours], [run.size for run in theirs])
    return _both(sizes), f"{ratio.median:.3f}" if ratio is not None else DASH


def _growths(growths: Sequence[Growth], sized: str) -> str:
    heads = ["work", "amount", "time", "CPU", "memory"]
    rows: list[tuple[str, ...]] = []
    for growth in growths:
        for point in growth.points:
            runs = point.runs
            row = (
                growth.work,
                render_amount(point.amount, growth.unit),
                _seconds([run.wall for run in runs]),
                _seconds([run.cpu for run in runs]),
                _peak(runs),
            )
            rows.append((*row, _median_bytes([run.size for run in runs])) if sized else row)
    return _table([*heads, sized] if sized else heads, rows)


def render_amount(amount: int, unit: str) -> str:
    """`1 000 000 000` bytes as `1.00 GB`, anything else with its unit."""
    return render_bytes(amount) if unit == "bytes" else f"{amount:,} {unit}".replace(",", " ")


def _seconds(values: Sequence[float]) -> str:
    return render_seconds(median(values)) if values else DASH


def _median_bytes(values: Sequence[int]) -> str:
    return render_bytes(median(values)) if any(values) else DASH


def _peak(runs: Sequence[Measurement]) -> str:
    return f"{max(run.peak for run in runs) / (1 << 20):.0f} MiB" if runs else DASH


def _both(texts: Sequence[str]) -> str:
    return " / ".join(text for text in texts if text != DASH) or DASH


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
