"""Which environments, sources and settings a user means who locks or checks."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lading.api.environments import named_environments
from lading.api.project import Project
from lading.conda import Platform, is_environment_name
from lading.config import EnvironmentSettings
from lading.errors import UsageError
from lading.lock import (
    FilesRequest,
    Sources,
    find_virtual_packages,
    lock_path,
    locked_platforms,
    read_lockfile,
    read_sources,
    read_virtual_packages,
)

DEFAULT_SOURCE = "environment.yml"


def chosen_channels(
    project: Project,
    name: str,
    settings: EnvironmentSettings,
    sources: Sources,
    channels: Sequence[str],
) -> tuple[str, ...]:
    """The channels instead of those of the sources; empty where theirs hold.

    Where neither says any, an environment named by the user keeps those it was locked from.
    """
    chosen = tuple(channels or settings.channels)
    if chosen or not name or any(item.channels for item in sources.files):
        return chosen
    found = locked_platforms(project.directory, name)
    return read_lockfile(lock_path(project.directory, name, found[0])).channels if found else ()


def read_asked(
    project: Project, sources: Sequence[str], name: str = ""
) -> tuple[str, str, EnvironmentSettings, Sources]:
    """Read what `sources` and the settings ask for.

    Returns:
        The environment that the user named (or empty), the name of the environment, its settings,
        its sources.

    Raises:
        UsageError: Nothing was named and several environments are configured.
        SpecError: A source is wrong.
    """
    named, paths = find_sources(project, sources)
    chosen = name or named
    # Only the sources may say the name, and only the settings which projects belong to it.
    chosen = chosen or environment_name(read_sources(paths))
    settings = project.settings.environments.get(chosen, EnvironmentSettings())
    projects = [_base(project) / item for item in settings.projects]
    asked = read_sources(paths, projects, root=project.directory)
    files = project_files_of(project, settings)
    return named, chosen, settings, replace(asked, project_files=files)


def project_files_of(project: Project, settings: EnvironmentSettings) -> tuple[FilesRequest, ...]:
    """The files of the project that the settings of an environment ask for."""
    return tuple(
        FilesRequest(source=_base(project) / item.source, target=item.target)
        for item in settings.files
    )


def _base(project: Project) -> Path:
    """The directory that paths of the settings are relative to."""
    return project.settings.path.parent if project.settings.path else project.directory


def environments_meant(
    project: Project, words: Sequence[str], *, every: bool = False
) -> tuple[tuple[str, ...], ...]:
    """The words that name each environment: several names are several, files are one together.

    Raises:
        UsageError: Something is named besides `every`, or there is no environment.
    """
    if every:
        return tuple((name,) for name in named_environments(project, words, every=True))
    if words and all(_is_environment(project, word) for word in words):
        return tuple((word,) for word in dict.fromkeys(words))
    return (tuple(words),)


def _is_environment(project: Project, word: str) -> bool:
    """Whether `word` names an environment that is configured, or locked while no file has it."""
    if word in project.settings.environments:
        return True
    is_name = is_environment_name(word) and not project.path(word).is_file()
    return is_name and bool(locked_platforms(project.directory, word))


def find_sources(project: Project, sources: Sequence[str]) -> tuple[str, tuple[Path, ...]]:
    """The environment that the user named (or empty), and the files to read."""
    known = project.settings.environments
    if not sources and len(known) > 1:
        raise UsageError(
            f"several environments are configured: {', '.join(sorted(known))}",
            hint="name some of them, or an environment file, or use --all",
        )
    names = tuple(sources) or tuple(known) or (DEFAULT_SOURCE,)
    if len(names) > 1 or not _is_environment(project, names[0]):
        return "", tuple(project.path(source) for source in names)
    name = names[0]
    if name in known:
        return name, tuple(_base(project) / source for source in known[name].sources)
    path = lock_path(project.directory, name, locked_platforms(project.directory, name)[0])
    found = read_lockfile(path).sources
    if not found:
        raise UsageError(
            f"the lock of {name} names no source: another tool made it",
            hint=f"write an environment file (lading export {name} --environment-yml gives one to"
            f" begin with), then lading lock FILE -n {name}",
        )
    return name, tuple(Path(os.path.normpath(path.parent / source)) for source in found)


def environment_name(sources: Sources) -> str:
    """The name that the first source with one gives, else that of its directory."""
    return sources.name or sources.paths[0].resolve().parent.name


def named_platforms(
    project: Project, names: Sequence[str], sources: Sources
) -> tuple[Platform, ...]:
    """The platforms asked for, else those that the sources name; may be empty."""
    return tuple(dict.fromkeys(map(project.platform, names))) or sources.platforms


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
