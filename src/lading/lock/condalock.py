"""conda-lock, in a process of its own: `python -m lading.lock.condalock OPERATION QUESTION`.

The only module that imports conda_lock, and it does so inside its functions: nothing else pays for
that import. It prints one JSON document, an answer or a `Failure` (see `lading.lock.exchange`); any
other end is a defect and shows a traceback. `lading.lock.isolation` starts it.

Source: conda-lock 4.0.3; of its internals are used `src_parser.make_lock_spec`,
`content_hash.compute_content_hashes`, `virtual_package.FakeRepoData`, `pypi_solver.solve_pypi`,
`lookup.conda_name_to_pypi_name` and the models of its lockfile formats.
"""

# ruff: noqa: PLC0415  # conda_lock is imported where it is used

import datetime as dt
import importlib.util
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Never

import msgspec

from lading.conda import without_credentials
from lading.lock.exchange import (
    Failure,
    FailureKind,
    LockEntry,
    Operation,
    PipAnswer,
    PipQuestion,
    RequestedPackage,
    SourceAnswer,
    SourceQuestion,
    ValidationQuestion,
)

if TYPE_CHECKING:
    from conda_lock._vendor.poetry.repositories.legacy_repository import LegacyRepository
    from conda_lock.lockfile.v2prelim.models import LockedDependency
    from conda_lock.models.lock_spec import Dependency, LockSpecification
    from conda_lock.virtual_package import FakeRepoData

__all__ = ["main"]

HTTP_NOT_FOUND = 404


