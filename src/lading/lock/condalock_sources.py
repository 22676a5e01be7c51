"""What sources ask for, as conda-lock reads them, with the corrections that lading needs."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urldefrag

from conda_lock.content_hash import compute_content_hashes
from conda_lock.models.channel import Channel
from conda_lock.models.lock_spec import (
    Dependency,
    LockSpecification,
    PathDependency,
    URLDependency,
    VersionedDependency,
)
from conda_lock.src_parser import (
    _parse_source_files,
    environment_yaml,
    meta_yaml,
    pyproject_toml,
)
from conda_lock.src_parser.aggregation import aggregate_lock_specs
from conda_lock.src_parser.conda_common import conda_spec_to_versioned_dep
from conda_lock.src_parser.pyproject_toml import parse_python_requirement

from lading.conda import Platform, parse_matchspec
from lading.errors import SpecError
from lading.lock.condalock_repodata import fake_repodata
from lading.lock.exchange import PipRequirements, RequestedPackage, SourceAnswer, SourceQuestion
from lading.lock.own_code import is_own_code
from lading.lock.pip_options import is_pip_option
from lading.lock.selectors import selected_lines
from lading.system import without_credentials

LEFT_OUT = "left-out-by-lading"
"""The name that stands for what conda-lock shall not see."""

LONGEST_REASON = 1000
"""Characters of what conda-lock says that are shown."""


def read_sources(question: SourceQuestion) -> SourceAnswer:
    """What the sources ask for.

    Raises:
        SpecError: One cannot be read.
    """
    _correct_parsers()
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


def _lock_spec(question: SourceQuestion, source: str) -> LockSpecification:
    """One source as conda-lock reads it, channels without credentials."""
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


def _correct_parsers() -> None:
    """Let conda-lock parse sources as lading does."""
    for module in (environment_yaml, meta_yaml, pyproject_toml):
        module.conda_spec_to_versioned_dep = _conda_dependency
    for module in (environment_yaml, meta_yaml):
        module.filter_platform_selectors = _selected
    environment_yaml.parse_python_requirement = _pip_dependency


def _conda_dependency(text: str, category: str) -> Dependency:
    """What a MatchSpec asks for; the fields that conda-lock does not know stand for its extras.

    Of these it refuses some, and reads others as part of the name. Its extras are those of pip
    packages; they are part of its hash of the sources.
    """
    spec = parse_matchspec(text) if "[" in text or "/" in text else None
    if spec is None or not (spec.fields or "/" in text):
        return conda_spec_to_versioned_dep(text, category)
    dependency = conda_spec_to_versioned_dep(spec.plain, category)
    return dependency.model_copy(update={"extras": list(spec.fields)})


def _selected(content: str, platform: str | None = None) -> Iterator[str]:
    """The lines for `platform`; conda-lock drops those whose selector it does not understand."""
    return selected_lines(content, Platform(platform)) if platform else iter(())


def _pip_dependency(requirement: str, **options: object) -> Dependency:
    """What a pip line asks for; `LEFT_OUT` for those that lading alone understands.

    conda-lock warns of an editable package and leaves it out; at the path of another one it fails.
    """
    if is_own_code(requirement) or is_pip_option(requirement):
        return VersionedDependency(name=LEFT_OUT, version="*", manager="pip")
    return parse_python_requirement(requirement, **options)


@contextmanager
def _source_failures(platforms: Iterable[str]) -> Iterator[None]:
    """Turn what reading sources raises into a `SpecError`."""
    try:
        yield
    except SpecError:
        raise
    except KeyError as error:
        if error.args[0] in platforms:
            reason = f"conda-lock knows no selectors for {error}"
        else:
            reason = f"a line of the sources that holds {error} is taken away by its own selector"
        raise SpecError(reason) from error
    except Exception as error:
        # Of pydantic, Jinja, lark, tomllib, PyYAML, or a defect that the source brings to light.
        reason = f"{error}" if error.__cause__ is None else f"{error}: {error.__cause__}"
        words = " ".join(reason.split()) or type(error).__name__
        message = f"conda-lock cannot read the sources: {words[:LONGEST_REASON]}"
        raise SpecError(message) from error


def _conda_part(specs: Iterable[LockSpecification], platform: str) -> tuple[RequestedPackage, ...]:
    items = (item for spec in specs for item in _in_one_category(spec.dependencies[platform]))
    return tuple(dict.fromkeys(_requested(item) for item in items if item.manager == "conda"))


def _in_one_category(items: list[Dependency]) -> list[Dependency]:
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


def _requested(item: Dependency) -> RequestedPackage:
    """A conda package that is asked for."""
    if not isinstance(item, VersionedDependency):
        raise SpecError(
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


def _pip_part(spec: LockSpecification, platform: str) -> PipRequirements:
    return PipRequirements(
        requirements=tuple(
            item.model_dump() for item in spec.dependencies[platform] if item.manager == "pip"
        ),
        repositories=tuple(item.url for item in spec.pip_repositories),
        allow_pypi=spec.allow_pypi_requests,
    )


def _with_url(dependency: Dependency) -> Dependency:
    """The dependency; what conda-lock took for a path is an http: URL again.

    It knows https: alone, and makes one slash of two.
    """
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
