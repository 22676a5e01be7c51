"""How a command ends: its exit code, and what is said of an error."""

import errno
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TextIO

import click

from lading.errors import (
    EngineNotFoundError,
    InputError,
    LadingError,
    MachineError,
    UsageError,
)

INTERRUPTED = 130
PROGRAM_ERROR = 70

BUILD_MODULES = {"conda_lock", "conda_pack", "networkx", "packaging", "rattler", "uv", "yaml"}
"""What the extra `build` brings, and a node lacks."""

OUT_OF_MEMORY = ("can't start new thread", "failed to map segment", "annot allocate memory")
"""What Python says where a thread or a library does not fit into memory."""

SIMILAR = 0.8
"""How alike an option must be to be suggested, from 0 to 1."""

PERMISSIONS = "correct its permissions, or let a user run this who has them"

HINTS = {
    errno.EACCES: PERMISSIONS,
    errno.EPERM: PERMISSIONS,
    errno.ENOSPC: "free space there",
    errno.EDQUOT: "free space there, or ask for a larger quota",
    errno.EROFS: "name a place on a file system that may be written to",
    errno.ENOTDIR: "name a directory: a file stands where one is needed",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
}
"""What to do about an error of the system; for others, see `_machine_error`."""


def guarded(call: Callable[[], object], options: Sequence[str]) -> int:
    """Run `call`, the command with `options`; print its error, if any, and return the exit code."""
    try:
        result = call()
        sys.stdout.flush()
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001  # panics of rattler, too; 1 would mean "no"
        if not _is_writable(sys.stdout) and isinstance(error, OSError) and error.filename is None:
            error.filename = "standard output"
        code = _ended(error, options)
        _is_writable(sys.stdout)
        _is_writable(sys.stderr)
        return code
    return result if isinstance(result, int) else 0


def _is_writable(stream: TextIO) -> bool:
    """Whether what was written to `stream` got there; if not, it is given up.

    Else Python would complain at its end, and change the exit code.
    """
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return False
    return True


def _ended(error: BaseException, options: Sequence[str]) -> int:
    match error:
        case KeyboardInterrupt() | click.Abort():
            _say("interrupted\n")
            return INTERRUPTED
        case BrokenPipeError():
            # The reader closed its end, as `head` does.
            return INTERRUPTED
        case _:
            expected = _expected(error)
            return _internal_error(error) if expected is None else _print(expected, options)


def _say(text: str) -> None:
    """Write `text` for a person, if there is a place for it: the exit code says it too."""
    with suppress(OSError):
        sys.stderr.write(text)


def _expected(error: BaseException) -> LadingError | None:
    """The error to print for `error`; None for a mistake in lading."""
    match error:
        case InputError(__cause__=PermissionError()):
            # The file is there: the hints of those who read it say where to get one.
            error.hint = PERMISSIONS
            return error
        case LadingError():
            return error
        case click.UsageError():
            return _usage_error(error)
        case ModuleNotFoundError() if (error.name or "").partition(".")[0] in BUILD_MODULES:
            return _missing_extra(error.name)
        case _:
            return _machine_error(error)


def _machine_error(error: BaseException) -> MachineError | None:
    """The error for a failure of the machine that no command expects; None for another one."""
    if isinstance(error, MemoryError) or any(words in str(error) for words in OUT_OF_MEMORY):
        hint = "use fewer workers (-j 1), or raise the memory limit"
        return MachineError("not enough memory", hint=hint)
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename is not None else ""
        hint = HINTS.get(error.errno or 0, "check the disk, its mounts and permissions")
        return MachineError(f"{place}{error.strerror or error}", hint=hint)
    return None


def _usage_error(error: click.UsageError) -> UsageError:
    """An error of click in our words; click suggests options that are hardly alike."""
    command = error.ctx.command_path if error.ctx is not None else "lading"
    message, hint = error.format_message().rstrip("."), f"see `{command} --help`"
    if isinstance(error, click.NoSuchOption):
        import difflib  # noqa: PLC0415  # not needed on a good day

        message = f"no such option: {error.option_name}"
        known = error.possibilities or ()
        for similar in difflib.get_close_matches(error.option_name, known, 1, SIMILAR):
            hint = f"did you mean {similar}? {hint}"
    return UsageError(message[:1].lower() + message[1:], hint=hint)


def _internal_error(error: BaseException) -> int:
    import traceback  # noqa: PLC0415  # not needed on a good day

    from lading.report import printable  # noqa: PLC0415

    _say(printable("".join(traceback.format_exception(error))))
    _say("error: internal error; please report it with this traceback\n")
    return PROGRAM_ERROR


def _missing_extra(module: str | None) -> EngineNotFoundError:
    return EngineNotFoundError(
        f"this needs the build side of lading, which is not installed ({module} is missing)",
        hint="python -m pip install 'lading[build]'",
    )


def _print(error: LadingError, options: Sequence[str]) -> int:
    """Print `error`, as JSON too where that was asked for; return its exit code."""
    from lading.report import printable, render_error  # noqa: PLC0415

    answer = render_error(error)
    if "--json" in options:
        sys.stdout.write(printable(answer.json))
    _say(printable(answer.text))
    return error.exit_code
