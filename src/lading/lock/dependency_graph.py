"""The graph of needs of a lock.

A conda package is known by its name, a pip package as `pip:NAME`; a pip package may need a conda
package, found through the table of PyPI and conda names.
"""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from packaging.utils import canonicalize_name

from lading.conda import is_virtual
from lading.errors import SpecError
from lading.graph import DependencyGraph
from lading.lock.model import LockedPackage, Lockfile, Manager
from lading.lock.sources import MAPPING
from lading.lock.wanted import FOREIGN, Requested, parse_requirement, read_requested

__all__ = ["LockGraph", "lock_graph", "node_of"]


class LockGraph:
    """A lock and its graph.

    Attributes:
        needs: The graph; its roots are what the sources ask for, or, where these are not at hand,
            what nothing else needs.
        packages: Node → package.
        specs: Node → the lines of the sources that ask for it.
        is_asked: Whether the sources were at hand.
    """

    def __init__(self, lock: Lockfile, wanted: Requested | None) -> None:
        """The graph of `lock`; `wanted` is what its sources ask for, or None."""
        self.packages = {node_of(item): item for item in lock.packages}
        self.is_asked = wanted is not None
        self.specs: dict[str, tuple[str, ...]] = {}
        needs = {
            node: [found for name in item.dependencies for found in self._targets(item, name)]
            for node, item in self.packages.items()
        }
        for node, text in _lines(wanted):
            self.specs[node] = (*self.specs.get(node, ()), text)
        roots: set[str] = set(self.specs)
        if wanted is None:
            needed = {other for others in needs.values() for other in others}
            roots = set(needs) - needed
        self.needs = DependencyGraph.of(needs, roots)

    def find(self, name: str) -> str:
        """The node that a user calls `name`.

        Raises:
            SpecError: There is none.
        """
        for node in (name, name.lower(), f"pip:{canonicalize_name(name)}"):
            if node in self.packages:
                return node
        raise SpecError(
            f"{name} is not locked", hint="name a package of the lock; `lading tree` shows all"
        )

    def constraint(self, node: str, other: str) -> str:
        """What the package `node` asks of `other`: a version query, may be empty."""
        names = {_plain(other), *(_pypi_names(other))}
        for name, query in self.packages[node].dependencies.items():
            if name == other or canonicalize_name(name) in names:
                return query
        return ""

    def _targets(self, item: LockedPackage, name: str) -> list[str]:
        if item.manager is Manager.CONDA:
            return [] if is_virtual(name) else [name]
        normal = canonicalize_name(name)
        if f"pip:{normal}" in self.packages:
            return [f"pip:{normal}"]
        return [found for found in (_conda_name(normal), normal) if found in self.packages][:1]


def lock_graph(lock: Lockfile, directory: Path) -> LockGraph:
    """The graph of `lock`, which lies in `directory`; its sources are read where they are there."""
    sources = [(directory / source).resolve() for source in lock.sources]
    return LockGraph(lock, _wanted(sources, lock))


def node_of(item: LockedPackage) -> str:
    """The name of a package in the graph."""
    return f"pip:{canonicalize_name(item.name)}" if item.manager is Manager.PIP else item.name


def _wanted(sources: Sequence[Path], lock: Lockfile) -> Requested | None:
    if not sources or any(path.name in FOREIGN or not path.is_file() for path in sources):
        return None
    try:
        return read_requested(sources, lock.platform)
    except SpecError:
        return None


def _lines(wanted: Requested | None) -> list[tuple[str, str]]:
    """(node, line) of all that is asked for."""
    if wanted is None:
        return []
    lines: list[tuple[str, str]] = [(spec.name, spec.text) for spec in wanted.specs]
    lines += [
        (f"pip:{canonicalize_name(parse_requirement(line).name)}", line) for line in wanted.pip
    ]
    return lines


def _plain(node: str) -> str:
    return canonicalize_name(node.removeprefix("pip:"))


@cache
def _tables() -> tuple[dict[str, str], dict[str, str]]:
    """PyPI name → conda name, and the reverse."""
    table = json.loads(MAPPING.read_bytes())
    forward: dict[str, str] = {
        canonicalize_name(name): str(entry["conda_name"]) for name, entry in table.items()
    }
    return forward, {conda: name for name, conda in forward.items()}


def _conda_name(normal: str) -> str:
    return _tables()[0].get(normal, normal)


def _pypi_names(node: str) -> list[str]:
    name = _tables()[1].get(node)
    return [name] if name else []
