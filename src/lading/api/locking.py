"""Lock an environment: which sources, platforms and pins are meant, then plan, solve, write."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from lading.api.access import access_of
from lading.api.asked import chosen_channels, expected_virtual_packages, named_platforms, read_asked
from lading.api.project import AnyProject, Project, as_project
from lading.conda import Platform
from lading.config import EnvironmentSettings
from lading.errors import UsageError
from lading.install import WHEELS, wheel_builder
from lading.lock import (
    CondaLock,
    FileLists,
    LockedPackage,
    LockInputs,
    LockOutcome,
    LockRequest,
    PlatformOutcome,
    Sources,
    apply_lock,
    locked_platforms,
    pins_of_conda_lock,
    pins_of_prefix,
    plan_lock,
    read_lock_inputs,
    refuse_unlocked,
    solve_group,
    solve_lock,
)
from lading.system import Progress, make_untracked, no_progress

Member = tuple[LockRequest, LockInputs]


@dataclass(frozen=True, slots=True, kw_only=True)
class LockChoices:
    """How to lock; see `lock`."""

    name: str = ""
    platforms: Sequence[str] = ()
    channels: Sequence[str] = ()
    virtual_packages: str | None = None
    update: Collection[str] = ()
    update_all: bool = False
    keep_prefix: str | None = None
    keep_lock: str | None = None
    exclude_newer: str | None = None
    build_sdists: bool = False
    pip_index: str = ""
    timeout: float | None = None


def lock(  # noqa: PLR0913  # one parameter for each choice
    *sources: str,
    project: AnyProject = ".",
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

    Pins that still satisfy the sources are kept. The other environments of its solve-group are
    locked too.

    Args:
        sources: Paths of environment files, merged in this order, or the name of one environment
            of the configuration, or of one that is locked; none means the only one there is.
        project: The project, or its directory.
        name: Of the environment; empty takes that of the first source.
        platforms: Subdirs to lock for; empty takes those of the settings, the sources, of the
            locks of an environment that was named, or this machine's.
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
    choices = LockChoices(
        name=name,
        platforms=platforms,
        channels=channels,
        virtual_packages=virtual_packages,
        update=update,
        update_all=update_all,
        keep_prefix=keep_prefix,
        keep_lock=keep_lock,
        exclude_newer=exclude_newer,
        build_sdists=build_sdists,
        pip_index=pip_index,
        timeout=timeout,
    )
    return lock_environments(
        as_project(project), (sources,), choices, dry_run=dry_run, progress=progress
    )[0]


def lock_environments(
    project: Project,
    environments: Sequence[Sequence[str]],
    choices: LockChoices,
    *,
    dry_run: bool = False,
    progress: Progress = no_progress,
) -> tuple[LockOutcome, ...]:
    """Lock several environments, and the others of their solve-groups; see `lock`.

    Nothing is written before all of them are solved.

    Args:
        project: The project.
        environments: The words that name each, as `environments_meant` gives them.
        choices: How to lock them.
        dry_run: Solve, and write nothing.
        progress: Told of each step.

    Returns:
        In the order of `environments`, then of the others.

    Raises:
        LadingError: As `lock`.
        UsageError: One `name` is given to several environments.
    """
    if choices.name and len(environments) > 1:
        raise UsageError("several environments have one name", hint="leave out -n, or lock one")
    requests = [lock_request(project, words, choices) for words in environments]
    requests += _of_the_same_groups(project, requests, choices)
    make_untracked(project.tree.state)
    members = []
    for request in requests:
        preferred = _kept(project, request, choices.keep_prefix, choices.keep_lock)
        members.append((request, replace(read_lock_inputs(request), preferred=preferred)))
    if len(members) > 1:
        members = _updating_what_each_has(members)
    engine = project.build_engine()
    solved: dict[str, tuple[PlatformOutcome, ...]] = {}
    for group, together in _by_group(project, members).items():
        if group and len(together) > 1:
            found = solve_group(group, together, engine, progress)
            solved |= {one[0].name: item for one, item in zip(together, found, strict=True)}
            continue
        for request, inputs in together:
            solved[request.name] = solve_lock(plan_lock(request, inputs), engine, progress)
    outcomes = [solved[request.name] for request in requests]
    if dry_run:
        return tuple(LockOutcome(platforms=item, is_dry=True) for item in outcomes)
    return tuple(apply_lock(item) for item in outcomes)


def _of_the_same_groups(
    project: Project, requests: Sequence[LockRequest], choices: LockChoices
) -> list[LockRequest]:
    """Requests for the environments that share a solve-group with one of `requests`."""
    known = {request.name for request in requests}
    groups = {group for name in known if (group := _group(project, name))}
    return [
        lock_request(project, (name,), choices)
        for name in sorted(project.settings.environments)
        if name not in known and _group(project, name) in groups
    ]


def _group(project: Project, name: str) -> str:
    settings = project.settings.environments.get(name)
    return settings.solve_group if settings is not None else ""


def _by_group(project: Project, members: Sequence[Member]) -> dict[str, list[Member]]:
    """Solve-group, empty for none → its members, in their order."""
    found: dict[str, list[Member]] = {}
    for member in members:
        found.setdefault(_group(project, member[0].name), []).append(member)
    return found


def _updating_what_each_has(members: Sequence[Member]) -> list[Member]:
    """The members; each updates those of the named packages that it has."""
    locked = [
        {item.name for lock in inputs.locks.values() for item in lock.packages}
        for _, inputs in members
    ]
    refuse_unlocked(members[0][0].update, set().union(*locked))
    return [
        (replace(request, update=request.update & names), inputs)
        for (request, inputs), names in zip(members, locked, strict=True)
    ]


def lock_request(project: Project, sources: Sequence[str], choices: LockChoices) -> LockRequest:
    """The request that `sources`, the settings and the choices make together; see `lock`."""
    named, chosen, settings, asked = read_asked(project, sources, choices.name)
    wanted = choices.platforms or settings.platforms
    platforms = named_platforms(project, wanted, asked)
    if named and not platforms:
        platforms = locked_platforms(project.directory, named)
    return request_of(
        project,
        chosen,
        asked,
        expected_virtual_packages(project, settings, asked.paths, choices.virtual_packages),
        platforms=platforms or (project.platform(None),),
        channels=chosen_channels(project, named, settings, asked, choices.channels),
        choices=choices,
    )


def request_of(  # noqa: PLR0913  # what differs between locking and merging
    project: Project,
    name: str,
    asked: Sources,
    virtual_packages: Mapping[Platform, Mapping[str, str]],
    *,
    platforms: tuple[Platform, ...],
    channels: tuple[str, ...],
    choices: LockChoices = LockChoices(),
) -> LockRequest:
    """The request for the environment `name`, with what the settings and this machine say."""
    settings = project.settings.environments.get(name, EnvironmentSettings())
    access = access_of(project, asked, choices.channels, choices.pip_index)
    caches = (project.tree.package_cache, *project.tree.layers)
    return LockRequest(
        name=name,
        directory=project.directory,
        sources=asked,
        platforms=platforms,
        channels=channels,
        virtual_packages=virtual_packages,
        mirrors=access.mirrors,
        strict_priority=project.settings.strict_priority,
        update=frozenset(choices.update),
        update_all=choices.update_all,
        timeout=choices.timeout,
        pip_index=access.default_index,
        indexes=access.indexes,
        exclude_newer=parse_moment(choices.exclude_newer),
        build_sdists=choices.build_sdists or settings.build_sdists,
        conda_lock=conda_lock_of(project),
        builder=wheel_builder(project.tree, project.environment, access.mirrors, access.variables),
        file_lists=FileLists(
            cache=project.tree.state / "file-lists",
            places=tuple(place for cache in caches for place in (cache, cache / WHEELS)),
            mirrors=access.mirrors,
            environment=project.environment,
        ),
    )


def _kept(
    project: Project, request: LockRequest, prefix: str | None, lockfile: str | None
) -> Mapping[Platform, tuple[LockedPackage, ...]]:
    """The pins to keep from elsewhere."""
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
        state_directory=project.tree.state / "conda-lock", inherited_environment=project.environment
    )


def parse_moment(text: str | None) -> dt.datetime | None:
    """The date or moment that a user wrote; a date means its end, without offset it is UTC."""
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
