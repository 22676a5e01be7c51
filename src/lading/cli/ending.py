"""How a command ends: its exit code, and what is said of an error."""

import os
import sys
from collections.abc import Callable, Sequence

import click

from lading.errors import EngineNotFoundError, LadingError, MachineError, UsageError

INTERRUPTED = 130
PROGRAM_ERROR = 70

BUILD_MODULES = {"conda_lock", "conda_pack", "networkx", "packaging", "rattler", "uv", "yaml"}
"""What the extra `build` brings, and a node lacks."""

OUT_OF_MEMORY = ("can't start new thread", "failed to map segment", "annot allocate memory")
"""What Python says where a thread or a library does not fit into memory."""

SIMILAR = 0.8
"""How alike an option must be to be suggested, from 0 to 1."""


def guarded(call: Callable[[], object], options: Sequence[str]) -> int:
    """Run `call`, the command with `options`; print its error, if any, and return the exit code."""
    try:
        result = call()
        sys.stdout.flush()
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001  # panics of rattler, too; 1 would mean "no"
        return _ended(error, options)
    return result if isinstance(result, int) else 0


def _ended(error: BaseException, options: Sequence[str]) -> int:
    match error:
        case KeyboardInterrupt() | click.Abort():
            sys.stderr.write("interrupted\n")
            return INTERRUPTED
        case BrokenPipeError():
            # The reader closed its end, as `head` does. Python would complain when it flushes.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return INTERRUPTED
        case _:
            expected = _expected(error)
            return _internal_error(error) if expected is None else _print(expected, options)


def _expected(error: BaseException) -> LadingError | None:
    """The error to print for `error`; None for a mistake in lading."""
    match error:
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
        hint = "check the disk, its mounts and permissions"
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

    sys.stderr.write(printable("".join(traceback.format_exception(error))))
    sys.stderr.write("error: internal error; please report it with this traceback\n")
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
    sys.stderr.write(printable(answer.text))
    return error.exit_code
