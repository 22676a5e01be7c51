"""The command `lading` as a user runs it: in a process of its own."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from simulators.launcher import (
    LIMIT_SECONDS,
    PROGRAM as LAUNCHER,
    Launcher,
    child_environment,
    start_worker,
)

__all__ = ["Outcome", "at_once", "child_environment", "lading", "listing", "start"]

PROGRAM = "from lading.cli.app import main; main()"
COVERAGE = ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG", "COVERAGE_FILE")
AT_START = ("COVERAGE", "LANG", "LC_", "PYTHON", "TZ")
"""How the names of variables begin that an interpreter reads when it starts."""


_idle: list[Launcher] = []


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
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM, *map(str, arguments)],
        cwd=directory,
        env={**child_environment(directory), **_coverage(), **(environment or {})},
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
    """What `lading` with `arguments` did in `directory`.

    It is forked from a process that has imported everything, where that makes no difference.
    """
    given = environment or {}
    if preparation is None and not any(
        name.startswith(AT_START) for name in (*given, *_coverage())
    ):
        return _forked(arguments, directory, given)
    with start(arguments, directory, environment, preparation) as child:
        stdout, stderr = child.communicate(timeout=LIMIT_SECONDS)
    return Outcome(child.returncode, stdout, stderr)


def at_once(calls: Iterable[Callable[[], Outcome]]) -> list[Outcome]:
    """The outcomes of commands that mostly wait before they try again."""
    with ThreadPoolExecutor(8) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def _forked(
    arguments: Sequence[object], directory: Path, environment: Mapping[str, str]
) -> Outcome:
    # Threads may run commands at once, each with a launcher of its own.
    launcher = _taken()
    output, errors = launcher.directory / "output", launcher.directory / "errors"
    code, _ = launcher.order(
        arguments=[*map(str, arguments)],
        directory=str(directory),
        variables={**child_environment(directory), **environment},
        output=str(output),
        errors=str(errors),
    )
    outcome = Outcome(code, output.read_text(), errors.read_text())
    _idle.append(launcher)
    return outcome


def _taken() -> Launcher:
    """A launcher that nobody uses."""
    try:
        return _idle.pop()
    except IndexError:
        return _started()


def _started() -> Launcher:
    """One more launcher, which ends with this process."""
    place = Path(tempfile.mkdtemp(prefix="launcher-"))
    launcher = Launcher(start_worker(LAUNCHER, place), place)

    def end() -> None:
        launcher.close()
        launcher.process.wait()
        shutil.rmtree(place)

    atexit.register(end)
    return launcher


def _coverage() -> dict[str, str]:
    """The variables that have a child measured."""
    return {name: os.environ[name] for name in COVERAGE if name in os.environ}


def listing(directory: Path) -> list[str]:
    """Every path below `directory`, sorted."""
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))
