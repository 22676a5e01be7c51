"""A project: its directory, its settings, and the world around it, read once."""

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lading.conda import Platform, native_platform, parse_platform
from lading.errors import EngineNotFoundError, UsageError
from lading.system import processors

if TYPE_CHECKING:  # slow to load, and not for every command
    from lading.config import Settings
    from lading.engine import Engine
    from lading.install import BuildTree


def absolute(directory: Path, text: str) -> Path:
    """The path that a user in `directory` names with `text`.

    Symbolic links in it stay as they are, unless a `..` follows them: then it says something else
    than it seems to, and what an environment is told of its place must be plain.
    """
    try:
        path = directory / Path(text).expanduser()
    except RuntimeError as error:
        raise UsageError(f"{text}: there is no such user", hint="write ./~ for a name") from error
    return path.resolve() if ".." in path.parts else path


class Project(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A directory with environment files, locks and builds, and how its packages are reached.

    What stands in files is read when it is first asked for: a node needs none of it.

    Attributes:
        directory: Absolute; holds `locks/`, `build/` and `dist/`.
        engine: `micromamba` or `embedded`; empty leaves it to LADING_ENGINE, the settings, and to
            whether a micromamba is found.
        micromamba: Path of its executable, relative to `directory`; empty for any.
        package_cache: Directory to use instead of `.lading/pkgs`; empty for that.
        package_layers: Package caches or mirrors that are only read.
        processors: How many workers may run at once.
    """

    directory: Path
    environment: Mapping[str, str]
    engine: str = ""
    micromamba: str = ""
    package_cache: str = ""
    package_layers: tuple[str, ...] = ()
    processors: int = msgspec.field(default_factory=processors)

    @cached_property
    def settings(self) -> "Settings":
        """What the configuration file says, with the credentials found on this machine.

        Raises:
            SpecError: The configuration or a file of credentials cannot be read.
        """
        from dataclasses import replace  # noqa: PLC0415  # not on a node

        from lading.config import read_settings  # noqa: PLC0415  # the same
        from lading.net import read_credentials  # noqa: PLC0415  # the same

        found = read_settings(self.directory)
        mirrors = replace(
            found.mirrors,
            credentials=read_credentials(self.environment),
            project=self.directory.as_uri(),
        )
        return replace(found, mirrors=mirrors)

    @cached_property
    def tree(self) -> "BuildTree":
        """The directories of the project.

        Raises:
            SpecError: As of `settings`.
        """
        from lading.install import BuildTree  # noqa: PLC0415  # not on a node

        return BuildTree(
            self.directory,
            self.path(self.package_cache) if self.package_cache else None,
            (*map(self.path, self.package_layers), *self.settings.package_layers),
        )

    def build_engine(self) -> "Engine":
        """Start the chosen engine; where nothing was chosen, micromamba if one is found.

        Raises:
            UsageError: There is no such engine.
            EngineNotFoundError: micromamba was chosen, and is not there.
        """
        from lading.engine import EmbeddedEngine, MicromambaEngine, find_micromamba  # noqa: PLC0415  # the library is slow to load

        variables = self.environment
        chosen = self.engine or variables.get("LADING_ENGINE", "") or self.settings.engine
        if chosen not in {"", "micromamba", "embedded"}:
            raise UsageError(f"there is no engine {chosen!r}", hint="choose micromamba or embedded")
        if chosen != "embedded":
            explicit = self.directory / self.micromamba if self.micromamba else None
            found = find_micromamba(explicit, variables, self.directory)
            if found is not None:
                return MicromambaEngine.start(found, self.tree.state / "micromamba", variables)
            if chosen == "micromamba" or self.micromamba:
                raise EngineNotFoundError(
                    "there is no micromamba",
                    hint="name it with --micromamba or LADING_MICROMAMBA, or use --engine embedded",
                )
        return EmbeddedEngine(self.tree.state / "embedded")

    def platform(self, name: str | None) -> Platform:
        """The platform named, or this machine's.

        Raises:
            UsageError: There is no such platform.
        """
        try:
            return parse_platform(name) if name else native_platform()
        except ValueError as error:
            raise UsageError(str(error), hint="choose one of these with -p") from error

    def path(self, text: str) -> Path:
        """A path that the user named, absolute; see `absolute`."""
        return absolute(self.directory, text)


AnyPath = str | os.PathLike[str]

AnyProject = Project | str | os.PathLike[str]
"""A project, or its directory."""


def as_project(project: AnyProject) -> Project:
    """The project, opened where it is named by its directory."""
    return project if isinstance(project, Project) else open_project(project)


def find_prefix(project: Project, environment: str) -> tuple[Path, str]:
    """The prefix of an environment, absolute, and what it is called.

    Args:
        project: Where to look.
        environment: Name of an installed environment, or the path of a prefix.

    Raises:
        NotAPrefixError: There is none, or its installation was not completed.
    """
    path = project.path(environment)
    if (path / "conda-meta").is_dir():
        return path, path.name
    from lading.api.environments import find_installed  # noqa: PLC0415  # not on a node

    return find_installed(project, environment), environment


def open_project(  # one parameter for each choice
    directory: AnyPath = ".",
    *,
    environment: Mapping[str, str] | None = None,
    engine: str = "",
    micromamba: str = "",
    package_cache: str = "",
    package_layers: Sequence[str] = (),
) -> Project:
    """The project in `directory`.

    Args:
        directory: Relative to the current directory, or absolute.
        environment: Variables to use instead of those of this process.
        engine: See `Project`.
        micromamba: See `Project`.
        package_cache: See `Project`.
        package_layers: See `Project`.

    Raises:
        UsageError: `directory` does not exist.
    """
    root = absolute(Path.cwd(), os.fspath(directory))
    if not root.is_dir():
        raise UsageError(f"{root} is not a directory", hint="name the project's directory")
    return Project(
        directory=root,
        environment=dict(os.environ if environment is None else environment),
        engine=engine,
        micromamba=micromamba,
        package_cache=package_cache,
        package_layers=tuple(package_layers),
    )
