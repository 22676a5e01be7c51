"""conda-lock, in a process of its own: `python -m lading.lock.condalock OPERATION QUESTION`.

Only it and `condalock_pip` import conda_lock, inside their functions: nothing else pays for that
import. It prints one JSON document, an answer or a `Failure` (see `lading.lock.exchange`); any
other end is a defect and shows a traceback. `lading.lock.isolation` starts it.

Source: conda-lock 4.0.3; of its internals are used `src_parser`, both reading and aggregation,
`content_hash.compute_content_hashes`, `virtual_package.FakeRepoData`, `pypi_solver.solve_pypi`,
`lookup.conda_name_to_pypi_name` and the models of its sources.
"""

# ruff: noqa: PLC0415  # conda_lock is imported where it is used

import importlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import msgspec

from lading.conda import Platform, parse_matchspec
from lading.errors import SpecError
from lading.lock.condalock_pip import fake_repodata, solve_pip
from lading.lock.exchange import (
    FailedError,
    FailureKind,
    Operation,
    PipQuestion,
    PipRequirements,
    RequestedPackage,
    SourceAnswer,
    SourceQuestion,
)
from lading.lock.own_code import is_own_code
from lading.lock.pip_options import is_pip_option
from lading.lock.selectors import selected_lines
from lading.system import decode_json, without_credentials

if TYPE_CHECKING:
    from conda_lock.models.lock_spec import Dependency, LockSpecification

LEFT_OUT = "left-out-by-lading"
"""The name that stands for what conda-lock shall not see."""

SOLVER = "conda_lock.pypi_solver"

LONGEST_REASON = 1000
"""Characters of what conda-lock says that are shown."""


def main(arguments: list[str]) -> None:
    """Answer the question in the file named by the second argument, on standard output."""
    operation, path = Operation(arguments[0]), Path(arguments[1])
    import_without_command_line()
    answer: msgspec.Struct
    try:
        match operation:
            case Operation.READ:
                answer = _read(decode_json(path.read_bytes(), SourceQuestion))
            case Operation.SOLVE_PIP:
                answer = solve_pip(decode_json(path.read_bytes(), PipQuestion))
    except FailedError as error:
        answer = error.failure
    sys.stdout.buffer.write(msgspec.json.encode(answer))


def import_without_command_line() -> None:
    """Let parts of conda_lock be imported without its `__init__`.

    That one imports the whole command line, three times the work of all that is used here.
    """
    spec = importlib.util.find_spec("conda_lock")
    if spec is not None:
        sys.modules.setdefault("conda_lock", importlib.util.module_from_spec(spec))


def _import_parsers() -> None:
    """Import what reads sources without the solver of pip packages, until a marker needs it.

    Its import takes three times as long as everything else. `markers` alone uses it, and of it only
    the description of a platform.
    """
    if SOLVER in sys.modules:
        return

    def platform_environment(**options: object) -> object:
        from conda_lock.pypi_solver import PlatformEnv

        return PlatformEnv(**options)

    instead = ModuleType(SOLVER)
    instead.__dict__["PlatformEnv"] = platform_environment
    sys.modules[SOLVER] = instead
    try:
        importlib.import_module("conda_lock.src_parser")
    finally:
        del sys.modules[SOLVER]


def _read(question: SourceQuestion) -> SourceAnswer:
    """What the sources ask for."""
    _import_parsers()
    from conda_lock.content_hash import compute_content_hashes
    from conda_lock.src_parser.aggregation import aggregate_lock_specs

    _keep_fields()
    _evaluate_selectors()
    with _source_failures(question.platforms):
        # conda-lock's merge lets a later file overwrite what an earlier one asked of a package;
        # each file on its own says everything, and the solver then has to satisfy all of it.
        single = [_lock_spec(question, source) for source in question.sources]
        merged = aggregate_lock_specs(single, list(question.platforms))
    with fake_repodata(question.platforms) as repository:
        hashes: dict[str, str] = compute_content_hashes(merged, repository)
    return SourceAnswer(
        channels=tuple(str(channel.url) for channel in merged.channels),
        content_hash=hashes,
        conda={platform: _conda_part(single, platform) for platform in question.platforms},
        pip={platform: _pip_part(merged, platform) for platform in question.platforms},
    )


def _lock_spec(question: SourceQuestion, source: str) -> "LockSpecification":
    """One source as conda-lock reads it, channels without credentials."""
    from conda_lock.models.channel import Channel
    from conda_lock.src_parser import _parse_source_files

    _leave_out_own_code()
    # `make_lock_spec` would keep the last of two lines that ask for one package.
    [spec] = _parse_source_files(
        [Path(source)], platforms=list(question.platforms), mapping_url=question.mapping
    )
    if question.channels:
        spec.channels = [Channel.from_string(channel) for channel in question.channels]
    for platform, dependencies in spec.dependencies.items():
        spec.dependencies[platform] = [
            _with_url(item) for item in dependencies if item.name != LEFT_OUT
        ]
    spec.channels = [
        Channel(url=without_credentials(channel.url), used_env_vars=()) for channel in spec.channels
    ]
    return spec


