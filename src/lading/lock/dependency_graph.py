"""The dependency graph of a lock.

A conda package is known by its name, a pip package as `pip:NAME`; a pip package may depend on a
conda package, which is found through the table of PyPI and conda names.
"""

from collections.abc import Iterator
from pathlib import Path

from packaging.utils import canonicalize_name

from lading.conda import is_virtual
from lading.errors import SpecError
from lading.graph import DependencyGraph
from lading.lock.environment_file import EnvironmentFile
from lading.lock.model import LockedPackage, Lockfile, Manager
from lading.lock.requested import Requested, conda_names_of_pypi, read_sources
from lading.lock.requirement import requirement_name
from lading.system import nearest


class LockGraph:
    """A lock and its graph.

    Attributes:
        graph: The dependencies; its roots are what the sources ask for, or, where these are not at
            hand, what no other package depends on.
        packages: Node → package.
        specs: Node → the lines of the sources that ask for it.
    """

    def __init__(self, lock: Lockfile, requested: Requested | None) -> None:
        """The graph of `lock`; `requested` is what its sources ask for, where they are at hand."""
        self.lock = lock
        self.packages = {node_of(item): item for item in lock.packages}
        self.specs: dict[str, tuple[str, ...]] = {}
        self._normal = {canonicalize_name(item.name): item.name for item in lock.conda}
        dependencies = {
            node: [found for name in item.dependencies if (found := self.target(item, name))]
            for node, item in self.packages.items()
        }
        for node, text in asked_lines(requested) if requested is not None else ():
            self.specs[node] = (*self.specs.get(node, ()), text)
        roots = set(self.specs)
        if requested is None:
            roots = dependencies.keys() - {
                name for names in dependencies.values() for name in names
            }
        self.graph = DependencyGraph.of(dependencies, roots)

    def find(self, name: str) -> str:
        """The node that a user calls `name`; the name itself of a virtual package.

        Raises:
            SpecError: There is none.
        """
        if is_virtual(name) and (name in self.lock.virtual_packages or self.requiring(name)):
            return name
        for node in (name, name.lower(), f"pip:{canonicalize_name(name)}"):
            if node in self.packages:
                return node
        hint = "name a package of the lock; `lading tree` shows all"
        for near in nearest(name, self.packages):
            hint = f"did you mean {near}? If not, {hint}"
        raise SpecError(f"{name} is not locked", hint=hint)

    def requiring(self, virtual: str) -> dict[str, str]:
        """Node → version query, of each package that requires the virtual package `virtual`."""
        return {
            node: item.dependencies[virtual]
            for node, item in sorted(self.packages.items())
            if virtual in item.dependencies
        }

    def target(self, item: LockedPackage, name: str) -> str:
        """The node that `item` means by its dependency `name`; empty where nothing is locked."""
        if item.manager is Manager.CONDA:
            return name if name in self.packages and not is_virtual(name) else ""
        normal = canonicalize_name(name)
        if f"pip:{normal}" in self.packages:
            return f"pip:{normal}"
        conda = conda_names_of_pypi().get(normal, normal)
        return conda if conda in self.packages else self._normal.get(normal, "")

    def constraint(self, node: str, other: str) -> str:
        """What the package `node` asks of `other`: a version query, may be empty."""
        item = self.packages[node]
        asked = (
            query for name, query in item.dependencies.items() if self.target(item, name) == other
        )
        return next(asked, "")


def lock_graph(lock: Lockfile, directory: Path) -> LockGraph:
    """The graph of `lock`, which lies in `directory`; its sources are read if they are there."""
    paths = [(directory / source).resolve() for source in lock.sources]
    try:
        sources = read_sources(paths)
        known = None
        if paths and sources.are_understood:
            known = sources.of_categories(lock.chosen).on(lock.platform)
    except SpecError:
        known = None
    return LockGraph(lock, known)


def node_of(item: LockedPackage) -> str:
    """The name of a package in the graph."""
    return f"pip:{canonicalize_name(item.name)}" if item.manager is Manager.PIP else item.name


def asked_lines(asked: Requested | EnvironmentFile) -> Iterator[tuple[str, str]]:
    """(node, line) of all that is asked for."""
    yield from ((spec.name, spec.text) for spec in asked.specs)
    yield from ((f"pip:{requirement_name(line)}", line) for line in asked.pip)
    yield from ((f"pip:{item.name}", item.written) for item in asked.own)
