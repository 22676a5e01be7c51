"""Comparisons: contestants run in turn, and what each took, side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.measure import Contestant, Measurement, in_turn
from bench.report import Comparison, Side
from bench.workshop import Workshop

__all__ = ["Match", "compare"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The same work for two contestants; the same contestant may stand in several.

    Attributes:
        work: What is to be done.
        ours: lading.
        theirs: The other one, or None where there is none.
        tool: What `theirs` is called in the table.
    """

    work: str
    ours: Contestant
    theirs: Contestant | None
    tool: str = "conda-pack"


def compare(
    workshop: Workshop,
    matches: Sequence[Match],
    rounds: int | None = None,
    *,
    warm_up: bool = True,
) -> tuple[Comparison, ...]:
    """What each match found, all their contestants run in turn, each once a round."""
    contestants = {
        item.name: item
        for match in matches
        for item in (match.ours, match.theirs)
        if item is not None
    }
    taken = in_turn(tuple(contestants.values()), rounds or workshop.pairs, warm_up=warm_up)
    return tuple(
        Comparison(
            work=match.work,
            ours=_side(workshop, "lading", match.ours, taken),
            theirs=_side(workshop, match.tool, match.theirs, taken) if match.theirs else None,
        )
        for match in matches
    )


def _side(
    workshop: Workshop,
    tool: str,
    contestant: Contestant,
    taken: Mapping[str, tuple[Measurement, ...]],
) -> Side:
    return Side(tool=tool, command=workshop.shown(contestant.argv), runs=taken[contestant.name])
