"""The command `lading`, many times and quickly: loaded once, forked for each command.

    with Launcher.start(directory) as launcher:
        launcher.run("unpack", tarball, prefix).code
        launcher.run("pack", "sample", kill_after=0.03).was_killed

Each command runs `lading.cli.app.main` in a process of its own, as it does for a user; only the
imports have been done. It is killed with SIGKILL unless another signal is named.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from simulators.command import child_environment

__all__ = ["Launcher", "Run", "start_worker"]

PROGRAM = """
import json, os, signal, sys, time
from importlib import import_module
from lading.cli.app import main
for name in ("clean", "fetch_frames", "gc", "install", "pack", "rollback", "unpack", "verify"):
    import_module("lading.cli." + name)

def command(order):
    devnull = os.open(order["stdin"], os.O_RDONLY)
    os.dup2(devnull, 0)
    output = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    code = 70
    try:
        main(order["arguments"])
    except SystemExit as end:
        code = end.code or 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

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
            yield cls(process, directory)
            assert process.stdin is not None
            process.stdin.close()

    def run(
        self,
        *arguments: object,
        kill_after: float | None = None,
        number: signal.Signals = signal.SIGKILL,
        stdin: Path = Path(os.devnull),
    ) -> Run:
        """How a command ended; it is sent a signal after some seconds unless it is done by then."""
        output = self.directory / ".launcher-output"
        order = {
            "arguments": [str(item) for item in arguments],
            "kill_after": kill_after,
            "signal": number,
            "stdin": str(stdin),
            "output": str(output),
        }
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return Run(answer["code"], answer["seconds"], output.read_text("utf-8", "replace"))


def start_worker(
    program: str,
    directory: Path,
    *arguments: object,
    variables: Mapping[str, str] | None = None,
) -> "subprocess.Popen[str]":
    """A python process that runs the text `program` in `directory`, with lading to be imported."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=directory,
        env={**child_environment(directory), **(variables or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
