"""The command `lading`, many times and quickly: loaded once, forked for each command.

    with Launcher.start(directory) as launcher:
        launcher.run("unpack", tarball, prefix).code
        launcher.run("pack", "sample", kill_after=0.03).was_killed

Each command runs `lading.cli.app.main` in a process of its own, as it does for a user; only the
imports have been done. It is killed with SIGKILL unless another signal is named.
"""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import lading as package

__all__ = ["LIMIT_SECONDS", "Launcher", "Run", "child_environment", "start_worker"]

LIMIT_SECONDS = 60

PROGRAM = """
import gc, json, os, pkgutil, signal, sys, time
from importlib import import_module
import lading
from lading.cli.app import main
for module in pkgutil.walk_packages(lading.__path__, "lading."):
    # Those belong to conda-lock's process.
    if ".condalock_" not in module.name:
        import_module(module.name)
gc.freeze()

def command(order):
    os.chdir(order["directory"])
    if order["variables"] is not None:
        os.environ.clear()
        os.environ.update(order["variables"])
    os.dup2(os.open(order["stdin"], os.O_RDONLY), 0)
    create = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    os.dup2(os.open(order["output"], create), 1)
    os.dup2(os.open(order["errors"], create) if order["errors"] else 1, 2)
    # It ends as a process does that was started alone: what runs at its exit runs.
    main(order["arguments"])

for line in sys.stdin:
    order = json.loads(line)
    begin = time.monotonic()
    child = os.fork()
    if child == 0:
        command(order)
    if order["kill_after"] is not None:
        time.sleep(order["kill_after"])
        os.kill(child, order["signal"])
    _, status = os.waitpid(child, 0)
    seconds = time.monotonic() - begin
    code = os.waitstatus_to_exitcode(status)
    print(json.dumps({"code": code, "seconds": seconds}), flush=True)
"""

KILLED = -9


@dataclass(frozen=True, slots=True)
class Run:
    """How a command ended.

    Attributes:
        code: Its exit code, -9 where it was killed.
        seconds: How long it ran.
        output: What it wrote, standard output and standard error mixed.
    """

    code: int
    seconds: float
    output: str

    @property
    def was_killed(self) -> bool:
        """Whether it was killed before it ended."""
        return self.code == KILLED


@dataclass(frozen=True, slots=True)
class Launcher:
    """A process that runs commands one after the other in `directory`."""

    process: "subprocess.Popen[str]"
    directory: Path

    @classmethod
    @contextmanager
    def start(
        cls, directory: Path, variables: Mapping[str, str] | None = None
    ) -> Iterator["Launcher"]:
        """A launcher that ends with the block; `variables` are those of its commands."""
        with start_worker(PROGRAM, directory, variables=variables) as process:
            launcher = cls(process, directory)
            yield launcher
            launcher.close()

    def close(self) -> None:
        """Take no more commands."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def run(
        self,
        *arguments: object,
        kill_after: float | None = None,
        number: signal.Signals = signal.SIGKILL,
        stdin: Path = Path(os.devnull),
    ) -> Run:
        """How a command ended; it is sent a signal after some seconds unless it is done by then."""
        output = self.directory / ".launcher-output"
        code, seconds = self.order(
            arguments=[str(item) for item in arguments],
            kill_after=kill_after,
            signal=number,
            stdin=str(stdin),
            output=str(output),
        )
        return Run(code, seconds, output.read_text("utf-8", "replace"))

    def order(self, **order: object) -> tuple[int, float]:
        """Exit code and seconds of a command; PROGRAM says what can be asked for.

        Raises:
            subprocess.TimeoutExpired: It took too long; the launcher has ended, too.
        """
        standard = {
            "directory": str(self.directory),
            "variables": None,
            "stdin": os.devnull,
            "errors": None,
            "kill_after": None,
        }
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(standard | order) + "\n")
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], LIMIT_SECONDS)[0]:
            self.process.kill()
            raise subprocess.TimeoutExpired(str(order["arguments"]), LIMIT_SECONDS)
        answer = json.loads(self.process.stdout.readline())
        return answer["code"], answer["seconds"]


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


def start_worker(
    program: str,
    directory: Path,
    *arguments: object,
    variables: Mapping[str, str] | None = None,
) -> "subprocess.Popen[str]":
    """A python process that runs the text `program` in `directory`, with lading to be imported."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program, *map(str, arguments)],
        cwd=directory,
        env={**child_environment(directory), **(variables or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
