"""Lock an environment: which sources, platforms and pins are meant, then plan, solve, write."""

import datetime as dt
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lading.api.project import Project, open_project
from lading.conda import MirrorMap, Platform
from lading.config import EnvironmentSettings
from lading.errors import UsageError
from lading.install import WHEELS
from lading.lock import (
    CondaLock,
    FileLists,
    LockedPackage,
    LockOutcome,
    LockRequest,
    Sources,
    apply_lock,
    find_virtual_packages,
    pins_of_conda_lock,
    pins_of_prefix,
    plan_lock,
    read_lock_inputs,
    read_sources,
    read_virtual_packages,
    solve_lock,
)
from lading.net import channel_credentials
from lading.system import Progress, no_progress

DEFAULT_SOURCE = "environment.yml"


def lock(  # noqa: PLR0913  # one parameter for each choice
    *sources: str,
    project: Project | str | os.PathLike[str] = ".",
    name: str = "",
    platforms: Sequence[str] = (),
    channels: Sequence[str] = (),
    virtual_packages: str | None = None,
    update: Collection[str] = (),
    update_all: bool = False,
    keep_prefix: str | None = None,
    keep_lock: str | None = None,
    exclude_newer: str | None = None,
    build_sdists: bool = False,
    pip_index: str = "",
    timeout: float | None = None,
    dry_run: bool = False,
    progress: Progress = no_progress,
) -> LockOutcome:
    """Resolve `sources` into `locks/<name>/<platform>.conda-lock.yml`, all platforms at once.

    Pins that still satisfy the sources are kept.

    Args:
        sources: Paths of environment files, merged in this order, or the name of one environment
            of the configuration; none means the only one there is.
        project: The project, or its directory.
        name: Of the environment; empty takes that of the first source.
        platforms: Subdirs to lock for; empty takes those of the settings, the sources, or this
            machine's.
        channels: Instead of the sources' own.
        virtual_packages: A file in conda-lock's format: what machines have, by platform.
        update: Packages to move to the newest version allowed.
        update_all: Keep no pin.
        keep_prefix: A prefix whose packages are kept instead of those of the lockfile.
        keep_lock: A lockfile whose packages are kept instead.
        exclude_newer: A date; what was published after it does not exist.
        build_sdists: Let source distributions be built and locked.
        pip_index: URL of a package index instead of PyPI.
        timeout: Seconds for one platform's solver, or None.
        dry_run: Solve, and write nothing.
        progress: Told of each step.

    Raises:
        SpecError: A source is wrong.
        SolveError: There is no solution; `details` explain it.
        FetchError: A channel cannot be read.
        EngineError: The engine or conda-lock failed.
        UsageError: The arguments contradict each other.
    """
    project = project if isinstance(project, Project) else open_project(project)
    request = lock_request(
        project,
        sources,
        name=name,
        platforms=platforms,
        channels=channels,
        virtual_packages=virtual_packages,
    )
    request = replace(
        request,
        update=frozenset(update),
        update_all=update_all,
        timeout=timeout,
        pip_index=pip_index or request.pip_index,
        exclude_newer=parse_moment(exclude_newer),
        build_sdists=build_sdists,
    )
    preferred = _kept(project, request, keep_prefix, keep_lock)
    plan = plan_lock(request, replace(read_lock_inputs(request), preferred=preferred))
    solved = solve_lock(plan, project.build_engine(), progress, file_lists_of(project, request))
    return LockOutcome(platforms=solved, is_dry=True) if dry_run else apply_lock(solved)


def lock_request(  # one parameter for each choice
    project: Project,
    sources: Sequence[str],
    *,
    name: str = "",
    platforms: Sequence[str] = (),
    channels: Sequence[str] = (),
    virtual_packages: str | None = None,
) -> LockRequest:
    """The request that `sources`, the settings and the choices make together; see `lock`."""
    configured, paths = find_sources(project, sources)
    asked = read_sources(paths)
    chosen = name or configured or environment_name(asked)
    settings = project.settings.environments.get(chosen, EnvironmentSettings())
    return LockRequest(
        name=chosen,
        directory=project.directory,
        sources=asked,
        platforms=chosen_platforms(project, platforms or settings.platforms, asked),
        channels=tuple(channels or settings.channels),
        virtual_packages=expected_virtual_packages(project, settings, paths, virtual_packages),
        mirrors=with_channel_credentials(project, asked, channels),
        strict_priority=project.settings.strict_priority,
        pip_index=project.environment.get("PIP_INDEX_URL", ""),
        conda_lock=conda_lock_of(project),
    )


