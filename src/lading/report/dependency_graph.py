"""What needs what: chains, trees, and drawings that need nothing else."""

import html
import itertools
from collections.abc import Iterator, Mapping

from lading.lock import LockGraph
from lading.report.document import Answer, render_json

SHOWN_CHAINS = 30
WIDTH, HEIGHT, GAP, COLUMN = 190, 20, 6, 260


def render_why(graph: LockGraph, node: str) -> Answer:
    """Every shortest chain to `node`, one a line, then what it is a cycle with, and what leaves.

    Of a virtual package: what the lock targets, and each package that requires it.
    """
    if node not in graph.packages:
        return _why_virtual(graph, node)
    chains = graph.graph.shortest_chains(node)
    package = graph.packages[node]
    lines = [f"{node} {package.version} {package.build}".rstrip()]
    lines += [f"  asked for: {text}" for text in graph.specs.get(node, ())]
    shown = [chain for chain in chains if len(chain) > 1]
    lines += [f"  {_chain(graph, chain)}" for chain in shown[:SHOWN_CHAINS]]
    if len(shown) > SHOWN_CHAINS:
        lines.append(f"  and {len(shown) - SHOWN_CHAINS} more; --json lists all")
    if not chains:
        lines.append("  nothing asks for it")
    cycles = [cycle for cycle in graph.graph.cycles() if node in cycle]
    lines += [f"  needs itself through: {', '.join(cycle)}" for cycle in cycles]
    leaves = {}
    for root in sorted({chain[0] for chain in chains}):
        leaving = graph.graph.leaving_without(root)
        if node in leaving:
            leaves[root] = leaving
            rest = f", with {len(leaving) - 1} others" if len(leaving) > 1 else ""
            lines.append(f"  would leave if {root} was not asked for{rest}")
    return Answer(
        "\n".join(lines) + "\n",
        "why/1",
        package=node,
        version=package.version,
        build=package.build,
        asked_for=list(graph.specs.get(node, ())),
        chains=chains,
        cycles=cycles,
        leaves_with=leaves,
    )


def _why_virtual(graph: LockGraph, name: str) -> Answer:
    target = graph.lock.virtual_packages.get(name)
    lines = [f"{name}: the lock targets {target or 'none'}"]
    for node, query in graph.requiring(name).items():
        package = graph.packages[node]
        lines.append(f"  {node} {package.version} requires {name} {query}".rstrip())
        lines += [f"    {_chain(graph, chain)}" for chain in graph.graph.shortest_chains(node)[:1]]
    if len(lines) == 1:
        lines.append("  no package requires it")
    return Answer(
        "\n".join(lines) + "\n",
        "why/1",
        package=name,
        version=graph.lock.virtual_packages.get(name, ""),
        required_by=graph.requiring(name),
    )


def _chain(graph: LockGraph, chain: tuple[str, ...]) -> str:
    words = [graph.specs.get(chain[0], (chain[0],))[0]]
    for before, after in itertools.pairwise(chain):
        words.append(f"{after} {graph.constraint(before, after)}".strip())
    return " -> ".join(words)


def render_tree(graph: LockGraph, roots: list[str], depth: int, *, reverse: bool) -> str:
    """A tree below each of `roots`; what was shown already is marked with `*` and not shown again.

    It goes `depth` steps down, at least 0; with `reverse`, to who needs a package instead of what
    it needs.
    """
    edges = graph.graph.dependents() if reverse else graph.graph.dependencies
    seen: set[str] = set()
    lines: list[str] = []
    for root in roots:
        lines += _branch(graph, edges, root, "", "", depth, seen)
    return "\n".join(lines) + "\n"


