"""Take over the locks of other tools: their packages as they are, in lading's files."""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lading.api.access import access_of
from lading.api.environments import settled_digests
from lading.api.locking import LockChoices, lock_environments
from lading.api.project import Project
from lading.conda import Platform, is_environment_name
from lading.errors import LockError, UsageError, raised_as
from lading.install import wheel_builder
from lading.lock import (
    LockedPackage,
    Lockfile,
    PipOptions,
    adopted_bytes,
    is_environment_file,
    is_pip_lock,
    lock_path,
    locked_platforms,
    read_foreign,
    read_lockfile,
    read_pip_lock,
    refuse_unusable,
)
from lading.system import Progress, no_progress, write_atomically


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """A lockfile made of another tool's.

    Attributes:
        left_out: Names that the user had left out and that were there.
    """

    path: Path
    lock: Lockfile
    origin: tuple[Path, ...]
    left_out: tuple[str, ...]
    written: bool


def adopt(
    project: Project,
    files: Sequence[str],
    *,
    name: str = "",
    platforms: Sequence[str] = (),
    leave_out: Collection[str] = (),
    progress: Progress = no_progress,
) -> tuple[Adopted, ...]:
    """Write the locks in `files` as `locks/<name>/<platform>.conda-lock.yml`; nothing is solved.

    The same files give the same bytes. What has an MD5 alone is fetched once. An environment file,
    which is no lock, is locked with the versions that it names.

    Args:
        project: The project.
        files: Of conda-lock, pixi or conda; and pylock.toml or requirements for the pip part, of
            these or of what is locked already.
        name: Of the environment; empty takes those that the files say.
        platforms: Which to take; empty means all. An explicit file may need its own said.
        leave_out: Names of packages that are not taken, such as one that has no archive.
        progress: Told of each step of locking.

    Raises:
        LockError: A file cannot be read, or an entry cannot be installed.
        UsageError: The files do not fit together.
        FetchError: An archive without SHA-256 cannot be fetched.
    """
    if name and not is_environment_name(name):
        raise UsageError(f"{name!r} cannot name an environment", hint="name it without slashes")
    paths = [project.path(item) for item in files]
    pip = [path for path in paths if is_pip_lock(path)]
    environments = [path for path in paths if path not in pip and is_environment_file(path)]
    if environments:
        return _lock(project, environments, paths, name, platforms, progress)
    wanted = frozenset(map(project.platform, platforms))
    locks = [
        (path, lock)
        for path in paths
        if path not in pip
        for lock in _read(project, path, wanted)
        if lock.platform in wanted or not wanted
    ]
    if not locks:
        locks = _locked_already(project, name, wanted)
    merged: dict[Path, Adopted] = {}
    for path, lock in locks:
        target = lock_path(project.directory, name or lock.environment, lock.platform)
        if target in merged:
            raise UsageError(
                f"{path} and {merged[target].origin[0]} are both of {target.parent.name} for"
                f" {lock.platform}",
                hint="adopt them one at a time, each with its name (-n)",
            )
        merged[target] = _adopted(project, path, lock, target, pip, leave_out)
    _refuse_unknown(leave_out, merged.values())
    for item in merged.values():
        if item.written:
            hint = "make room, or correct its permissions"
            with raised_as(LockError, f"cannot write {item.path}", hint):
                write_atomically(item.path, _bytes(item), sync=True)
    return tuple(merged.values())


def _read(project: Project, path: Path, wanted: Collection[Platform]) -> tuple[Lockfile, ...]:
    """The locks in the file at `path`, archives without SHA-256 looked up."""
    platform = next(iter(wanted)) if len(wanted) == 1 else None
    locks = read_foreign(path, {}, platform)
    missing = [
        item
        for lock in locks
        if lock.platform in wanted or not wanted
        for item in lock.unusable
        if item.md5 is not None
    ]
    if missing:
        locks = read_foreign(path, settled_digests(project, missing), platform)
    return locks


