"""What every command gets: the world, read once."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from lading.conda import Platform, native_platform, parse_platform
from lading.errors import UsageError
from lading.install import BuildTree
from lading.system import no_progress

if TYPE_CHECKING:  # what they load takes longer than `lading --help` may
    from lading.config import Settings
    from lading.engine import Engine
from lading.system import Progress

__all__ = ["Context", "absolute"]


def absolute(directory: Path, text: str) -> Path:
    """The path that a user in `directory` names with `text`.

    Symbolic links in it stay as they are, unless a `..` follows them: then it says something else
    than it seems to, and what an environment is told of its place must be plain.

    Raises:
        UsageError: It begins with the `~` of a user that there is not.
    """
    try:
        path = directory / Path(text).expanduser()
    except RuntimeError as error:
        raise UsageError(f"{text}: there is no such user", hint="write ./~ for a name") from error
    return path.resolve() if ".." in path.parts else path


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The world as one command sees it.

    Attributes:
        directory: The project: absolute, holds `locks/`, `build/` and `dist/`.
        environment: The environment variables.
        settings: Of the configuration file.
        tree: Where things lie.
        build_engine: Makes the engine that was chosen; called only by commands that need one.
        stdout: For data.
        stderr: For everything else.
        json: Whether data is JSON.
        quiet: Whether progress and summaries are left out.
        processors: How many threads may run at once.
    """

    directory: Path
    environment: Mapping[str, str]
    settings: "Settings"
    tree: BuildTree
    build_engine: "Callable[[], Engine]"
    stdout: TextIO
    stderr: TextIO
    json: bool
    quiet: bool
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

    def say(self, line: str) -> None:
        """Tell a person something that is no data."""
        if not self.quiet:
            self.stderr.write(line + "\n")

    def write(self, document: str) -> None:
        """Write data."""
        self.stdout.write(document)

    @contextmanager
    def progress(self) -> "Iterator[Progress]":
        """A progress bar while the block runs; nothing unless a person watches."""
        if self.quiet or not self.stderr.isatty() or "NO_PROGRESS" in self.environment:
            yield no_progress
            return
        from lading.report import progress_bar  # noqa: PLC0415  # rich is slow to load

        with progress_bar(self.stderr) as watched:
            yield watched
