"""The pip part of a lock, solved by conda-lock's Poetry in conda-lock's process.

Like `lading.lock.condalock`, which calls it, this module imports conda_lock inside its functions.
Poetry has no settings for what lading demands of it (no builds, no files newer than a date), so
some of its methods are replaced: the process is lading's alone.
"""

# ruff: noqa: PLC0415  # conda_lock is imported where it is used

import datetime as dt
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Never

from lading.conda import Credential, MirrorMap, VirtualPackage
from lading.lock.condalock_indexes import search_in_order
from lading.lock.exchange import FailedError, FailureKind, PipAnswer, PipQuestion
from lading.lock.model import MAIN, LockedPackage, Manager
from lading.system import Digest, sha256_of_file, without_credentials

if TYPE_CHECKING:
    from conda_lock._vendor.poetry.repositories.legacy_repository import LegacyRepository
    from conda_lock.lockfile.v2prelim.models import LockedDependency
    from conda_lock.models.lock_spec import Dependency
    from conda_lock.virtual_package import FakeRepoData

HTTP_NOT_FOUND = 404


@contextmanager
def fake_repodata(platforms: Mapping[str, Iterable[VirtualPackage]]) -> "Iterator[FakeRepoData]":
    """Yield the virtual packages in the form that conda-lock hashes."""
    from conda_lock.virtual_package import FakeRepoData, VirtualPackage as FakePackage

    with tempfile.TemporaryDirectory() as directory:
        repository = FakeRepoData(base_path=Path(directory))
        for platform, packages in platforms.items():
            for item in packages:
                build = "" if item.build == "0" else item.build
                package = FakePackage(name=item.name, version=item.version, build_string=build)
                repository.add_package(package, subdirs=[platform])
        repository.write()
        yield repository


def solve_pip(question: PipQuestion) -> PipAnswer:
    """The pip part of one platform, solved on top of its conda packages.

    Raises:
        FailedError: There is no solution, a package has no wheel, or the index cannot be read.
    """
    from conda_lock.lookup import conda_name_to_pypi_name

    conda = {item.name: _locked_dependency(item, question.platform) for item in question.conda}
    if not question.build_sdists:
        _refuse_source_distributions()
    if question.exclude_newer:
        _hide_newer_files(question.exclude_newer)
    _send_bearer_tokens(question.search.credentials)
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


def _with_digest(item: "LockedDependency") -> "LockedDependency":
    """The package; one that a source names by its place gets the digest of the file there."""
    import hashlib

    import requests
    from conda_lock.lockfile.v2prelim.models import HashModel

    if item.source is not None and item.source.url.startswith("file://"):
        found = sha256_of_file(Path(item.source.url.removeprefix("file://"))).hex
        return item.model_copy(update={"hash": HashModel(sha256=found)})
    if item.source is None or not item.source.url.startswith(("http://", "https://")):
        return item
    hasher = hashlib.sha256()
    with requests.get(item.source.url.partition("#")[0], stream=True, timeout=60) as answer:
        answer.raise_for_status()
        for chunk in answer.iter_content(1 << 20):
            hasher.update(chunk)
    found = hasher.hexdigest()
    if item.hash.sha256 not in {None, found}:
        raise FailedError(
            FailureKind.SOURCE,
            f"{item.name} has another sha256 than the source says: {without_credentials(item.url)}",
            (f"written: {item.hash.sha256}", f"found: {found}"),
        )
    return item.model_copy(update={"hash": HashModel(sha256=found)})


def _solved_requirements(
    question: PipQuestion, conda: "Mapping[str, LockedDependency]"
) -> "Mapping[str, LockedDependency]":
    """Name → pip package; completes the categories of `conda`."""
    import requests
    from conda_lock._vendor.poetry.repositories.exceptions import PackageNotFoundError
    from conda_lock.interfaces.vendored_poetry import PyPiRepository
    from conda_lock.models.pip_repository import PipRepository
    from conda_lock.pypi_solver import solve_pypi

    platform = question.platform
    specs, digests = _without_hashes(_requested_packages(question))
    search_in_order(question.search)
    with fake_repodata({platform: question.virtual_packages}) as repository:
        virtual_packages = repository.all_repodata[platform]["packages"]

    def solve(urls: Iterable[str], *, pypi: bool) -> "dict[str, LockedDependency]":
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


