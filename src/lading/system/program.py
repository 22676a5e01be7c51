"""A program: what it is started with, where it is found, and how this process becomes it."""

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Never

import msgspec

from lading.errors import EngineNotFoundError, raised_as


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One program to be run.

    Attributes:
        environment: The whole environment of the child, nothing is inherited.
        directory: Its current directory (absolute), or None for the caller's.
        timeout: Seconds after which it is ended, or None for no limit.
        grace: Seconds that it has to end by itself when it is asked to.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path | None = None
    timeout: float | None = None
    grace: float = 5.0


def become(request: Run, executable: str) -> Never:
    """Replace this process by a program, which gets its terminal, its streams and its signals.

    The current directory stays. `executable` is an absolute path.

    Raises:
        EngineNotFoundError: It cannot be executed.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    # Python ignores it, and what is ignored stays so in the new program.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    with raised_as(EngineNotFoundError, f"cannot run {executable}", "name an executable program"):
        os.execve(executable, request.argv, dict(request.environment))  # noqa: S606  # no shell on purpose


def find_program(name: str, path: str) -> str | None:
    """The path of a program, as of `shutil.which`, which is slow to load.

    `path` has the directories to look in, separated by colons.
    """
    directories = [""] if "/" in name else path.split(":")
    places = (os.path.join(directory, name) for directory in directories)  # noqa: PTH118  # text
    return next((item for item in places if _is_program(item)), None)


def _is_program(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)  # noqa: PTH113  # text
