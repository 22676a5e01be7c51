"""Running programs one after the other, and what each run took."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

__all__ = ["BenchError", "Contestant", "Measurement", "in_turn", "measure", "nothing"]

LAUNCHER = Path(__file__).with_name("launcher.py")
LAST_LINES = 20


class BenchError(Exception):
    """Something cannot be measured; the message is for a person."""


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """What one run of a program took.

    Attributes:
        wall: Seconds from its start to its end.
        cpu: Seconds of CPU, user and system, of it and of all that it started.
        peak: Bytes of memory of the largest single process.
        size: Bytes of what it made or moved; 0 where that says nothing.
    """

    wall: float
    cpu: float
    peak: int
    size: int = 0


def nothing() -> None:
    """Do nothing."""


def no_size() -> int:
    """Nothing that has a size is made."""
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A program in a row of measured runs.

    Attributes:
        name: What it is called in this row; unique there.
        argv: Its executable, absolute, and its arguments.
        environment: The whole of its environment.
        directory: Its current directory, absolute.
        before: Makes the state that each run starts from; not measured.
        size: What was made, in bytes; asked after each run.
        after: Takes away what was made; not measured.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path
    before: Callable[[], None] = field(default=nothing)
    size: Callable[[], int] = field(default=no_size)
    after: Callable[[], None] = field(default=nothing)


def measure(contestant: Contestant) -> Measurement:
    """What one run takes.

    Before it the disk is given what earlier runs left in memory to be written, so that it does not
    write it during this one.

    Raises:
        BenchError: The program failed.
    """
    contestant.before()
    log = contestant.directory / ".bench.log"
    request = {
        "argv": contestant.argv,
        "environment": dict(contestant.environment),
        "directory": str(contestant.directory),
        "log": str(log),
    }
    os.sync()
    taken = json.loads(_launched(json.dumps(request)))
    if taken["code"] != 0:
        lines = log.read_text(errors="replace").splitlines()[-LAST_LINES:]
        raise BenchError(
            "\n".join([f"exit code {taken['code']}: {' '.join(contestant.argv)}", *lines])
        )
    log.unlink()
    result = Measurement(
        wall=taken["wall"], cpu=taken["cpu"], peak=taken["peak"], size=contestant.size()
    )
    contestant.after()
    return result


def _launched(request: str) -> bytes:
    """What the launcher answers; when this is interrupted, nothing that it started goes on."""
    argv = [sys.executable, "-I", "-S", str(LAUNCHER), request]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True) as child:
        try:
            answer, _ = child.communicate()
        except BaseException:
            os.killpg(child.pid, signal.SIGKILL)
            raise
    if child.returncode != 0:
        raise BenchError("the launcher failed; what it said stands above")
    return answer


def in_turn(
    contestants: Sequence[Contestant], rounds: int, *, warm_up: bool = True
) -> dict[str, tuple[Measurement, ...]]:
    """Name → what each round took, in the order of the rounds.

    A round runs each contestant once, one after the other; so what the machine does besides meets
    them alike. A warm-up round before the first is not counted.
    """
    taken: dict[str, list[Measurement]] = {item.name: [] for item in contestants}
    for number in range(rounds + warm_up):
        for item in contestants:
            result = measure(item)
            is_counted = number >= warm_up
            sys.stderr.write(
                f"  {item.name}: {result.wall:.2f} s, CPU {result.cpu:.2f} s,"
                f" {result.peak >> 20} MiB{'' if is_counted else ' (warm-up)'}\n"
            )
            if is_counted:
                taken[item.name].append(result)
    return {name: tuple(results) for name, results in taken.items()}
