"""The picture of growth: a self-contained SVG, readable in light and in dark."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from statistics import median

from bench.figures import render_bytes
from bench.markdown import render_amount
from bench.report import Growth

__all__ = ["Panel", "render_chart", "ticks"]

WIDTH, HEIGHT = 360, 220
LEFT, TOP, RIGHT, BOTTOM = 62, 34, 20, 34
STYLE = """
  .text { fill: #24292f; font: 12px system-ui, 'Segoe UI', Helvetica, Arial, sans-serif; }
  .small { font-size: 11px; }
  .head { font-weight: 600; }
  .grid { stroke: #d0d7de; }
  .pack { stroke: #0969da; fill: #0969da; }
  .unpack { stroke: #bc4c00; fill: #bc4c00; }
  .line { fill: none; stroke-width: 2; }
  @media (prefers-color-scheme: dark) {
    .text { fill: #c9d1d9; }
    .grid { stroke: #444c56; }
    .pack { stroke: #58a6ff; fill: #58a6ff; }
    .unpack { stroke: #f0883e; fill: #f0883e; }
    .line { fill: none; }
  }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One diagram, both axes logarithmic.

    Attributes:
        title: What it shows.
        unit: Of the amounts.
        seconds: Whether values are seconds; else they are bytes.
        lines: Class → (amount, value), ascending.
    """

    title: str
    unit: str
    seconds: bool
    lines: dict[str, tuple[tuple[float, float], ...]]


def render_chart(growths: Sequence[Growth]) -> str:
    """Time and peak memory over the amount, one row of panels for each unit."""
    panels = [
        panel
        for unit in dict.fromkeys(item.unit for item in growths)
        for panel in _panels([item for item in growths if item.unit == unit], unit)
    ]
    rows = (len(panels) + 1) // 2
    width, height = 2 * WIDTH, rows * HEIGHT + 24
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
            ' aria-labelledby="title">'
        ),
        '  <title id="title">Time and peak memory of lading pack and lading unpack</title>',
        f"  <style>{STYLE}  </style>",
    ]
    for number, panel in enumerate(panels):
        x, y = number % 2 * WIDTH, number // 2 * HEIGHT
        parts += [f'  <g transform="translate({x} {y})">', *_panel(panel), "  </g>"]
    for number, name in enumerate(dict.fromkeys(item.work for item in growths)):
        x, y = LEFT + 90 * number, height - 10
        parts.append(f'  <circle class="{name}" cx="{x}" cy="{y - 4}" r="4"/>')
        parts.append(f'  <text class="text" x="{x + 9}" y="{y}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _panels(growths: Sequence[Growth], unit: str) -> Iterable[Panel]:
    for title, seconds in (("time", True), ("peak memory", False)):
        lines = {
            item.work: tuple(
                (
                    float(point.amount),
                    median(run.wall if seconds else float(run.peak) for run in point.runs),
                )
                for point in item.points
            )
            for item in growths
        }
        yield Panel(title=f"{title}, by {unit}", unit=unit, seconds=seconds, lines=lines)


def ticks(least: float, most: float) -> tuple[float, ...]:
    """Powers of ten from at most `least` to at least `most`, two of them or more."""
    low = math.floor(math.log10(least))
    high = max(math.ceil(math.log10(most)), low + 1)
    return tuple(10.0**power for power in range(low, high + 1))


def _panel(panel: Panel) -> Iterable[str]:
    points = [point for line in panel.lines.values() for point in line]
    across = [amount for amount, _ in points]
    up = ticks(min(value for _, value in points), max(value for _, value in points))

    def x(amount: float) -> float:
        return LEFT + _share(amount, min(across), max(across)) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - _share(value, up[0], up[-1]) * (HEIGHT - TOP - BOTTOM)

    yield f'    <text class="text head" x="{LEFT}" y="18">{escape(panel.title)}</text>'
    for value in up:
        label = f"{value:g} s" if panel.seconds else render_bytes(value)
        yield (
            f'    <line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}"'
            f' y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
        )
        yield _text(re.sub(r"\.0+ ", " ", label), LEFT - 6, y(value) + 4, "end")
    for amount in sorted(set(across)):
        label = render_amount(int(amount), panel.unit).removesuffix(f" {panel.unit}")
        yield _text(re.sub(r"\.0+ ", " ", label), x(amount), HEIGHT - BOTTOM + 18, "middle")
    for name, line in panel.lines.items():
        path = " ".join(f"{x(amount):.1f},{y(value):.1f}" for amount, value in line)
        yield f'    <polyline class="{name} line" points="{path}"/>'
        for amount, value in line:
            yield f'    <circle class="{name}" cx="{x(amount):.1f}" cy="{y(value):.1f}" r="3.5"/>'


def _text(label: str, x: float, y: float, anchor: str) -> str:
    return (
        f'    <text class="text small" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
        f"{escape(label)}</text>"
    )


def _share(value: float, least: float, most: float) -> float:
    """Where `value` lies between the two, from 0 to 1, logarithmically."""
    if most <= least:
        return 0.5
    return math.log(value / least) / math.log(most / least)
