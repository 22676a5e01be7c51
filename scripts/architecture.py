"""The picture of the packages, drawn from the imports in the code.

An arrow means "imports". What follows from other arrows is left out, and so are the modules that
everything may use (`errors`, `lazy`, `version`).
A package stands above all that it imports.
"""

import ast
import textwrap
from html import escape
from pathlib import Path

import networkx as nx

__all__ = ["read_imports", "render_picture"]

CORE = {"system", "net", "conda", "format", "node", "verify"}
"""What a core installation runs, besides the commands for it."""

BOX_WIDTH, BOX_HEIGHT, ROW, WIDTH = 216, 70, 112, 960
LINE = 36
"""Characters of a description that fit on one line of a box."""

STYLE = """
    .core { fill: #dafbe1; stroke: #1a7f37; }
    .build { fill: #ddf4ff; stroke: #0969da; }
    rect { stroke-width: 1.5; }
    text { fill: #1f2328; font-size: 11px; text-anchor: middle; }
    .name { font: 600 14px ui-monospace, Menlo, Consolas, monospace; }
    .arrow { stroke: #8b949e; stroke-width: 1.2; fill: none; marker-end: url(#head); }
    .head { fill: #8b949e; }
    @media (prefers-color-scheme: dark) {
      .core { fill: #0f2d1a; stroke: #3fb950; }
      .build { fill: #0c2d4d; stroke: #58a6ff; }
      text { fill: #e6edf3; }
    }
"""


def read_imports(source: Path) -> nx.DiGraph:
    """Which package of `source` (the directory of `lading`) imports which."""
    packages = {path.parent.name for path in source.glob("*/__init__.py")} | {"config"}
    graph = nx.DiGraph()
    graph.add_nodes_from(sorted(packages))
    for path in sorted(source.rglob("*.py")):
        own = path.relative_to(source).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lading."):
                other = (node.module or "").split(".")[1]
                if {own, other} <= packages and own != other:
                    graph.add_edge(own, other)
    return graph


def render_picture(source: Path) -> str:
    """The SVG of the packages of `source`.

    Raises:
        networkx.NetworkXUnfeasible: Packages import each other in a circle.
    """
    graph = read_imports(source)
    reduced = nx.transitive_reduction(graph)
    rows = [sorted(row) for row in nx.topological_generations(reduced.reverse())][::-1]
    places = _places(rows, reduced)
    height = len(rows) * ROW + 8
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
            ' aria-labelledby="title" font-family="system-ui, Helvetica, Arial, sans-serif">'
        ),
        '  <title id="title">The packages of lading and what they import</title>',
        f"  <style>{STYLE}  </style>",
        (
            '  <defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7"'
            ' markerHeight="7" orient="auto"><path class="head" d="M0 0 10 5 0 10z"/>'
            "</marker></defs>"
        ),
    ]
    for upper, lower in sorted(reduced.edges):
        (x1, y1), (x2, y2) = places[upper], places[lower]
        lines.append(
            f'  <path class="arrow" d="M{x1} {y1 + BOX_HEIGHT} C{x1} {y1 + BOX_HEIGHT + 30}'
            f' {x2} {y2 - 30} {x2} {y2 - 2}"/>'
        )
    for name, (x, y) in sorted(places.items()):
        lines += _box(name, x, y, _summary(source, name))
    return "\n".join([*lines, "</svg>"]) + "\n"


def _places(rows: list[list[str]], graph: nx.DiGraph) -> dict[str, tuple[int, int]]:
    """Name → middle and top of its box, each below what imports it."""
    places: dict[str, tuple[int, int]] = {}
    for number, row in enumerate(rows):

        def wish(name: str) -> float:
            above = [places[upper][0] for upper in graph.predecessors(name)]
            return sum(above) / len(above) if above else WIDTH / 2

        ordered = sorted(row, key=lambda name: (wish(name), name))
        step = WIDTH / len(ordered)
        for index, name in enumerate(ordered):
            places[name] = (round(step * (index + 0.5)), 8 + number * ROW)
    return places


def _summary(source: Path, name: str) -> str:
    path = source / name / "__init__.py"
    text = (path if path.exists() else source / f"{name}.py").read_text("utf-8")
    return (ast.get_docstring(ast.parse(text)) or "").splitlines()[0].rstrip(".")


def _box(name: str, x: int, y: int, summary: str) -> list[str]:
    first, second, third = [*textwrap.wrap(summary, LINE), "", "", ""][:3]
    side = "core" if name in CORE else "build"
    left = x - BOX_WIDTH // 2
    return [
        (
            f'  <rect class="{side}" x="{left}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}"'
            ' rx="7"/>'
        ),
        f'  <text class="name" x="{x}" y="{y + 19}">{name}</text>',
        f'  <text x="{x}" y="{y + 34}">{escape(first)}</text>',
        f'  <text x="{x}" y="{y + 47}">{escape(second)}</text>',
        f'  <text x="{x}" y="{y + 60}">{escape(third)}</text>',
    ]
