"""What depends on what, and why a package is there: questions to the graph of a lock.

A node is a name, an edge leads from a package to a dependency. Roots are the names asked for.
"""

# ruff: noqa: PLC0415  # networkx is slow to load, and few commands ask

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lading.graph.dependencies import reachable

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyGraph:
    """The dependencies among named packages.

    Attributes:
        dependencies: Name → names of the same mapping.
        roots: Names that were asked for.
    """

    dependencies: Mapping[str, frozenset[str]]
    roots: frozenset[str]

    @classmethod
    def of(
        cls, dependencies: Mapping[str, Iterable[str]], roots: Iterable[str]
    ) -> "DependencyGraph":
        """The graph of `dependencies`; names that are not keys are left out."""
        names = dependencies.keys()
        return cls(
            dependencies={name: frozenset(others) & names for name, others in dependencies.items()},
            roots=frozenset(roots) & names,
        )

    def dependents(self) -> Mapping[str, frozenset[str]]:
        """Name → the names that depend on it."""
        found: dict[str, set[str]] = {name: set() for name in self.dependencies}
        for name, others in self.dependencies.items():
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
        """Groups of names that depend on each other; the groups and their names are sorted."""
        import networkx as nx

        groups = nx.strongly_connected_components(self._graph())
        return tuple(
            sorted(
                tuple(sorted(group))
                for group in groups
                if len(group) > 1 or any(name in self.dependencies[name] for name in group)
            )
        )

    def leaving_without(self, root: str) -> tuple[str, ...]:
        """What would leave if `root` was not asked for any more; sorted.

        Empty where something else needs `root`: then it stays, and all that it needs.
        """
        without = reachable(self.dependencies, self.roots - {root})
        return tuple(sorted(reachable(self.dependencies, self.roots) - without))

    def around(self, names: Sequence[str]) -> "DependencyGraph":
        """The part of the graph that leads to `names` or that they depend on."""
        if not names:
            return self
        kept = reachable(self.dependencies, names) | reachable(self.dependents(), names)
        return DependencyGraph.of({name: self.dependencies[name] for name in kept}, self.roots)

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
        graph.add_nodes_from(sorted(self.dependencies))
        graph.add_edges_from(
            (name, other)
            for name in sorted(self.dependencies)
            for other in sorted(self.dependencies[name])
        )
        return graph
