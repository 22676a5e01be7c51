"""What the measurements say: medians, ratios pair by pair, and how they are written."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

__all__ = ["DASH", "Ratio", "pairwise", "render_bytes", "render_ratio", "render_seconds"]

DASH = "\N{EN DASH}"
"""Stands where there is no figure."""

KILO = 1000
MANY = 10
UNITS = ("B", "kB", "MB", "GB", "TB")


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times one figure is another, over several pairs."""

    median: float
    least: float
    most: float


def pairwise(dividends: Sequence[float], divisors: Sequence[float]) -> Ratio | None:
    """The ratio of each pair, summed up; None where there is no pair, or nothing to divide by."""
    ratios = [above / below for above, below in zip(dividends, divisors, strict=False) if below > 0]
    return Ratio(median(ratios), min(ratios), max(ratios)) if ratios else None


def render_ratio(ratio: Ratio | None, *, spread: bool = True) -> str:
    """The median, then the least and the most; a dash where there is no ratio."""
    if ratio is None:
        return DASH
    text = _three_digits(ratio.median)
    if not spread:
        return text
    return f"{text} ({_three_digits(ratio.least)}{DASH}{_three_digits(ratio.most)})"


def _three_digits(value: float) -> str:
    return f"{value:.2f}" if value < MANY else f"{value:.1f}"


def render_seconds(seconds: float) -> str:
    """`0.123 s`, `1.23 s`, `12.3 s`."""
    if seconds < 1:
        return f"{seconds:.3f} s"
    return f"{_three_digits(seconds)} s"


def render_bytes(size: float) -> str:
    """`123 B`, `1.23 MB`, `12.3 MB`, `123 MB`: decimal units."""
    unit = 0
    while size >= KILO and unit < len(UNITS) - 1:
        size /= KILO
        unit += 1
    digits = 0 if unit == 0 or size >= MANY * MANY else 1 if size >= MANY else 2
    return f"{size:.{digits}f} {UNITS[unit]}"
