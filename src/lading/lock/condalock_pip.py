"""The pip part of a lock, solved by conda-lock's Poetry in conda-lock's process."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import requests
from conda_lock._vendor.poetry.puzzle.exceptions import SolverProblemError
from conda_lock._vendor.poetry.repositories.exceptions import PackageNotFoundError, RepositoryError
from conda_lock.interfaces.vendored_poetry import PyPiRepository
from conda_lock.lockfile.v2prelim.models import HashModel, LockedDependency
from conda_lock.lookup import conda_name_to_pypi_name
from conda_lock.models.lock_spec import Dependency, PathDependency
from conda_lock.models.pip_repository import PipRepository
from conda_lock.pypi_solver import solve_pypi
from conda_lock.src_parser.markers import evaluate_marker
from conda_lock.src_parser.pyproject_toml import parse_python_requirement
from pydantic import TypeAdapter

from lading.errors import FetchError, SolveError, SpecError, raised_as
from lading.lock.condalock_indexes import search_in_order
from lading.lock.condalock_pages import (
    hide_newer_files,
    refuse_source_distributions,
    send_bearer_tokens,
)
from lading.lock.condalock_repodata import fake_repodata
from lading.lock.exchange import PipAnswer, PipQuestion
from lading.lock.model import MAIN, LockedPackage, Manager
from lading.system import Digest, sha256_of_file, without_credentials


def solve_pip(question: PipQuestion) -> PipAnswer:
    """The pip part of one platform, solved on top of its conda packages.

    Raises:
        SolveError: There is no solution.
        SpecError: What is asked for cannot be locked.
        FetchError: The index cannot be read.
    """
    conda = {item.name: _locked_dependency(item, question.platform) for item in question.conda}
    if not question.build_sdists:
        refuse_source_distributions()
    if question.exclude_newer:
        hide_newer_files(question.exclude_newer)
    send_bearer_tokens(question.search.credentials)
    with _pip_failures():
        solved = _solved_requirements(question, conda)
        packages = tuple(_locked_package(_with_digest(solved[name])) for name in sorted(solved))
    names = {
        conda_name_to_pypi_name(item.name, mapping_url=question.mapping): item.name
        for item in question.conda
        if "python" in item.dependencies
    }
    return PipAnswer(
        packages=packages,
        categories={name: tuple(sorted(item.categories)) for name, item in conda.items()},
        clashes=tuple((name, names[name]) for name in sorted(solved) if name in names),
    )


def _with_digest(item: LockedDependency) -> LockedDependency:
    """The package; one that a source names by its place gets the digest of the file there."""
    url = item.source.url if item.source is not None else ""
    if url.startswith("file://"):
        found = sha256_of_file(Path(url.removeprefix("file://"))).hex
    elif url.startswith(("http://", "https://")):
        found = _fetched_sha256(url)
        if item.hash.sha256 not in {None, found}:
            where = without_credentials(item.url)
            raise SpecError(
                f"{item.name} has another sha256 than the source says: {where}",
                details=(f"written: {item.hash.sha256}", f"found: {found}"),
            )
    else:
        return item
    return item.model_copy(update={"hash": HashModel(sha256=found)})


def _fetched_sha256(url: str) -> str:
    hasher = hashlib.sha256()
    with requests.get(url.partition("#")[0], stream=True, timeout=60) as answer:
        answer.raise_for_status()
        for chunk in answer.iter_content(1 << 20):
            hasher.update(chunk)
    return hasher.hexdigest()


def _solved_requirements(
    question: PipQuestion, conda: Mapping[str, LockedDependency]
) -> Mapping[str, LockedDependency]:
    """Name → pip package; completes the categories of `conda`."""
    platform = question.platform
    specs, digests = _without_hashes(_requested_packages(question))
    search_in_order(question.search)
    with fake_repodata({platform: question.virtual_packages}) as repository:
        virtual_packages = repository.all_repodata[platform]["packages"]

    def solve(urls: Iterable[str], *, pypi: bool) -> dict[str, LockedDependency]:
        result: dict[str, LockedDependency] = solve_pypi(
            pip_specs=specs,
            use_latest=list(question.update),
            pip_locked={item.name: _locked_dependency(item, platform) for item in question.locked},
            conda_locked=dict(conda),
            python_version=conda["python"].version,
            platform=platform,
            platform_virtual_packages=virtual_packages,
            pip_repositories=[
                PipRepository.from_string(url)
                for url in (*(index.url for index in question.search.indexes), *urls)
            ],
            allow_pypi_requests=pypi,
            strip_auth=True,
            mapping_url=question.mapping,
        )
        return result

    try:
        found = solve([], pypi=question.search.allow_pypi)
    except (requests.exceptions.JSONDecodeError, PackageNotFoundError):
        # A mirror in the place of PyPI that has its pages, but not in JSON: ask it as any other.
        if not question.search.allow_pypi:
            raise
        found = solve([PyPiRepository().url], pypi=False)
    return {name: _checked(item, digests.get(name, ())) for name, item in found.items()}


def _requested_packages(question: PipQuestion) -> dict[str, Dependency]:
    """Name → what is asked for of it, in conda-lock's form."""
    adapter: TypeAdapter[Dependency] = TypeAdapter(Dependency)
    specs: dict[str, Dependency] = {
        str(item["name"]): adapter.validate_python(item) for item in question.pip.requirements
    }
    for line, category in question.search.lines:
        dependency = parse_python_requirement(
            line, mapping_url=question.mapping, manager="pip", category=category
        )
        if evaluate_marker(dependency.markers, question.platform):
            specs.setdefault(dependency.name, dependency)
    for wheel in question.own:
        specs[wheel.name] = PathDependency(
            name=wheel.name,
            manager="pip",
            category=wheel.category,
            extras=list(wheel.extras),
            path=wheel.path,
            is_directory=False,
        )
    return specs