class _FailedError(Exception):
    """Carries a `Failure` out."""

    def __init__(self, kind: FailureKind, message: str, details: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.failure = Failure(failure=kind, message=message, details=tuple(details))


def main(arguments: list[str]) -> None:
    """Answer the question in the file named by the second argument, on standard output."""
    operation, path = Operation(arguments[0]), Path(arguments[1])
    _import_without_command_line()
    answer: msgspec.Struct
    try:
        match operation:
            case Operation.READ:
                answer = _read(msgspec.json.decode(path.read_bytes(), type=SourceQuestion))
            case Operation.SOLVE_PIP:
                answer = _solve_pip(msgspec.json.decode(path.read_bytes(), type=PipQuestion))
            case Operation.VALIDATE:
                question = msgspec.json.decode(path.read_bytes(), type=ValidationQuestion)
                answer = _validate(question)
    except _FailedError as error:
        answer = error.failure
    sys.stdout.buffer.write(msgspec.json.encode(answer))


def _import_without_command_line() -> None:
    """Let parts of conda_lock be imported without its `__init__`.

    That one imports the whole command line, three times the work of all that is used here.
    """
    spec = importlib.util.find_spec("conda_lock")
    if spec is not None:
        sys.modules.setdefault("conda_lock", importlib.util.module_from_spec(spec))


def _read(question: SourceQuestion) -> SourceAnswer:
    """What the sources ask for."""
    merged = _lock_spec(question, question.sources)
    # conda-lock's merge lets a later file overwrite what an earlier one asked of a package;
    # each file on its own says everything, and the solver then has to satisfy all of it.
    single = [_lock_spec(question, (source,)) for source in question.sources]
    with _virtual_packages(question) as repository:
        from conda_lock.content_hash import compute_content_hashes

        hashes: dict[str, str] = compute_content_hashes(merged, repository)
    return SourceAnswer(
        channels=tuple(without_credentials(str(channel.url)) for channel in merged.channels),
        content_hash=hashes,
        conda={
            platform: tuple(
                dict.fromkeys(
                    RequestedPackage(
                        name=item.name,
                        category=item.category,
                        version=item.version,
                        build=item.build or "",
                        channel=item.conda_channel or "",
                    )
                    for spec in single
                    for item in spec.dependencies[platform]
                    if item.manager == "conda"
                )
            )
            for platform in question.platforms
        },
        pip={
            platform: tuple(
                RequestedPackage(name=item.name, category=item.category)
                for item in merged.dependencies[platform]
                if item.manager == "pip"
            )
            for platform in question.platforms
        },
    )


def _lock_spec(question: SourceQuestion, sources: tuple[str, ...]) -> "LockSpecification":
    """The sources as conda-lock reads them, channels without credentials.

    Raises:
        _FailedError: They do not fit together, or conda-lock cannot read one.
    """
    from conda_lock.errors import CondaLockError
    from conda_lock.models.channel import Channel
    from conda_lock.src_parser import make_lock_spec

    try:
        spec = make_lock_spec(
            src_files=[Path(source) for source in sources],
            platform_overrides=list(question.platforms),
            channel_overrides=list(question.channels) or None,
            mapping_url=question.mapping,
        )
    except KeyError as error:
        if error.args[0] not in question.platforms:
            reason = f"a line of the sources that holds {error} is taken away by its own selector"
            raise _FailedError(FailureKind.SOURCE, reason) from error
        reason = f"conda-lock knows no selectors for {error}"
        raise _FailedError(FailureKind.SOURCE, reason) from error
    except (CondaLockError, RuntimeError, ValueError, TypeError, OSError) as error:
        reason = f"{error}" if error.__cause__ is None else f"{error}: {error.__cause__}"
        raise _FailedError(FailureKind.SOURCE, " ".join(reason.split())) from error
    for platform, dependencies in spec.dependencies.items():
        spec.dependencies[platform] = [_with_url(item) for item in dependencies]
    spec.channels = [
        Channel(url=without_credentials(channel.url), used_env_vars=()) for channel in spec.channels
    ]
    return spec


def _with_url(dependency: "Dependency") -> "Dependency":
    """The dependency; one on a file at an http: URL, which conda-lock takes for a path, put right.

    It knows https: alone, and makes one slash of two.
    """
    from urllib.parse import urldefrag

    from conda_lock.models.lock_spec import PathDependency, URLDependency

    if not (isinstance(dependency, PathDependency) and dependency.path.startswith("http:/")):
        return dependency
    url, fragment = urldefrag("http://" + dependency.path.removeprefix("http:").lstrip("/"))
    return URLDependency(
        name=dependency.name,
        manager=dependency.manager,
        category=dependency.category,
        extras=dependency.extras,
        markers=dependency.markers,
        url=url,
        hashes=[fragment.replace("=", ":")],
    )


@contextmanager
def _virtual_packages(question: SourceQuestion) -> "Iterator[FakeRepoData]":
    """The virtual packages in the form that conda-lock hashes."""
    from conda_lock.virtual_package import FakeRepoData, VirtualPackage

    with tempfile.TemporaryDirectory() as directory:
        repository = FakeRepoData(base_path=Path(directory))
        for platform, packages in question.virtual_packages.items():
            for name, version, build in packages:
                build_string = "" if build == "0" else build
                package = VirtualPackage(name=name, version=version, build_string=build_string)
                repository.add_package(package, subdirs=[platform])
        repository.write()
        yield repository


def _solve_pip(question: PipQuestion) -> PipAnswer:
    """The pip part of one platform."""
    from conda_lock.lookup import conda_name_to_pypi_name

    conda = {entry.name: _locked_dependency(entry, question.platform) for entry in question.conda}
    if not question.build_sdists:
        _refuse_source_distributions()
    if question.exclude_newer:
        _hide_newer_files(question.exclude_newer)
    with _pip_failures():
        solved = _solved_requirements(question, conda)
        packages = tuple(_lock_entry(_with_digest(solved[name])) for name in sorted(solved))
    names = {
        conda_name_to_pypi_name(entry.name, mapping_url=question.source.mapping): entry.name
        for entry in question.conda
        if "python" in entry.dependencies
    }
    return PipAnswer(
        packages=packages,
        categories={name: tuple(sorted(item.categories)) for name, item in conda.items()},
        clashes=tuple((name, names[name]) for name in sorted(solved) if name in names),
    )


def _with_digest(item: "LockedDependency") -> "LockedDependency":
    """The package; one that a source names by its URL with the digest of what lies there.

    Raises:
        _FailedError: The source names another digest.
    """
    import hashlib

    import requests
    from conda_lock.lockfile.v2prelim.models import HashModel

    if item.source is None or not item.source.url.startswith(("http://", "https://")):
        return item
    hasher = hashlib.sha256()
    with requests.get(item.source.url.partition("#")[0], stream=True, timeout=60) as answer:
        answer.raise_for_status()
        for chunk in answer.iter_content(1 << 20):
            hasher.update(chunk)
    found = hasher.hexdigest()
    if item.hash.sha256 not in {None, found}:
        raise _FailedError(
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
    from conda_lock.content_hash import compute_content_hashes
    from conda_lock.interfaces.vendored_poetry import PyPiRepository
    from conda_lock.models.pip_repository import PipRepository
    from conda_lock.pypi_solver import solve_pypi

    source, platform = question.source, question.platform
    spec = _lock_spec(source, source.sources)
    with _virtual_packages(source) as repository:
        if compute_content_hashes(spec, repository)[platform] != question.content_hash:
            raise _FailedError(FailureKind.SOURCE, "the sources changed while they were locked")
        virtual_packages = repository.all_repodata[platform]["packages"]

    def solve(repositories: "list[PipRepository]", *, pypi: bool) -> "dict[str, LockedDependency]":
        result: dict[str, LockedDependency] = solve_pypi(
            pip_specs={
                item.name: item for item in spec.dependencies[platform] if item.manager == "pip"
            },
            use_latest=list(question.update),
            pip_locked={
                entry.name: _locked_dependency(entry, platform) for entry in question.locked
            },
            conda_locked=dict(conda),
            python_version=conda["python"].version,
            platform=platform,
            platform_virtual_packages=virtual_packages,
            pip_repositories=[*spec.pip_repositories, *repositories],
            allow_pypi_requests=pypi,
            strip_auth=True,
            mapping_url=source.mapping,
        )
        return result

    if question.index:
        return solve([PipRepository.from_string(question.index)], pypi=False)
    try:
        return solve([], pypi=spec.allow_pypi_requests)
    except (requests.exceptions.JSONDecodeError, PackageNotFoundError):
        # A mirror in the place of PyPI that has its pages, but not in JSON: ask it as any other.
        return solve([PipRepository.from_string(PyPiRepository().url)], pypi=False)


def _refuse_source_distributions() -> None:
    """Let Poetry's search end where only a source distribution could tell what a package needs.

    It would build it, and so run code from the index at lock time; and what is built on a node has
    no digest to lock. Poetry has no setting for this, and the process is ours alone.
    """
    from conda_lock._vendor.poetry.repositories.http_repository import HTTPRepository

    def refuse(_repository: object, link: object) -> Never:
        file_name = str(getattr(link, "filename", link))
        raise _FailedError(
            FailureKind.SOURCE,
            f"only wheels can be locked, and the index has only {file_name}",
            ("lock it with conda, ask for a version with a wheel, or publish a wheel of it",),
        )

    HTTPRepository._get_info_from_sdist = refuse  # noqa: SLF001


def _hide_newer_files(moment: str) -> None:
    """Let Poetry see no file of an index that was uploaded after `moment` (ISO 8601).

    Poetry has no setting for this. Indexes say the time in their JSON pages alone (PEP 700), and of
    all indexes but PyPI Poetry asks for the others.
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
        raise _FailedError(
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
    """The URL of a package's page in an index, and its content; None where it is no JSON.

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


@contextmanager
def _pip_failures() -> Iterator[None]:
    """What Poetry and requests raise, as a `_FailedError`."""
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
        raise _FailedError(FailureKind.SOLVE, message, lines) from error
    except (requests.exceptions.RequestException, RepositoryError) as error:
        message = "the package index could not be read"
        raise _FailedError(FailureKind.FETCH, message, str(error).splitlines()) from error


def _locked_dependency(entry: LockEntry, platform: str) -> "LockedDependency":
    from conda_lock.lockfile.v2prelim.models import HashModel, LockedDependency

    return LockedDependency(
        name=entry.name,
        version=entry.version,
        manager=entry.manager,
        platform=platform,
        dependencies=dict(entry.dependencies),
        url=entry.url,
        hash=HashModel(md5=entry.md5 or None, sha256=entry.sha256 or None),
        categories=set(entry.categories),
    )


def _lock_entry(item: "LockedDependency") -> LockEntry:
    return LockEntry(
        name=item.name,
        version=item.version,
        manager=item.manager,
        url=without_credentials(item.url),
        sha256=item.hash.sha256 or "",
        md5=item.hash.md5 or "",
        dependencies=dict(sorted(item.dependencies.items())),
        categories=tuple(sorted(item.categories)) or ("main",),
    )


def _validate(question: ValidationQuestion) -> ValidationQuestion:
    """The question itself, when conda-lock reads from each document just what it says."""
    from conda_lock.lockfile.v1.models import Lockfile
    from pydantic import ValidationError

    for platform, content in question.documents.items():
        try:
            lockfile = Lockfile.model_validate({k: v for k, v in content.items() if k != "version"})
        except ValidationError as error:
            raise _FailedError(
                FailureKind.FORMAT, f"{platform}: the lockfile is wrong", str(error).splitlines()
            ) from error
        if lockfile.dict_for_output() != content:
            raise _FailedError(
                FailureKind.FORMAT, f"{platform}: conda-lock reads the lockfile otherwise"
            )
    return question


if __name__ == "__main__":
    main(sys.argv[1:])
