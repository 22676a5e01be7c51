"""What needs what, and why something is there: questions to the graph of a lock.

A node is a name, an edge goes from who needs to what is needed. A root is what somebody asked for.
"""

# ruff: noqa: PLC0415  # networkx is slow to load, and few commands ask

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["DependencyGraph"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyGraph:
    """A graph of needs.

    Attributes:
        needs: Name → names of the same mapping.
        roots: Names that were asked for.
    """

    needs: Mapping[str, frozenset[str]]
    roots: frozenset[str]

    @classmethod
    def of(cls, needs: Mapping[str, Iterable[str]], roots: Iterable[str]) -> "DependencyGraph":
        """The graph of `needs`; names that are no keys are left out."""
        return cls(
            needs={name: frozenset(others) & needs.keys() for name, others in needs.items()},
            roots=frozenset(roots) & needs.keys(),
        )

    def needed_by(self) -> Mapping[str, frozenset[str]]:
        """Name → who needs it."""
        found: dict[str, set[str]] = {name: set() for name in self.needs}
        for name, others in self.needs.items():
            for other in others:
                found[other].add(name)
        return {name: frozenset(others) for name, others in found.items()}

    def shortest_chains(self, name: str) -> tuple[tuple[str, ...], ...]:
        """Every shortest chain to `name`, from each root that leads there.

        Returns:
            Sorted by length, then by names; each begins with a root and ends with `name`. A chain
            goes through no other root: what is asked for needs no further reason.
        """
        import networkx as nx

        chains: list[tuple[str, ...]] = []
        for root in sorted(self.roots):
            graph = self._graph()
            graph.remove_nodes_from(self.roots - {root, name})
            if root == name:
                chains.append((root,))
            elif nx.has_path(graph, root, name):
                chains += [tuple(path) for path in nx.all_shortest_paths(graph, root, name)]
        return tuple(sorted(chains, key=lambda chain: (len(chain), chain)))

    def cycles(self) -> tuple[tuple[str, ...], ...]:
        """Groups of names that need each other; each sorted, and they among themselves."""
        import networkx as nx

        groups = nx.strongly_connected_components(self._graph())
        return tuple(
            sorted(
                tuple(sorted(group))
                for group in groups
                if len(group) > 1 or any(name in self.needs[name] for name in group)
            )
        )

    def reachable(self, roots: Iterable[str]) -> frozenset[str]:
        """All that `roots` need, themselves too."""
        found: set[str] = set()
        waiting = [name for name in roots if name in self.needs]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting.extend(self.needs[name])
        return frozenset(found)

    def leaving_without(self, root: str) -> tuple[str, ...]:
        """What would leave if `root` was asked for no more; sorted, without what nobody asks for.

        Empty where something else needs `root`, for then it stays, and all that it needs.
        """
        return tuple(sorted(self.reachable(self.roots) - self.reachable(self.roots - {root})))

    def around(self, names: Sequence[str]) -> "DependencyGraph":
        """The part of the graph that leads to `names` or that they need."""
        if not names:
            return self
        backwards = DependencyGraph(needs=self.needed_by(), roots=frozenset())
        kept = self.reachable(names) | backwards.reachable(names)
        return DependencyGraph.of({name: self.needs[name] for name in kept}, self.roots)

    def depths(self) -> Mapping[str, int]:
        """Name → the longest way to it, cycles taken as one; for drawing it in layers."""
        import networkx as nx

        condensed = nx.condensation(self._graph())
        depth: dict[int, int] = {}
        for group in nx.topological_sort(condensed):
            before = [depth[other] + 1 for other in condensed.predecessors(group)]
            depth[group] = max(before, default=0)
        return {
            name: depth[group] for group in condensed for name in condensed.nodes[group]["members"]
        }

    def _graph(self) -> "nx.DiGraph[str]":  # type: ignore[explicit-any]  # the stubs' attributes
        import networkx as nx

        # Sorted: what networkx answers may depend on the order in which it was told.
        graph: nx.DiGraph[str] = nx.DiGraph()  # type: ignore[explicit-any]
        graph.add_nodes_from(sorted(self.needs))
        graph.add_edges_from(
            (name, other) for name in sorted(self.needs) for other in sorted(self.needs[name])
        )
        return graph