def _keep_fields() -> None:
    """Let conda-lock keep the fields of MatchSpecs that it does not know, in place of extras.

    Of these it refuses some, and reads others as part of the name. Its extras are those of pip
    packages; they are part of its hash of the sources.
    """
    from conda_lock.src_parser import conda_common, environment_yaml, meta_yaml, pyproject_toml

    def convert(text: str, category: str) -> "Dependency":
        spec = parse_matchspec(text) if "[" in text or "/" in text else None
        if spec is None or not (spec.fields or "/" in text):
            return conda_common.conda_spec_to_versioned_dep(text, category)
        dependency = conda_common.conda_spec_to_versioned_dep(spec.plain, category)
        return dependency.model_copy(update={"extras": list(spec.fields)})

    for module in (environment_yaml, meta_yaml, pyproject_toml):
        module.conda_spec_to_versioned_dep = convert


def _evaluate_selectors() -> None:
    """Let conda-lock select lines as lading does: it drops what it does not understand."""
    from conda_lock.src_parser import environment_yaml, meta_yaml

    def select(content: str, platform: str | None = None) -> Iterator[str]:
        return selected_lines(content, Platform(platform)) if platform else iter(())

    for module in (environment_yaml, meta_yaml):
        module.filter_platform_selectors = select


def _leave_out_own_code() -> None:
    """Let conda-lock pass over the pip lines that lading alone understands.

    It warns of an editable package and leaves it out; at the path of another one it fails.
    """
    from conda_lock.models.lock_spec import Dependency, VersionedDependency
    from conda_lock.src_parser import environment_yaml
    from conda_lock.src_parser.pyproject_toml import parse_python_requirement

    def parse(requirement: str, **options: object) -> Dependency:
        if is_own_code(requirement) or is_pip_option(requirement):
            return VersionedDependency(name=LEFT_OUT, version="*", manager="pip")
        return parse_python_requirement(requirement, **options)

    environment_yaml.parse_python_requirement = parse


@contextmanager
def _source_failures(platforms: Iterable[str]) -> Iterator[None]:
    """Turn what reading sources raises into a `FailedError`."""
    try:
        yield
    except KeyError as error:
        if error.args[0] in platforms:
            reason = f"conda-lock knows no selectors for {error}"
        else:
            reason = f"a line of the sources that holds {error} is taken away by its own selector"
        raise FailedError(FailureKind.SOURCE, reason) from error
    except SpecError as error:
        raise FailedError(FailureKind.SOURCE, error.message, hint=error.hint) from error
    except Exception as error:
        # Of pydantic, Jinja, lark, tomllib, PyYAML, or a defect that the source brings to light.
        reason = f"{error}" if error.__cause__ is None else f"{error}: {error.__cause__}"
        words = " ".join(reason.split()) or type(error).__name__
        message = f"conda-lock cannot read the sources: {words[:LONGEST_REASON]}"
        raise FailedError(FailureKind.SOURCE, message) from error


def _conda_part(
    specs: "Iterable[LockSpecification]", platform: str
) -> tuple[RequestedPackage, ...]:
    items = (item for spec in specs for item in _in_one_category(spec.dependencies[platform]))
    return tuple(dict.fromkeys(_requested(item) for item in items if item.manager == "conda"))


def _in_one_category(items: "list[Dependency]") -> "list[Dependency]":
    """The dependencies of one source; pip is in the category of the others.

    conda-lock adds it where pip packages are asked for, always to `main`, where nobody asks for it.
    """
    others = {item.category for item in items if item.name != "pip"}
    if len(others) != 1:
        return items
    category = others.pop()
    return [
        item.model_copy(update={"category": category}) if item.name == "pip" else item
        for item in items
    ]


def _requested(item: "Dependency") -> RequestedPackage:
    """A conda package that is asked for."""
    from conda_lock.models.lock_spec import VersionedDependency

    if not isinstance(item, VersionedDependency):
        raise FailedError(
            FailureKind.SOURCE,
            f"{item.name} is not a conda package: it is asked for by its place",
            hint="ask for a version of it, or for a wheel below `pip:`",
        )
    return RequestedPackage(
        name=item.name,
        category=item.category,
        version=item.version,
        build=item.build or "",
        channel=item.conda_channel or "",
        fields=tuple(item.extras),
    )


def _pip_part(spec: "LockSpecification", platform: str) -> PipRequirements:
    return PipRequirements(
        requirements=tuple(
            item.model_dump() for item in spec.dependencies[platform] if item.manager == "pip"
        ),
        repositories=tuple(item.url for item in spec.pip_repositories),
        allow_pypi=spec.allow_pypi_requests,
    )


def _with_url(dependency: "Dependency") -> "Dependency":
    """The dependency; what conda-lock took for a path is an http: URL again.

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


if __name__ == "__main__":
    main(sys.argv[1:])
