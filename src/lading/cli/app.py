"""The command `lading`: options that all commands share, engines, errors and exit codes."""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from types import FrameType
from typing import Never

import click

from lading.api import open_project
from lading.cli.context import Context
from lading.errors import EngineNotFoundError, LadingError, UsageError
from lading.version import VERSION

__all__ = ["main"]

INTERRUPTED = 130
SIGNALLED = 128
PROGRAM_ERROR = 70

BUILD_MODULES = {"conda_lock", "conda_pack", "networkx", "packaging", "rattler", "uv", "yaml"}
"""What the extra `build` brings, and a node lacks."""

COMMANDS = {
    "bootstrap": "Get the pinned micromamba, its digest checked.",
    "clean": "Remove caches.",
    "diff": "Say what differs between two locks.",
    "export": "Write a lock in another form.",
    "fetch": "Download what an installation needs, to install offline.",
    "fetch-frames": "Get the frames of a tarball that a store lacks.",
    "gc": "Remove old versions, and frames that no prefix needs.",
    "graph": "Draw what needs what.",
    "install": "Fill a prefix from a lockfile.",
    "lock": "Resolve environment files into lockfiles, one a platform.",
    "merge-lock": "Merge two sides of a lockfile, as a git merge driver.",
    "mirror": "Write all packages of a lock, as a channel.",
    "pack": "Pack an environment into a tarball with its bill.",
    "relocate": "Make an environment work at the place it was moved to.",
    "rollback": "Let a name point at the version before.",
    "tree": "Show what needs what, as a tree.",
    "run": "Run a program inside of an environment.",
    "shell-hook": "Print what activates an environment in a shell.",
    "unpack": "Unpack a tarball: checked, relocated and written in one pass.",
    "verify": "Compare a tarball or an environment with its bill.",
    "why": "Say why a package is locked.",
}


def _json_option() -> click.Option:
    """`--json` behind the name of a command, where most people write it."""
    return click.Option(
        ["--json"],
        is_flag=True,
        expose_value=False,
        help="Write data as JSON.",
        callback=_choose_json,
    )


def _choose_json(context: click.Context, _option: click.Parameter, *chosen: bool) -> None:
    if any(chosen) and isinstance(context.obj, Context):
        context.obj = replace(context.obj, json=True)


class _Commands(click.Group):
    """Commands that are imported only when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"lading.cli.{cmd_name.replace('-', '_')}").command
        if not isinstance(command, click.Command):
            return None
        if not any("--json" in parameter.opts for parameter in command.params):
            command.params.append(_json_option())
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's signature
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 yes or done, 1 no, 2 usage, 3 input, 4 no solution, 5 engine,"
    " 6 download, 7 digest or archive, 8 prefix, 9 shipping.",
)
@click.version_option(VERSION, prog_name="lading", message="%(prog)s %(version)s")
@click.option("-C", "--directory", default=".", help="The project.", show_default=True)
@click.option("--engine", type=click.Choice(["micromamba", "embedded"]), help="Who installs.")
@click.option("--micromamba", metavar="PATH", help="The micromamba executable.")
@click.option("--pkgs-dir", metavar="DIR", help="Package cache instead of .lading/pkgs.")
@click.option("--pkgs-layer", metavar="DIR", multiple=True, help="A cache or mirror to read from.")
@click.option("--json", "as_json", is_flag=True, help="Write data as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.option("-v", "--verbose", is_flag=True, help="Say what is being done.")
@click.pass_context
def cli(  # noqa: PLR0913  # one parameter for each shared option
    context: click.Context,
    *,
    directory: str,
    engine: str | None,
    micromamba: str | None,
    pkgs_dir: str | None,
    pkgs_layer: tuple[str, ...],
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """environment.yml to locked, relocatable, verified tarballs of conda environments."""
    import logging  # noqa: PLC0415  # not for --version and --help

    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    context.obj = Context(
        project=open_project(
            directory,
            engine=engine or "",
            micromamba=micromamba or "",
            package_cache=pkgs_dir or "",
            package_layers=pkgs_layer,
        ),
        stdout=sys.stdout,
        stderr=sys.stderr,
        json=as_json,
        quiet=quiet,
    )


def main(arguments: Sequence[str] | None = None) -> Never:
    """Run `lading` and end the process with its exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        # Who runs it under nohup wants it to go on.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _terminate)
    sys.exit(run(arguments))


def _terminate(number: int, _frame: FrameType | None) -> Never:
    """End like an exception does, so that everything half done is taken away."""
    raise SystemExit(SIGNALLED + number)


def run(arguments: Sequence[str] | None = None) -> int:
    """The exit code of `lading` with `arguments`."""
    options = sys.argv[1:] if arguments is None else list(arguments)
    return _guarded(lambda: cli.main(options, prog_name="lading", standalone_mode=False), options)


def _guarded(call: Callable[[], object], options: Sequence[str]) -> int:
    """The exit code of `call`, with every expected end rendered for a person."""
    try:
        result = call()
        sys.stdout.flush()
    except LadingError as error:
        return _tell(error, options)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx is not None else "lading"
        return _tell(UsageError(error.format_message(), hint=f"see `{command} --help`"), options)
    except (KeyboardInterrupt, click.Abort):
        sys.stderr.write("interrupted; nothing half done was left behind\n")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our data went away, which is its right. Nothing more can be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001  # exit code 1 would mean that the answer is no
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        is_extra = (missing or "").partition(".")[0] in BUILD_MODULES
        return _tell(_missing_extra(missing), options) if is_extra else _internal_error()
    return result if isinstance(result, int) else 0


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


def _tell(error: LadingError, options: Sequence[str]) -> int:
    """The exit code of `error`, told to a person and, where that was asked for, to a program."""
    from lading.report import render_error, render_error_json  # noqa: PLC0415

    if "--json" in options:
        sys.stdout.write(render_error_json(error))
    sys.stderr.write(render_error(error))
    return error.exit_code