def _locked_already(
    project: Project, name: str, wanted: Collection[Platform]
) -> list[tuple[Path, Lockfile]]:
    """The locks of the environment `name`, to which a pip part is given."""
    found = locked_platforms(project.directory, name) if name else ()
    if not found:
        raise UsageError(
            "a pip part needs the conda packages that it belongs to",
            hint="name a conda lock too, or a locked environment with -n",
        )
    chosen = [item for item in found if item in wanted or not wanted]
    paths = [lock_path(project.directory, name, item) for item in chosen]
    return [(path, read_lockfile(path)) for path in paths]


def _adopted(  # what is adopted, and how
    project: Project,
    path: Path,
    lock: Lockfile,
    target: Path,
    pip: Sequence[Path],
    leave_out: Collection[str],
) -> Adopted:
    kept = replace(
        lock,
        packages=tuple(item for item in lock.packages if item.name not in leave_out),
        unusable=tuple(item for item in lock.unusable if item.name not in leave_out),
        sources=_relative(path, lock.sources, target) if path != target else lock.sources,
    )
    refuse_unusable(path, kept)
    if pip:
        kept = _with_pip(project, kept, pip)
    names = {item.name for item in lock.packages} | {item.name for item in lock.unusable}
    result = Adopted(
        path=target,
        lock=kept,
        origin=(path, *pip),
        left_out=tuple(sorted(names & set(leave_out))),
        written=True,
    )
    is_same = target.is_file() and target.read_bytes() == _bytes(result)
    return replace(result, written=not is_same)


def _bytes(item: Adopted) -> bytes:
    return adopted_bytes(item.lock, item.path.parent.name)


def _relative(path: Path, sources: Sequence[str], target: Path) -> tuple[str, ...]:
    """`sources`, written relative to `path`, relative to `target`."""
    return tuple(
        Path(os.path.relpath(path.parent / source, target.parent)).as_posix() for source in sources
    )


def _with_pip(project: Project, lock: Lockfile, pip: Sequence[Path]) -> Lockfile:
    """The lock with the packages of `pip` instead of its pip part."""
    packages: dict[str, LockedPackage] = {}

    def look_up(options: PipOptions, requirements: Sequence[str], python: str) -> bytes:
        access = access_of(project, None, options=(options,))
        no_index = () if options.allow_index else ("--no-index",)
        builder = wheel_builder(project.tree, project.environment, access.mirrors, access.variables)
        return builder.find_wheels((*no_index, *requirements), python)

    for path in pip:
        for found in read_pip_lock(path, lock, look_up):
            item = replace(found, url=project.settings.mirrors.canonical(found.url))
            if packages.setdefault(item.name, item).url != item.url:
                raise LockError(
                    f"{path} has another {item.name} than {pip[0]}", hint="adopt one of them"
                )
    return replace(lock, packages=(*lock.conda, *(packages[name] for name in sorted(packages))))


def _refuse_unknown(leave_out: Collection[str], adopted: Collection[Adopted]) -> None:
    unknown = sorted(set(leave_out) - {name for item in adopted for name in item.left_out})
    if unknown:
        raise UsageError(f"there is no {unknown[0]} to be left out", hint="correct its name")


def _lock(  # what `adopt` has
    project: Project,
    environments: Sequence[Path],
    paths: Sequence[Path],
    name: str,
    platforms: Sequence[str],
    progress: Progress,
) -> tuple[Adopted, ...]:
    """Lock environment files with the versions that they name."""
    if len(environments) < len(paths):
        raise UsageError(
            "environment files and locks are named together",
            hint="lock the environment files: lading lock FILE --from-conda-lock LOCK",
        )
    words = tuple(str(path) for path in environments)
    choices = LockChoices(name=name, platforms=platforms)
    (outcome, *_) = lock_environments(project, (words,), choices, progress=progress)
    return tuple(
        Adopted(
            path=item.path,
            lock=item.lockfile,
            origin=tuple(environments),
            left_out=(),
            written=item.written,
        )
        for item in outcome.platforms
    )