def _kept(
    project: Project, request: LockRequest, prefix: str | None, lockfile: str | None
) -> Mapping[Platform, tuple[LockedPackage, ...]]:
    """The pins to keep from elsewhere.

    Raises:
        UsageError: Two places are named, or a prefix for several platforms.
    """
    if prefix and lockfile:
        raise UsageError("two places to keep packages from are named", hint="name one of them")
    if lockfile:
        return pins_of_conda_lock(project.path(lockfile))
    if prefix:
        if len(request.platforms) > 1:
            raise UsageError("a prefix has one platform", hint="name it with -p")
        return pins_of_prefix(project.path(prefix), request.platforms[0], project.settings.mirrors)
    return {}


def conda_lock_of(project: Project) -> CondaLock:
    """conda-lock, its state below the project."""
    return CondaLock(
        state_directory=project.tree.state / "conda-lock",
        inherited_environment=project.environment,
    )


def file_lists_of(project: Project, request: LockRequest) -> FileLists:
    """Knows the files of archives: of those that were fetched before, and from where they lie."""
    caches = (project.tree.package_cache, *project.tree.layers)
    return FileLists(
        cache=project.tree.state / "file-lists",
        places=tuple(place for cache in caches for place in (cache, cache / WHEELS)),
        mirrors=request.mirrors,
        environment=project.environment,
    )


def find_sources(project: Project, sources: Sequence[str]) -> tuple[str, tuple[Path, ...]]:
    """The configured environment that the user named (or empty), and the files to read.

    Raises:
        UsageError: Nothing was named and several environments are configured.
    """
    known = project.settings.environments
    if not sources and len(known) > 1:
        raise UsageError(
            f"several environments are configured: {', '.join(sorted(known))}",
            hint="name one of them, or an environment file",
        )
    names = tuple(sources) or tuple(known) or (DEFAULT_SOURCE,)
    if len(names) == 1 and names[0] in known:
        base = project.settings.path.parent if project.settings.path else project.directory
        return names[0], tuple(base / source for source in known[names[0]].sources)
    return "", tuple(project.path(source) for source in names)


def environment_name(sources: Sources) -> str:
    """The name that the first source with one gives, else that of its directory."""
    return sources.name or sources.paths[0].resolve().parent.name


def named_platforms(
    project: Project, names: Sequence[str], sources: Sources
) -> tuple[Platform, ...]:
    """The platforms asked for, else those that the sources name; may be empty."""
    return tuple(dict.fromkeys(map(project.platform, names))) or sources.platforms


def chosen_platforms(
    project: Project, names: Sequence[str], sources: Sources
) -> tuple[Platform, ...]:
    """The platforms asked for, else those of the sources, else this machine's."""
    return named_platforms(project, names, sources) or (project.platform(None),)


def with_channel_credentials(
    project: Project, sources: Sources, channels: Sequence[str]
) -> MirrorMap:
    """The mirror map, with the credentials that stand in the channels of the user.

    Raises:
        SpecError: One names a variable that is not set.
    """
    written = [*channels, *(text for item in sources.files for text in item.channels_as_written)]
    mirrors = project.settings.mirrors
    found = channel_credentials(written, project.environment)
    return replace(mirrors, credentials=(*found, *mirrors.credentials))


def expected_virtual_packages(
    project: Project, settings: EnvironmentSettings, sources: Sequence[Path], named: str | None
) -> Mapping[Platform, Mapping[str, str]]:
    """Platform → name → version of what is expected of machines besides the defaults.

    The file that the user named says most, then the configuration, then a file of conda-lock's
    that lies beside a source.

    Raises:
        SpecError: One of these files is wrong.
    """
    beside = find_virtual_packages(dict.fromkeys(source.parent for source in sources))
    found = read_virtual_packages(beside) if beside is not None and named is None else {}
    chosen = read_virtual_packages(project.path(named)) if named is not None else {}
    return {
        platform: {
            **found.get(platform, {}),
            **settings.virtual_packages_of(platform),
            **chosen.get(platform, {}),
        }
        for platform in Platform
    }


def parse_moment(text: str | None) -> dt.datetime | None:
    """The date or moment that a user wrote; a date means its end, without offset it is UTC.

    Raises:
        UsageError: It is none.
    """
    if text is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{text!r} is not a date", hint="write 2026-01-31 or 2026-01-31T12:00:00+00:00"
        ) from error
    if len(text) <= len("2026-01-31"):
        moment = moment.replace(hour=23, minute=59, second=59)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)
