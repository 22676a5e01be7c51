"""Which lockfile, or which prefix, a user means."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lading.api.project import Project
from lading.conda import Platform, is_path_separator_free, native_platform
from lading.config import EnvironmentSettings
from lading.errors import LockError, NotAPrefixError, UsageError
from lading.install import read_install_record, sha256_by_md5
from lading.lock import (
    LOCK_SUFFIX,
    Choice,
    Lockfile,
    LockGraph,
    Unusable,
    choose_categories,
    default_environment,
    is_lock_path,
    lock_graph,
    lock_path,
    locked_environments,
    locked_platforms,
    read_foreign,
    read_lockfile,
    refuse_unusable,
)
from lading.net import Network
from lading.system import Digest, nearest


def find_lock(project: Project, environment: str, platform: str | None) -> tuple[Path, str]:
    """The lockfile of an environment, and the name of the environment.

    Args:
        project: Where to look.
        environment: Name of an environment, or the path of a lockfile.
        platform: Subdir, or None for this machine's.

    Raises:
        UsageError: `environment` can be neither.
        LockError: There is no such lockfile; the hint says how to make it.
    """
    if is_lock_path(environment):
        path = project.path(environment)
        return path, path.parent.name if path.name.endswith(LOCK_SUFFIX) else path.stem
    if not is_path_separator_free(environment):
        raise UsageError(
            f"{environment!r} is not an environment name", hint="name it, or name a lockfile"
        )
    wanted = project.platform(platform)
    if wanted not in locked_platforms(project.directory, environment):
        raise _not_locked(project, environment, wanted)
    return lock_path(project.directory, environment, wanted), environment


def _not_locked(project: Project, environment: str, platform: Platform) -> LockError:
    """The error for a missing lockfile: it names what is locked, and the command to run."""
    platforms = locked_platforms(project.directory, environment)
    if platforms:
        return LockError(
            f"{environment} is not locked for {platform}, only for {', '.join(platforms)}",
            hint=f"run `lading lock -p {platform} {environment}`, or choose with -p",
        )
    locked = locked_environments(project.directory)
    known = f"locked are {', '.join(locked)}" if locked else "nothing is locked yet"
    hint = "run `lading lock` on its environment.yml"
    configured = project.settings.environments
    for near in nearest(environment, {*locked, *configured}):
        hint = f"did you mean {near}?"
    if environment in configured:
        hint = f"run `lading lock {environment}`"
    return LockError(f"{environment} is not locked for {platform} ({known})", hint=hint)


def find_installed(project: Project, environment: str) -> Path:
    """The prefix of the environment that was installed under this name, absolute.

    Raises:
        NotAPrefixError: There is none, or its installation was not completed.
    """
    path, record = project.path(environment), None
    if is_path_separator_free(environment):
        record = read_install_record(project.tree.build(environment, project.platform(None)))
    if record is None:
        hint = f"run `lading install {environment}`, or name a prefix"
        installed = (path.name for path in (project.directory / "build").glob("*/"))
        for near in nearest(environment, {*locked_environments(project.directory), *installed}):
            hint = f"did you mean {near}? If not, {hint}"
        if path.is_file():
            raise NotAPrefixError(
                f"{path} is a file, and not an image",
                hint=f"if it is a tarball, unpack it first: lading unpack {environment} DIR",
            )
        if environment in locked_environments(project.directory):
            raise NotAPrefixError(f"{environment} is locked, but not installed", hint=hint)
        raise NotAPrefixError(f"there is no environment {environment}", hint=hint)
    return Path(record.prefix)


def read_chosen(
    project: Project,
    environment: str,
    platform: str | None,
    choice: Choice,
    *,
    offline: bool = False,
) -> tuple[str, Lockfile]:
    """The name of an environment, and of its lock what `choice` and the configuration want.

    What another tool locked by an MD5 alone is fetched once for its SHA-256.
    """
    path, name, lock = _read(project, environment, platform, offline=offline)
    return name, _chosen(project, path, name, lock, choice)


def _chosen(project: Project, path: Path, name: str, lock: Lockfile, choice: Choice) -> Lockfile:
    settings = project.settings.environments.get(name, EnvironmentSettings())
    chosen = choose_categories(lock, replace(choice, default=settings.categories))
    return refuse_unusable(path, chosen)


def _read(
    project: Project, environment: str, platform: str | None, *, offline: bool = False
) -> tuple[Path, str, Lockfile]:
    """The path of a lockfile, the name of its environment, and what it says on one platform."""
    path, name = find_lock(project, environment, platform)
    wanted = project.platform(platform) if platform else None
    if not is_lock_path(environment) or (path.name.endswith(LOCK_SUFFIX) and path.is_file()):
        try:
            return path, name, read_lockfile(path, wanted)
        except LockError:
            if not is_lock_path(environment):
                raise
    lock = _of_several(path, read_foreign(path, {}, wanted), wanted)
    if any(item.md5 for item in lock.unusable):
        known = settled_digests(project, lock.unusable, offline=offline)
        lock = _of_several(path, read_foreign(path, known, wanted), wanted)
    return path, lock.environment or name, lock


def settled_digests(
    project: Project, wanted: Sequence[Unusable], *, offline: bool = False
) -> dict[Digest, Digest]:
    """MD5 → SHA-256 of archives of which a lock has the first alone; fetched where unknown."""
    network = Network(environment=project.environment, offline=offline)
    return sha256_by_md5(wanted, project.tree, project.settings.mirrors, network)


def _of_several(path: Path, locks: Sequence[Lockfile], wanted: Platform | None) -> Lockfile:
    """The lock that is meant: of the platform wanted, or this machine's, or the only one."""
    platforms = dict.fromkeys(lock.platform for lock in locks)
    listed = ", ".join(platforms) or "none"
    if wanted is None and len(platforms) > 1 and native_platform() in platforms:
        wanted = native_platform()
    if wanted is None and len(platforms) != 1:
        raise LockError(f"{path} is for {listed}", hint="name one platform with -p")
    if wanted is not None and wanted not in platforms:
        raise LockError(f"{path} is for {listed}, not for {wanted}", hint="name one of these")
    return default_environment(path, locks, wanted or locks[0].platform)


