"""The dependency graph (networkx)."""

from typing import TYPE_CHECKING

from lading.lazy import lazy_exports

if TYPE_CHECKING:
    from lading.graph.dependencies import (
        dependencies_of as dependencies_of,
        reachable as reachable,
        topological_order as topological_order,
    )
    from lading.graph.dependency_graph import DependencyGraph as DependencyGraph
else:
    __getattr__, __dir__ = lazy_exports(__name__)
