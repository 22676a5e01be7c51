"""The dependency graph of a set of records: in which order they are installed.

Edges are names: that versions fit is the solver's business.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Set as AbstractSet
from graphlib import CycleError, TopologicalSorter

from lading.conda import PackageName, RepodataRecord, dependency_name

# noarch packages are linked below the site-packages of a Python that is already there.
FIRST = "python"


def dependencies_of(records: Iterable[RepodataRecord]) -> dict[str, frozenset[str]]:
    """Name of each record → the names that it depends on, whether a record has them or not."""
    return {
        str(record.name): frozenset(dependency_name(text) for text in record.depends)
        for record in records
    }


def reachable(dependencies: Mapping[str, Iterable[str]], roots: Iterable[str]) -> frozenset[str]:
    """The keys of `dependencies` that `roots` need, directly or through others, roots included."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name in dependencies and name not in found:
            found.add(name)
            waiting.extend(dependencies[name])
    return frozenset(found)


def topological_order(records: Iterable[RepodataRecord]) -> tuple[RepodataRecord, ...]:
    """The records, dependencies first; among those that are ready, the smallest name first.

    The order depends on the set alone, not on the order it comes in. Packages that need each other,
    as `python` and `pip` may, stand in one group; there `python` comes first, else the smallest
    name, and the rest follows as if it did not depend on that one. Dependencies outside of the
    set, such as virtual packages, do not matter.
    """
    by_name = {record.name: record for record in records}
    dependencies = {
        name: others & by_name.keys() - {name}
        for name, others in dependencies_of(by_name.values()).items()
    }
    return tuple(by_name[PackageName(name)] for name in _order(dependencies))


def _order(dependencies: Mapping[str, AbstractSet[str]]) -> Iterator[str]:
    """The names in topological order, cycles cut; every dependency is a key too."""
    sorter = TopologicalSorter(dependencies)
    try:
        sorter.prepare()
    except CycleError:
        yield from _order_of_groups(dependencies)
        return
    ready: list[str] = []
    while sorter.is_active():
        for name in sorter.get_ready():
            heapq.heappush(ready, name)
        first = heapq.heappop(ready)
        yield first
        sorter.done(first)


def _order_of_groups(dependencies: Mapping[str, AbstractSet[str]]) -> Iterator[str]:
    """The same where some need each other."""
    import networkx as nx  # noqa: PLC0415  # 0.1 s, and most environments have no cycle

    # The stubs give nodes and edges attributes of any type.
    graph: nx.DiGraph[str] = nx.DiGraph(  # type: ignore[explicit-any]
        [(other, name) for name, others in dependencies.items() for other in others]
    )
    graph.add_nodes_from(dependencies)
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
        yield from _order({name: dependencies[name] & rest for name in rest})