def _requested_packages(question: PipQuestion) -> "dict[str, Dependency]":
    """Name → what is asked for of it, in conda-lock's form."""
    from conda_lock.models.lock_spec import Dependency, PathDependency
    from conda_lock.src_parser.markers import evaluate_marker
    from conda_lock.src_parser.pyproject_toml import parse_python_requirement
    from pydantic import TypeAdapter

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
    specs: "dict[str, Dependency]",
) -> "tuple[dict[str, Dependency], dict[str, list[str]]]":
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
            raise FailedError(
                FailureKind.SOURCE,
                f"{name} is asked for with digests, but without a sha256",
                hint="write --hash=sha256:DIGEST",
            )
        plain[name] = item.model_copy(update={"hash": None})
    return plain, digests


def _checked(item: "LockedDependency", digests: Sequence[str]) -> "LockedDependency":
    """The package, if it has one of `digests`, or there are none."""
    if digests and item.hash.sha256 not in {text.lower() for text in digests}:
        raise FailedError(
            FailureKind.SOURCE,
            f"{item.name} {item.version} has another sha256 than the requirement asks for",
            (f"asked for: {', '.join(digests)}", f"found: {item.hash.sha256}"),
            "correct the digest, or find out who changed the file",
        )
    return item


def _refuse_source_distributions() -> None:
    """Make Poetry fail where only a source distribution could tell what a package needs.

    It would build it, and so run code from the index at lock time; and what is built on a node has
    no digest to lock.
    """
    from conda_lock._vendor.poetry.repositories.http_repository import HTTPRepository

    def refuse(_repository: object, link: object) -> Never:
        file_name = str(getattr(link, "filename", link))
        raise FailedError(
            FailureKind.SOURCE,
            f"only wheels can be locked, and the index has only {file_name}",
            hint="let lading build a wheel of it, which runs its code, with --build-sdists; or lock"
            " it with conda",
        )

    HTTPRepository._get_info_from_sdist = refuse  # noqa: SLF001


def _hide_newer_files(moment: str) -> None:
    """Hide the files of indexes from Poetry that were uploaded after `moment` (ISO 8601).

    Indexes say the time only in their JSON pages (PEP 700), and Poetry asks only PyPI for these.
    """
    from conda_lock._vendor.poetry.repositories.legacy_repository import LegacyRepository
    from conda_lock._vendor.poetry.repositories.link_sources.html import HTMLPage
    from conda_lock._vendor.poetry.repositories.link_sources.json import SimpleJsonPage

    limit = dt.datetime.fromisoformat(moment)
    read_page = SimpleJsonPage.__init__

    def without_newer(page: object, url: str, content: dict[str, object]) -> None:
        files = content.get("files")
        kept = [item for item in files if _is_old(item)] if isinstance(files, list) else []
        read_page(page, url, {**content, "files": kept})

    def _is_old(item: dict[str, object]) -> bool:
        uploaded = item.get("upload-time")
        return isinstance(uploaded, str) and dt.datetime.fromisoformat(uploaded) <= limit

    def refuse(_page: object, url: str, _content: str) -> Never:
        raise FailedError(
            FailureKind.SOURCE,
            f"the index does not say when its files were uploaded: {without_credentials(url)}",
            ("--exclude-newer needs an index with JSON pages (PEP 700), as PyPI has them",),
        )

    def json_page(repository: LegacyRepository, name: str) -> SimpleJsonPage:
        url, content = _json_page(repository, name)
        return SimpleJsonPage(url, content) if content is not None else refuse(None, url, "")

    SimpleJsonPage.__init__ = without_newer
    HTMLPage.__init__ = refuse
    LegacyRepository._get_page = json_page  # noqa: SLF001