def _branch(  # noqa: PLR0913, PLR0917  # a recursion carries its state
    graph: LockGraph,
    edges: Mapping[str, frozenset[str]],
    node: str,
    first: str,
    rest: str,
    depth: int,
    seen: set[str],
) -> Iterator[str]:
    children = sorted(edges[node])
    again = node in seen and bool(children)
    asked = " (asked for)" if node in graph.specs and first else ""
    yield f"{first}{node} {graph.packages[node].version}{asked}{' *' if again else ''}"
    if again or depth == 0:
        return
    seen.add(node)
    for number, child in enumerate(children):
        last = number == len(children) - 1
        corner, line = ("└── ", "    ") if last else ("├── ", "│   ")
        yield from _branch(graph, edges, child, rest + corner, rest + line, depth - 1, seen)


def render_dot(graph: LockGraph) -> str:
    """The graph for Graphviz."""
    lines = ["digraph lock {", "  rankdir=LR;", "  node [shape=box];"]
    for node in sorted(graph.graph.dependencies):
        bold = ", style=bold" if node in graph.graph.roots else ""
        lines.append(f'  "{node}" [label="{node} {graph.packages[node].version}"{bold}];')
    for node in sorted(graph.graph.dependencies):
        lines += [f'  "{node}" -> "{other}";' for other in sorted(graph.graph.dependencies[node])]
    return "\n".join([*lines, "}"]) + "\n"


def render_graph_json(graph: LockGraph) -> str:
    """The graph as a JSON document."""
    return render_json(
        "graph/1",
        nodes=[
            {
                "name": node,
                "version": graph.packages[node].version,
                "build": graph.packages[node].build,
                "manager": graph.packages[node].manager,
                "asked_for": node in graph.graph.roots,
                "needs": sorted(graph.graph.dependencies[node]),
            }
            for node in sorted(graph.graph.dependencies)
        ],
        cycles=graph.graph.cycles(),
    )


def render_svg(graph: LockGraph) -> str:
    """The graph as a drawing in layers: no script, no font, nothing from elsewhere."""
    layers: dict[int, list[str]] = {}
    for node, depth in sorted(graph.graph.depths().items()):
        layers.setdefault(depth, []).append(node)
    place = {
        node: (20 + depth * COLUMN, 20 + row * (HEIGHT + GAP))
        for depth, nodes in layers.items()
        for row, node in enumerate(nodes)
    }
    width = 40 + max(layers, default=0) * COLUMN + WIDTH
    height = 40 + max(map(len, layers.values()), default=1) * (HEIGHT + GAP)
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
            f' width="{width}" height="{height}" font-family="sans-serif" font-size="11">'
        ),
        (
            "<style>path{fill:none;stroke:#999;stroke-opacity:.5}rect{fill:#fff;stroke:#456}"
            ".asked rect{fill:#dcecff;stroke-width:2}</style>"
        ),
    ]
    lines += [
        _edge(place[node], place[other])
        for node in sorted(graph.graph.dependencies)
        for other in sorted(graph.graph.dependencies[node])
    ]
    lines += [_box(graph, node, place[node]) for node in sorted(place)]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _edge(start: tuple[int, int], end: tuple[int, int]) -> str:
    left, top = start[0] + WIDTH, start[1] + HEIGHT // 2
    right, bottom = end[0], end[1] + HEIGHT // 2
    bend = max(40, abs(right - left) // 2)
    return f'<path d="M{left} {top}C{left + bend} {top} {right - bend} {bottom} {right} {bottom}"/>'


def _box(graph: LockGraph, node: str, place: tuple[int, int]) -> str:
    package = graph.packages[node]
    name = html.escape(f"{node} {package.version}")
    needs = html.escape(", ".join(sorted(graph.graph.dependencies[node])) or "nothing")
    kind = ' class="asked"' if node in graph.graph.roots else ""
    return (
        f"<g{kind}><title>{name} {html.escape(package.build)}\nneeds {needs}</title>"
        f'<rect x="{place[0]}" y="{place[1]}" width="{WIDTH}" height="{HEIGHT}" rx="3"/>'
        f'<text x="{place[0] + 5}" y="{place[1] + 14}">{name[:34]}</text></g>'
    )
