"""What every command gets: the world, read once."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, TextIO

import msgspec

from lading.api import Project
from lading.report import printable
from lading.system import Progress, no_progress

if TYPE_CHECKING:  # slow to load
    from lading.report import Answer


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """The world as one command sees it.

    Attributes:
        stdout: For data.
        stderr: For everything else.
        quiet: Whether progress and summaries are left out.
    """

    project: Project
    stdout: TextIO
    stderr: TextIO
    json: bool
    quiet: bool

    def say(self, line: str) -> None:
        """Print a message for a person, unless `quiet`."""
        if not self.quiet:
            self.stderr.write(printable(line) + "\n")

    def write(self, document: str) -> None:
        """Write data for people and programs: without secrets and control characters."""
        self.stdout.write(printable(document))

    def show(self, answer: "Answer") -> None:
        """Write an answer that is data itself, as text or as JSON."""
        self.write(answer.json if self.json else answer.text)

    def tell(self, answer: "Answer", *data: object) -> None:
        """Say what was done, and write `data`, a line each; as JSON write the answer alone."""
        if self.json:
            self.write(answer.json)
        else:
            self.say(answer.text.rstrip())
            self.write("".join(f"{item}\n" for item in data))

    def write_json(self, schema: str, **fields: object) -> None:
        """Write a document with this schema, where JSON was asked for."""
        if self.json:
            from lading.report import render_json  # noqa: PLC0415  # not for --help

            self.write(render_json(schema, **fields))

    def write_exactly(self, program: str) -> None:
        """Write what another program evaluates, as it is."""
        self.stdout.write(program)

    @contextmanager
    def progress(self, sizes: Mapping[str, str] = MappingProxyType({})) -> "Iterator[Progress]":
        """Tell how far work is while the block runs: a bar on a terminal, else a line a phase.

        Args:
            sizes: Phase → how much it is, for the line; may be filled while the block runs.
        """
        if self.quiet or "NO_PROGRESS" in self.project.environment:
            yield no_progress
        elif self.stderr.isatty():
            from lading.report import progress_bar  # noqa: PLC0415  # rich is slow to load

            with progress_bar(self.stderr) as watched:
                yield watched
        else:
            from lading.report import phase_lines  # noqa: PLC0415  # not for every command

            yield phase_lines(self.stderr, sizes)
