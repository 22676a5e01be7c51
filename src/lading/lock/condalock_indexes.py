"""Package indexes for conda-lock's Poetry: in order, and the first that has a name counts.

Poetry takes the newest version of all its indexes, so that a private name that somebody uploads to
a public index is installed from there. Here each name has one home, as with uv: the index that the
settings give it, else the first that has it. Constraints and prereleases are looked after here too.

Source: uv, "index strategies" (first-index, explicit); conda-lock 4.0.3 `pypi_solver.py`.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import urldefrag

from conda_lock import pypi_solver
from conda_lock._vendor.poetry.core.packages.dependency import Dependency
from conda_lock._vendor.poetry.core.packages.package import Package
from conda_lock._vendor.poetry.inspection.info import PackageInfo, PackageInfoError
from conda_lock._vendor.poetry.repositories.exceptions import PackageNotFoundError
from conda_lock._vendor.poetry.repositories.repository import Repository
from conda_lock._vendor.poetry.repositories.repository_pool import RepositoryPool
from conda_lock._vendor.poetry.repositories.single_page_repository import SinglePageRepository
from conda_lock.interfaces.vendored_poetry import Link
from conda_lock.models.pip_repository import PipRepository
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lading.errors import SpecError, raised_as
from lading.lock.exchange import PackageIndex, PipSearch
from lading.system import sha256_of_file

PLAIN = PackageIndex(url="")

make_pool = pypi_solver._prepare_repositories_pool  # noqa: SLF001
stripped_url = pypi_solver._get_stripped_url  # noqa: SLF001


def search_in_order(search: PipSearch) -> None:
    """Let conda-lock's solver look where `search` says, in every pool that it makes from now on."""

    def ordered(*arguments: object, **options: object) -> OrderedPool:
        found = make_pool(*arguments, **options).repositories
        return OrderedPool(search, [*map(_links, search.find_links), *found])

    pypi_solver._prepare_repositories_pool = ordered  # noqa: SLF001
    # conda-lock's loses the place of a `file:` URL.
    pypi_solver._get_stripped_url = lambda link: (  # noqa: SLF001
        urldefrag(link.url).url if link.url.startswith("file:") else stripped_url(link)
    )


class OrderedPool(RepositoryPool):  # type: ignore[misc]  # Poetry is not typed here
    """Takes each package from the home of its name."""

    def __init__(self, search: PipSearch, repositories: Sequence[Repository]) -> None:
        """The homes are among `repositories`, in their order."""
        super().__init__(list(repositories))
        self._rules = {PipRepository.from_string(item.url).name: item for item in search.indexes}
        self._homes: dict[str, Repository | None] = {}
        self._prereleases = search.prereleases
        self._constraints: dict[str, list[Requirement]] = {}
        for text in search.constraints:
            constraint = Requirement(text)
            self._constraints.setdefault(canonicalize_name(constraint.name), []).append(constraint)

    def find_packages(self, dependency: Dependency) -> list[Package]:
        """What the home of the name has, within the constraints."""
        home = self._home(dependency.name)
        if self._prereleases:
            dependency._allows_prereleases = True  # noqa: SLF001
        found = home.find_packages(dependency) if home is not None else []
        wanted = [item.specifier for item in self._constraints.get(dependency.name, ())]
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
    ) -> Package:
        """One version, from the repository named or the home of its name."""
        home = self.repository(repository_name) if repository_name else self._home(name)
        if home is None:
            raise PackageNotFoundError(f"Package {name} ({version}) not found.")
        return home.package(name, version, extras=extras)

    def _home(self, name: str) -> Repository | None:
        """The index of `name`; None where none has it."""
        if name not in self._homes:
            everything = Dependency(name, "*", allows_prereleases=True)
            homes = (item for item in self._candidates(name) if item.find_packages(everything))
            self._homes[name] = next(homes, None)
        return self._homes[name]

    def _candidates(self, name: str) -> list[Repository]:
        rules = [(item, self._rules.get(item.name, PLAIN)) for item in self.repositories]
        given = [
            item
            for item, rule in rules
            if any(fnmatchcase(name, pattern) for pattern in rule.packages)
        ]
        return given or [item for item, rule in rules if not rule.is_explicit]


def _links(place: str) -> Repository:
    """The wheels of a directory, or those that a page links to, as an index."""
    return SinglePageRepository(f"links {place}", place) if "://" in place else Directory(place)


class Directory(Repository):  # type: ignore[misc]  # as above
    """The wheels of a directory."""

    def __init__(self, path: str) -> None:
        """Read what each wheel says of itself."""
        super().__init__(f"links {path}")
        if not Path(path).is_dir():
            raise SpecError(f"--find-links {path}: no such directory")
        self._links: dict[tuple[str, str], list[Link]] = {}
        for wheel in sorted(Path(path).glob("*.whl")):
            with raised_as(SpecError, f"{wheel} cannot be read", "", PackageInfoError):
                package = PackageInfo.from_path(wheel).to_package()
            package._source_type, package._source_reference = "legacy", self.name  # noqa: SLF001
            links = self._links.setdefault((package.name, str(package.version)), [])
            if not links:
                self.add_package(package)
            links.append(Link(f"{wheel.as_uri()}#sha256={sha256_of_file(wheel).hex}"))

    def find_links_for_package(self, package: Package) -> list[Link]:
        """The wheels of one version."""
        return self._links[package.name, str(package.version)]