def _without_hashes(
    specs: dict[str, Dependency],
) -> tuple[dict[str, Dependency], dict[str, list[str]]]:
    """The requests without digests, and name → the SHA-256 digests asked for.

    conda-lock would lock what a requirement says, whatever the index has.
    """
    digests: dict[str, list[str]] = {}
    plain = dict(specs)
    for name, item in specs.items():
        text = getattr(item, "hash", None)
        if not text:
            continue
        digests[name] = re.findall(r"sha256:([0-9a-fA-F]{64})", text)
        if not digests[name]:
            raise SpecError(
                f"{name} is asked for with digests, but without a sha256",
                hint="write --hash=sha256:DIGEST",
            )
        plain[name] = item.model_copy(update={"hash": None})
    return plain, digests


def _checked(item: LockedDependency, digests: Sequence[str]) -> LockedDependency:
    """The package, if it has one of `digests`, or there are none."""
    if digests and item.hash.sha256 not in {text.lower() for text in digests}:
        raise SpecError(
            f"{item.name} {item.version} has another sha256 than the requirement asks for",
            hint="correct the digest, or find out who changed the file",
            details=(f"asked for: {', '.join(digests)}", f"found: {item.hash.sha256}"),
        )
    return item


@contextmanager
def _pip_failures() -> Iterator[None]:
    """Turn what Poetry and requests raise into errors of lading."""
    try:
        yield
    except (SolverProblemError, PackageNotFoundError) as error:
        text = str(error).replace("-dummy-package-", "the environment")
        raise SolveError(
            "no set of pip packages satisfies the request",
            details=tuple(line for line in text.splitlines() if line.strip()),
        ) from error
    except (requests.exceptions.RequestException, RepositoryError) as error:
        raise FetchError(
            "the package index could not be read", details=tuple(str(error).splitlines())
        ) from error


def _locked_dependency(item: LockedPackage, platform: str) -> LockedDependency:
    return LockedDependency(
        name=item.name,
        version=item.version,
        manager=item.manager.value,
        platform=platform,
        dependencies=dict(item.dependencies),
        url=item.url,
        hash=HashModel(md5=item.md5.hex if item.md5 else None, sha256=item.sha256.hex),
        categories=set(item.categories),
    )


def _locked_package(item: LockedDependency) -> LockedPackage:
    """The pip package in lading's form."""
    url = without_credentials(item.url)
    if item.hash.sha256 is None:
        archive = url.partition("#")[0].endswith((".whl", ".tar.gz", ".zip"))
        reason = "whose sha256 the index does not say" if archive else "which is not a wheel"
        raise SpecError(
            f"{item.name} {item.version} is at {url}, {reason}",
            hint="ask for a version with a wheel, or lock it with conda instead",
        )
    with raised_as(SpecError, f"the index says of {url}", "", ValueError):
        digest = Digest.sha256(item.hash.sha256)
    return LockedPackage(
        name=item.name,
        version=item.version,
        manager=Manager.PIP,
        url=url,
        sha256=digest,
        dependencies=dict(sorted(item.dependencies.items())),
        categories=tuple(sorted(item.categories)) or (MAIN,),
    )
