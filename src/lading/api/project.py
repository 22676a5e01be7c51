"""A project: its directory, its settings, and the world around it, read once."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lading.conda import Platform, native_platform, parse_platform
from lading.errors import EngineNotFoundError, UsageError
from lading.install import BuildTree
from lading.system import processors

if TYPE_CHECKING:  # what they load takes longer than `lading --help` may
    from lading.config import Settings
    from lading.engine import Engine


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A directory with environment files, locks and builds, and how its packages are reached.

    Attributes:
        directory: Absolute; holds `locks/`, `build/` and `dist/`.
        settings: Of the configuration file, with the credentials found on this machine.
        build_engine: Makes the chosen engine; called only where one is needed.
        processors: How many workers may run at once.
    """

    directory: Path
    environment: Mapping[str, str]
    settings: "Settings"
    tree: BuildTree
    build_engine: "Callable[[], Engine]"
    processors: int

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


def open_project(  # one parameter for each choice
    directory: AnyPath = ".",
    *,
    environment: Mapping[str, str] | None = None,
    engine: str = "",
    micromamba: str = "",
    package_cache: str = "",
    package_layers: Sequence[str] = (),
) -> Project:
    """Read the settings and credentials that hold in `directory`.

    Args:
        directory: Relative to the current directory, or absolute.
        environment: Variables to use instead of those of this process.
        engine: `micromamba` or `embedded`; empty leaves it to LADING_ENGINE, the settings, and to
            whether a micromamba is found.
        micromamba: Path of its executable, relative to `directory`.
        package_cache: Directory to use instead of `.lading/pkgs`.
        package_layers: Package caches or mirrors that are only read.

    Raises:
        UsageError: `directory` does not exist.
        SpecError: The configuration or a file of credentials cannot be read.
    """
    from lading.config import read_settings  # noqa: PLC0415  # not for --help
    from lading.net import read_credentials  # noqa: PLC0415  # the same

    root = absolute(Path.cwd(), os.fspath(directory))
    if not root.is_dir():
        raise UsageError(f"{root} is not a directory", hint="name the project's directory")
    variables = dict(os.environ if environment is None else environment)
    settings = read_settings(root)
    mirrors = replace(
        settings.mirrors, credentials=read_credentials(variables), project=root.as_uri()
    )
    settings = replace(settings, mirrors=mirrors)
    tree = BuildTree(
        root,
        absolute(root, package_cache) if package_cache else None,
        (*(absolute(root, item) for item in package_layers), *settings.package_layers),
    )
    chosen = engine or variables.get("LADING_ENGINE", "") or settings.engine
    return Project(
        directory=root,
        environment=variables,
        settings=settings,
        tree=tree,
        build_engine=partial(build_engine, chosen, micromamba, variables, tree),
        processors=processors(),
    )


def build_engine(
    chosen: str, micromamba: str, environment: Mapping[str, str], tree: BuildTree
) -> "Engine":
    """Start the chosen engine; where nothing was chosen, micromamba if one is found."""
    from lading.engine import EmbeddedEngine, MicromambaEngine, find_micromamba  # noqa: PLC0415  # the library is slow to load

    if chosen not in {"", "micromamba", "embedded"}:
        raise UsageError(f"there is no engine {chosen!r}", hint="choose micromamba or embedded")
    if chosen != "embedded":
        explicit = tree.root / micromamba if micromamba else None
        found = find_micromamba(explicit, environment, tree.root)
        if found is not None:
            return MicromambaEngine.start(found, tree.state / "micromamba", environment)
        if chosen == "micromamba" or micromamba:
            raise EngineNotFoundError(
                "there is no micromamba",
                hint="name it with --micromamba or LADING_MICROMAMBA, or use --engine embedded",
            )
    return EmbeddedEngine(tree.state / "embedded")