def known_environments(project: Project) -> tuple[str, ...]:
    """The environments that are configured, where none is those that are locked; sorted."""
    return tuple(sorted(project.settings.environments)) or locked_environments(project.directory)


def named_environments(
    project: Project, names: Sequence[str], *, every: bool = False
) -> tuple[str, ...]:
    """The environments named; all with `every`; without both the only one that is locked.

    Raises:
        UsageError: Some are named besides `every`, or none is and there are several.
    """
    if every and names:
        raise UsageError("some environments are named, and all", hint="leave out the names")
    if not every:
        return tuple(dict.fromkeys(names)) or (_only_environment(project),)
    found = known_environments(project)
    if not found:
        raise UsageError("there is no environment", hint="lock one with `lading lock`")
    return found


def read_one_lock(
    project: Project, environment: str | None, platform: str | None, choice: Choice | None = None
) -> tuple[Path, Lockfile]:
    """The lockfile meant: of the only environment that is locked, where none is named.

    The platform is the one named, this machine's where it is locked, else the first that is.

    Args:
        project: Where to look.
        environment: Name of an environment, or the path of a lockfile.
        platform: Subdir, or None.
        choice: Which categories are wanted; None wants all of them.

    Raises:
        UsageError: Several environments are locked, and none is named.
        LockError: There is none, or it cannot be read.
    """
    name = environment or _only_environment(project)
    if platform is None and not is_lock_path(name):
        locked = locked_platforms(project.directory, name)
        if locked and native_platform() not in locked:
            platform = locked[0].value
    path, found, lock = _read(project, name, platform)
    if choice is None:
        return path, refuse_unusable(path, lock)
    return path, _chosen(project, path, found, lock, choice)


def read_graph(
    project: Project, environment: str | None, platform: str | None, choice: Choice | None = None
) -> LockGraph:
    """What needs what in the lock meant, see `read_one_lock`."""
    path, lock = read_one_lock(project, environment, platform, choice)
    return lock_graph(lock, path.parent)


def _only_environment(project: Project) -> str:
    names = locked_environments(project.directory)
    if len(names) != 1:
        if not names:
            hint = "lock one first: `lading lock environment.yml`"
            raise UsageError("nothing is locked in this project", hint=hint)
        known = ", ".join(names)
        raise UsageError("several environments are locked", hint=f"name one of them: {known}")
    return names[0]
