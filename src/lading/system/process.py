"""Running other programs: the only module that starts one.

A child gets exactly the environment that is passed, a closed standard input and a process group of
its own. When lading is interrupted, the whole group is ended first; when lading is killed, Linux
kills the child, so that it does not write into a prefix that the next run creates again.
"""

import ctypes
import logging
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import msgspec

from lading.errors import EngineFailedError, EngineNotFoundError, raised_as
from lading.system.program import Run
from lading.system.redaction import redact

LAST_LINES = 20
PR_SET_PDEATHSIG = 1

# What a program needs to work at all; everything else of the caller's environment stays outside.
_KEPT_VARIABLES = (
    "PATH",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "all_proxy",
)

_log = logging.getLogger(__name__)


class Completed(msgspec.Struct, frozen=True, kw_only=True):
    """What a program left behind.

    Attributes:
        returncode: Its exit code; negative when a signal ended it.
        stdout: Its standard output, decoded as UTF-8 with replacement.
        stderr: Its standard error, likewise.
    """

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str

    def last_lines(self) -> tuple[str, ...]:
        """The last lines of standard error, or of standard output where that is empty."""
        text = self.stderr.strip() or self.stdout.strip()
        return tuple(text.splitlines()[-LAST_LINES:])


def scrubbed_environment(
    inherited: Mapping[str, str], home: Path, extra: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The environment that an engine or installer gets.

    Of the caller's variables only those survive that a program needs to find other programs, a
    temporary directory, a proxy and certificates. In particular no `CONDA_*`, `MAMBA_*`, `PIP_*`,
    `UV_*`, `PYTHON*` or `LD_*` variable does.

    `home` is private to the build and becomes HOME; `extra` is set on top.
    """
    environment = {name: inherited[name] for name in _KEPT_VARIABLES if name in inherited}
    environment |= {"HOME": str(home), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    return environment | dict(extra or {})


def run(request: Run) -> Completed:
    """Run a program to its end, and return its outcome whatever its exit code.

    Raises:
        EngineNotFoundError: The executable does not exist or may not be executed.
        EngineFailedError: It ran longer than `request.timeout` seconds.
    """
    _log.debug("run %s", redact(command_line(request.argv)))
    started = time.monotonic()
    hint = "name an existing executable, or leave it to the embedded engine"
    child = _start(request, hint, subprocess.DEVNULL, subprocess.PIPE, subprocess.PIPE)
    try:
        stdout, stderr = child.communicate(timeout=request.timeout)
    except subprocess.TimeoutExpired as error:
        _end_group(child, request.grace)
        raise EngineFailedError(
            f"{Path(request.argv[0]).name} was ended after {request.timeout:g} seconds",
            hint="allow more time with --timeout",
        ) from error
    except BaseException:
        _end_group(child, request.grace)
        raise
    _log.debug("%s: exit %d, %.2f s", request.argv[0], child.returncode, time.monotonic() - started)
    return Completed(
        argv=request.argv,
        returncode=child.returncode,
        stdout=stdout.decode(errors="replace"),
        stderr=stderr.decode(errors="replace"),
    )


def _start(
    request: Run, hint: str, stdin: int, stdout: int, stderr: int | IO[bytes]
) -> subprocess.Popen[bytes]:
    """Start a program in a process group of its own; `hint` is for one that cannot be run."""
    with raised_as(EngineNotFoundError, f"cannot run {request.argv[0]}", hint):
        return subprocess.Popen(  # noqa: S603  # argv is built by the adapters, never by a shell
            request.argv,
            env=dict(request.environment),
            cwd=request.directory,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            preexec_fn=_mortal(os.getpid()),  # noqa: PLW1509  # one system call, nothing that locks
        )


def run_checked(request: Run, failure: str, hint: str = "") -> Completed:
    """Run a program that must succeed.

    Raises:
        EngineNotFoundError: The executable does not exist.
        EngineFailedError: Its exit code is not 0; `details` hold its last words.
    """
    completed = run(request)
    if completed.returncode != 0:
        raise EngineFailedError(
            f"{failure} (exit code {completed.returncode})",
            hint=hint,
            details=completed.last_lines(),
        )
    return completed


@contextmanager
def read_from(request: Run) -> Iterator[IO[bytes]]:
    """Run a program whose standard output the block reads; it must succeed.

    Raises:
        EngineNotFoundError: The executable does not exist.
        EngineFailedError: Its exit code is not 0; `details` hold its words.
    """
    with tempfile.TemporaryFile() as errors:
        child = _start(
            request, "name an existing executable", subprocess.DEVNULL, subprocess.PIPE, errors
        )
        assert child.stdout is not None  # noqa: S101  # for the type checker
        try:
            yield child.stdout
            child.wait()
        except BaseException:
            child.kill()
            raise
        finally:
            child.stdout.close()
            child.wait()
        if child.returncode != 0:
            errors.seek(0)
            lines = errors.read().decode(errors="replace").splitlines()
            raise EngineFailedError(
                f"{Path(request.argv[0]).name} failed (exit code {child.returncode})",
                details=tuple(lines[-LAST_LINES:]),
            )


def _mortal(parent: int) -> Callable[[], None] | None:
    """Return what a child runs first on Linux: a request to be killed when `parent` exits."""
    if not sys.platform.startswith("linux"):
        return None
    # Looked up here: after a fork nothing may be loaded.
    prctl = ctypes.CDLL(None).prctl

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return ask


def _end_group(child: subprocess.Popen[bytes], grace: float) -> None:
    """End the child and all that it started, politely first.

    The group outlives a child that has ended already: what it left running is killed all the same.
    """
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with suppress(subprocess.TimeoutExpired):
            child.communicate(timeout=grace)


def command_line(argv: Sequence[str]) -> str:
    """`argv` as one line for a person to read and paste."""
    return shlex.join(argv)
