"""The command `lading` as a user runs it: in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import lading as package

__all__ = ["Outcome", "child_environment", "lading", "listing", "start"]

PROGRAM = "from lading.cli.app import main; main()"
LIMIT_SECONDS = 60
COVERAGE = ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG", "COVERAGE_FILE")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left behind."""

    code: int
    stdout: str
    stderr: str

    @property
    def error_lines(self) -> list[str]:
        """The lines of standard error that begin with `error:`."""
        return [line for line in self.stderr.splitlines() if line.startswith("error:")]

    @property
    def is_plain_error(self) -> bool:
        """Whether it ended with one `error:` line, one `hint:` line and no traceback."""
        hints = [line for line in self.stderr.splitlines() if line.startswith("hint: ")]
        return len(self.error_lines) == len(hints) == 1 and "Traceback" not in self.stderr


def child_environment(directory: Path) -> dict[str, str]:
    """The variables of a process that has its home in `directory` and imports this very lading."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(directory),
        "PYTHONPATH": str(Path(package.__file__).parents[1]),
        "PYTHONDONTWRITEBYTECODE": "1",
        # A crash says where.
        "PYTHONFAULTHANDLER": "1",
        "LADING_ENGINE": "embedded",
    }


def start(
    arguments: Sequence[object],
    directory: Path,
    environment: Mapping[str, str] | None = None,
    preparation: Callable[[], None] | None = None,
    errors: int = subprocess.PIPE,
) -> "subprocess.Popen[str]":
    """The running command, with the embedded engine unless `environment` says otherwise.

    `preparation` runs in the child before the command does; `errors` is where its standard error
    goes.
    """
    inherited = {name: os.environ[name] for name in COVERAGE if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM, *map(str, arguments)],
        cwd=directory,
        env={**child_environment(directory), **inherited, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        preexec_fn=preparation,  # noqa: PLW1509  # no thread of the tests holds a lock that it needs
    )


def lading(
    arguments: Sequence[object],
    directory: Path,
    environment: Mapping[str, str] | None = None,
    preparation: Callable[[], None] | None = None,
) -> Outcome:
    """What `lading` with `arguments` did in `directory`."""
    with start(arguments, directory, environment, preparation) as child:
        stdout, stderr = child.communicate(timeout=LIMIT_SECONDS)
    return Outcome(child.returncode, stdout, stderr)


def listing(directory: Path) -> list[str]:
    """Every path below `directory`, sorted."""
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))