def _json_page(repository: "LegacyRepository", name: str) -> tuple[str, dict[str, object] | None]:
    """The URL of a package's page in an index, and its content; None where it is not JSON.

    Source: PEP 691 (JSON pages): URLs may be relative, digests stand beside them.
    """
    from urllib.parse import urljoin

    from conda_lock._vendor.poetry.repositories.exceptions import PackageNotFoundError

    url = f"{repository.url}/{name}/"
    answer = repository.session.get(
        url, raise_for_status=False, headers={"Accept": "application/vnd.pypi.simple.v1+json"}
    )
    if answer.status_code == HTTP_NOT_FOUND:
        raise PackageNotFoundError(f"Package [{name}] not found.")
    answer.raise_for_status()
    if "json" not in answer.headers.get("Content-Type", ""):
        return url, None
    content = answer.json()
    for item in content.get("files", []):
        sha256 = item.get("hashes", {}).get("sha256", "")
        item["url"] = urljoin(answer.url, item["url"]) + (f"#sha256={sha256}" if sha256 else "")
    return url, content


def _send_bearer_tokens(credentials: tuple[Credential, ...]) -> None:
    """Let every request bear the token of its server; Poetry knows passwords alone."""
    import requests

    known, send = MirrorMap(credentials=credentials), requests.Session.send

    def bearing(
        session: requests.Session, request: requests.PreparedRequest, **options: object
    ) -> requests.Response:
        token = known.bearer(request.url or "")
        if token:
            request.headers.setdefault("Authorization", f"Bearer {token}")
        return send(session, request, **options)

    requests.Session.send = bearing  # type: ignore[method-assign, assignment]  # on purpose


@contextmanager
def _pip_failures() -> Iterator[None]:
    """Turn what Poetry and requests raise into a `FailedError`."""
    import requests
    from conda_lock._vendor.poetry.puzzle.exceptions import SolverProblemError
    from conda_lock._vendor.poetry.repositories.exceptions import (
        PackageNotFoundError,
        RepositoryError,
    )

    try:
        yield
    except (SolverProblemError, PackageNotFoundError) as error:
        text = str(error).replace("-dummy-package-", "the environment")
        lines = [line for line in text.splitlines() if line.strip()]
        message = "no set of pip packages satisfies the request"
        raise FailedError(FailureKind.SOLVE, message, lines) from error
    except (requests.exceptions.RequestException, RepositoryError) as error:
        message = "the package index could not be read"
        raise FailedError(FailureKind.FETCH, message, str(error).splitlines()) from error


def _locked_dependency(item: LockedPackage, platform: str) -> "LockedDependency":
    from conda_lock.lockfile.v2prelim.models import HashModel, LockedDependency

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


def _locked_package(item: "LockedDependency") -> LockedPackage:
    """The pip package in lading's form."""
    url = without_credentials(item.url)
    if item.hash.sha256 is None:
        archive = url.partition("#")[0].endswith((".whl", ".tar.gz", ".zip"))
        reason = "whose sha256 the index does not say" if archive else "which is not a wheel"
        raise FailedError(
            FailureKind.SOURCE,
            f"{item.name} {item.version} is at {url}, {reason}",
            hint="ask for a version with a wheel, or lock it with conda instead",
        )
    try:
        digest = Digest.sha256(item.hash.sha256)
    except ValueError as error:
        raise FailedError(FailureKind.SOURCE, f"the index says of {url}: {error}") from error
    return LockedPackage(
        name=item.name,
        version=item.version,
        manager=Manager.PIP,
        url=url,
        sha256=digest,
        dependencies=dict(sorted(item.dependencies.items())),
        categories=tuple(sorted(item.categories)) or (MAIN,),
    )
