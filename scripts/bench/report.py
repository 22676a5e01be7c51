"""What a run of the benchmarks found, as it stands in `docs/benchmarks.json`."""

import msgspec

from bench.measure import Measurement

__all__ = [
    "Comparison",
    "Growth",
    "Machine",
    "Point",
    "Report",
    "Section",
    "Side",
    "render_json",
]

SCHEMA = "lading.bench/1"


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One tool in a comparison.

    Attributes:
        tool: What it is called in the table.
        command: How it was run; directories have short names.
        runs: What each run took, in order.
    """

    tool: str
    command: str
    runs: tuple[Measurement, ...]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """The same work, done by two tools in turn.

    Attributes:
        work: What was to be done.
        ours: lading.
        theirs: The other tool, or None where it is not on this machine.
    """

    work: str
    ours: Side
    theirs: Side | None = None


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One size of a growing task.

    Attributes:
        amount: How large it is, in the unit of its `Growth`.
        runs: What each run took.
    """

    amount: int
    runs: tuple[Measurement, ...]


class Growth(msgspec.Struct, frozen=True, kw_only=True):
    """How what a command takes grows with its task.

    Attributes:
        work: What was to be done.
        unit: `files`, `bytes` or `records`.
        command: How it was run.
        points: By amount.
    """

    work: str
    unit: str
    command: str
    points: tuple[Point, ...]


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """What belongs together.

    Attributes:
        name: As it is called on the command line.
        title: Its heading.
        notes: What must be known to read the figures: what is cold, what is warm, what is left out.
        seconds: That it took to measure.
        sized: What `Measurement.size` is here, or empty.
        comparisons: One row each.
        growths: One row for each point.
    """

    name: str
    title: str
    notes: tuple[str, ...]
    seconds: float
    sized: str = ""
    comparisons: tuple[Comparison, ...] = ()
    growths: tuple[Growth, ...] = ()


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """On what it was measured.

    Attributes:
        cpu: Model.
        cores: That the benchmark could use.
        memory: Bytes.
        kernel: Its name and release.
        python: Its version.
        tools: Name → version.
    """

    cpu: str
    cores: int
    memory: int
    kernel: str
    python: str
    tools: dict[str, str]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything.

    Attributes:
        when: Date and time, UTC.
        command: How the benchmark was run.
        pairs: How often each comparison was made.
        machine: Where.
        sections: In the order in which they ran.
    """

    when: str
    command: str
    pairs: int
    machine: Machine
    sections: tuple[Section, ...]
    schema: str = SCHEMA


def render_json(report: Report) -> bytes:
    """The raw runs, for other programs."""
    return msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n"
