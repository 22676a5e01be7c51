"""How a command ends: its exit code, and what is said of an error."""

import os
import sys
from collections.abc import Callable, Sequence

import click

from lading.errors import EngineNotFoundError, LadingError, UsageError

__all__ = ["guarded"]

INTERRUPTED = 130
PROGRAM_ERROR = 70

BUILD_MODULES = {"conda_lock", "conda_pack", "networkx", "packaging", "rattler", "uv", "yaml"}
"""What the extra `build` brings, and a node lacks."""

SIMILAR = 0.8
"""How alike an option must be to be suggested, from 0 to 1."""


def guarded(call: Callable[[], object], options: Sequence[str]) -> int:
    """Run `call`, the command with `options`; print its error, if any, and return the exit code."""
    try:
        result = call()
        sys.stdout.flush()
    except LadingError as error:
        return _print(error, options)
    except click.UsageError as error:
        return _print(_usage_error(error), options)
    except (KeyboardInterrupt, click.Abort):
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader closed its end, as `head` does. Python would complain when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001  # exit code 1 would mean that the answer is no
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        is_extra = (missing or "").partition(".")[0] in BUILD_MODULES
        return _print(_missing_extra(missing), options) if is_extra else _internal_error()
    return result if isinstance(result, int) else 0


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


def _internal_error() -> int:
    import traceback  # noqa: PLC0415  # not needed on a good day

    traceback.print_exc()
    sys.stderr.write("error: internal error; please report it with this traceback\n")
    return PROGRAM_ERROR


def _missing_extra(module: str | None) -> EngineNotFoundError:
    return EngineNotFoundError(
        f"this needs the build side of lading, which is not installed ({module} is missing)",
        hint="python -m pip install 'lading[build]'",
    )


def _print(error: LadingError, options: Sequence[str]) -> int:
    """Print `error`, as JSON too where that was asked for; return its exit code."""
    from lading.report import render_error, render_error_json  # noqa: PLC0415

    if "--json" in options:
        sys.stdout.write(render_error_json(error))
    sys.stderr.write(render_error(error))
    return error.exit_code
