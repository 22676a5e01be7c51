"""The dependency graph of a set of records: in which order they are installed.

Edges are names: that versions fit is the solver's business.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Set as AbstractSet
from graphlib import CycleError, TopologicalSorter

from lading.conda import PackageName, RepodataRecord, dependency_name

__all__ = ["topological_order"]

# noarch packages are linked below the site-packages of a Python that is already there.
FIRST = "python"


def topological_order(records: Iterable[RepodataRecord]) -> tuple[RepodataRecord, ...]:
    """The records, dependencies first; among those that are ready, the smallest name first.

    The order depends on the set alone, not on the order it comes in. Packages that need each other,
    as `python` and `pip` may, stand in one group; there `python` comes first, else the smallest
    name, and the rest follows as if nothing had been needed by it. Dependencies outside of the
    set, such as virtual packages, do not matter.

    Args:
        records: Names unique.
    """
    by_name = {record.name: record for record in records}
    needed = {
        str(name): {dependency_name(text) for text in record.depends} & by_name.keys() - {name}
        for name, record in by_name.items()
    }
    return tuple(by_name[PackageName(name)] for name in _order(needed))


def _order(needed: Mapping[str, AbstractSet[str]]) -> Iterator[str]:
    """The names in topological order, cycles cut; `needed` is name → names of the same mapping."""
    sorter = TopologicalSorter(needed)
    try:
        sorter.prepare()
    except CycleError:
        yield from _order_of_groups(needed)
        return
    ready: list[str] = []
    while sorter.is_active():
        for name in sorter.get_ready():
            heapq.heappush(ready, name)
        first = heapq.heappop(ready)
        yield first
        sorter.done(first)


def _order_of_groups(needed: Mapping[str, AbstractSet[str]]) -> Iterator[str]:
    """The same where some need each other."""
    import networkx as nx  # noqa: PLC0415  # 0.1 s, and most environments have no cycle

    # The stubs give nodes and edges attributes of any type.
    graph: nx.DiGraph[str] = nx.DiGraph(  # type: ignore[explicit-any]
        [(other, name) for name, others in needed.items() for other in others]
    )
    graph.add_nodes_from(needed)
    condensed = nx.condensation(graph)
    members: dict[int, list[str]] = {
        group: sorted(condensed.nodes[group]["members"]) for group in condensed
    }
    for group in nx.lexicographical_topological_sort(condensed, key=lambda key: members[key]):
        names = members[group]
        if len(names) == 1:
            yield names[0]
            continue
        first = FIRST if FIRST in names else names[0]
        rest = set(names) - {first}
        yield first
        yield from _order({name: needed[name] & rest for name in rest})
