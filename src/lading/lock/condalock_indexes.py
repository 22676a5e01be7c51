"""Package indexes for conda-lock's Poetry: in order, and the first that has a name counts.

Poetry takes the newest version of all its indexes, so that a private name that somebody uploads to
a public index is installed from there. Here each name has one home, as with uv: the index that the
settings give it, else the first that has it. Constraints and prereleases are looked after here too.

Source: uv, "index strategies" (first-index, explicit); conda-lock 4.0.3 `pypi_solver.py`.
"""

# ruff: noqa: PLC0415  # conda_lock is imported where it is used

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urldefrag

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lading.lock.exchange import FailedError, FailureKind, PackageIndex, PipSearch
from lading.system import sha256_of_file

if TYPE_CHECKING:
    from conda_lock._vendor.poetry.core.packages.dependency import Dependency
    from conda_lock._vendor.poetry.core.packages.package import Package
    from conda_lock._vendor.poetry.repositories.repository import Repository
    from conda_lock._vendor.poetry.repositories.repository_pool import RepositoryPool
    from conda_lock.interfaces.vendored_poetry import Link

PLAIN = PackageIndex(url="")


class Homes:
    """Knows which index a name comes from."""

    def __init__(
        self, repositories: "Sequence[Repository]", rules: Mapping[str, PackageIndex]
    ) -> None:
        """The homes among `repositories`, in order; `rules` are by the name of a repository."""
        self._repositories = repositories
        self._rules = rules
        self._found: dict[str, Repository | None] = {}

    def of(self, name: str) -> "Repository | None":
        """The index of `name`; None where none has it."""
        from conda_lock._vendor.poetry.core.packages.dependency import Dependency

        if name not in self._found:
            everything = Dependency(name, "*", allows_prereleases=True)
            homes = (item for item in self._candidates(name) if item.find_packages(everything))
            self._found[name] = next(homes, None)
        return self._found[name]

    def _candidates(self, name: str) -> "Sequence[Repository]":
        rules = [(item, self._rules.get(item.name, PLAIN)) for item in self._repositories]
        given = [
            item
            for item, rule in rules
            if any(fnmatchcase(name, pattern) for pattern in rule.packages)
        ]
        return given or [item for item, rule in rules if not rule.is_explicit]


def search_in_order(search: PipSearch) -> None:
    """Let conda-lock's solver look where `search` says, in every pool that it makes from now on."""
    from conda_lock import pypi_solver

    make_pool = pypi_solver._prepare_repositories_pool  # noqa: SLF001

    def ordered(*arguments: object, **options: object) -> "RepositoryPool":
        found = make_pool(*arguments, **options).repositories
        return _pool(search, [*map(_links, search.find_links), *found])

    pypi_solver._prepare_repositories_pool = ordered  # noqa: SLF001
    # conda-lock's loses the place of a `file:` URL.
    strip = pypi_solver._get_stripped_url  # noqa: SLF001
    pypi_solver._get_stripped_url = lambda link: (  # noqa: SLF001
        urldefrag(link.url).url if link.url.startswith("file:") else strip(link)
    )


def _pool(search: PipSearch, repositories: "Sequence[Repository]") -> "RepositoryPool":
    from conda_lock._vendor.poetry.repositories.exceptions import PackageNotFoundError
    from conda_lock._vendor.poetry.repositories.repository_pool import RepositoryPool
    from conda_lock.models.pip_repository import PipRepository

    rules = {PipRepository.from_string(item.url).name: item for item in search.indexes}
    homes = Homes(repositories, rules)
    constraints: dict[str, list[Requirement]] = {}
    for text in search.constraints:
        constraint = Requirement(text)
        constraints.setdefault(canonicalize_name(constraint.name), []).append(constraint)

    class OrderedPool(RepositoryPool):  # type: ignore[misc]  # Poetry is not typed here
        def find_packages(self, dependency: "Dependency") -> "list[Package]":
            home = homes.of(dependency.name)
            if search.prereleases:
                dependency._allows_prereleases = True  # noqa: SLF001
            found = home.find_packages(dependency) if home is not None else []
            wanted = [item.specifier for item in constraints.get(dependency.name, ())]
            return [
                item
                for item in found
                if all(it.contains(str(item.version), prereleases=True) for it in wanted)
            ]

        def package(
            self,
            name: str,
            version: object,
            extras: list[str] | None = None,
            repository_name: str | None = None,
        ) -> "Package":
            home = self.repository(repository_name) if repository_name else homes.of(name)
            if home is None:
                raise PackageNotFoundError(f"Package {name} ({version}) not found.")
            return home.package(name, version, extras=extras)

    return OrderedPool(list(repositories))


def _links(place: str) -> "Repository":
    """The wheels of a directory, or those that a page links to, as an index."""
    from conda_lock._vendor.poetry.repositories.single_page_repository import SinglePageRepository

    if "://" in place:
        return SinglePageRepository(f"links {place}", place)
    return _directory(Path(place))


def _directory(path: Path) -> "Repository":
    from conda_lock._vendor.poetry.inspection.info import PackageInfo, PackageInfoError
    from conda_lock._vendor.poetry.repositories.repository import Repository
    from conda_lock.interfaces.vendored_poetry import Link

    class Directory(Repository):  # type: ignore[misc]  # as above
        def find_links_for_package(self, package: "Package") -> "list[Link]":
            return links[package.name, str(package.version)]

    if not path.is_dir():
        raise FailedError(FailureKind.SOURCE, f"--find-links {path}: no such directory")
    repository = Directory(f"links {path}")
    links: dict[tuple[str, str], list[Link]] = {}
    for wheel in sorted(path.glob("*.whl")):
        try:
            package = PackageInfo.from_path(wheel).to_package()
        except PackageInfoError as error:
            raise FailedError(FailureKind.SOURCE, f"{wheel} cannot be read: {error}") from error
        package._source_type, package._source_reference = "legacy", repository.name  # noqa: SLF001
        link = Link(f"{wheel.as_uri()}#sha256={sha256_of_file(wheel).hex}")
        key = (package.name, str(package.version))
        if key not in links:
            repository.add_package(package)
        links.setdefault(key, []).append(link)
    return repository
