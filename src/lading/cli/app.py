"""The command `lading`: its commands, and the options that all of them share."""

import gc
import io
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import Never

import click

from lading.cli.ending import guarded
from lading.errors import UsageError
from lading.system import nearest
from lading.version import VERSION

SIGNALLED = 128
COLLECTED_AFTER = 50_000
"""Values more than were freed, after which Python looks for cycles."""
COMPLETION = "_LADING_COMPLETE"
"""The variable by which a shell asks what may follow."""

COMMANDS = {
    "adopt": "Take over the lock of conda-lock, pixi or conda.",
    "bootstrap": "Download the pinned micromamba and check its digest.",
    "clean": "Remove caches.",
    "diff": "Show what differs between two locks.",
    "export": "Write a lock in another format.",
    "fetch": "Download everything an installation needs, to install offline.",
    "fetch-frames": "Download the packages of a tarball that a store lacks.",
    "gc": "Remove old generations, and packages that no prefix uses.",
    "graph": "Draw the dependency graph of a lock.",
    "info": "Show what this project has: environments, locks, artifacts, caches.",
    "install": "Install an environment from its lockfile.",
    "list": "Show what is locked, and who asked for it.",
    "lock": "Resolve environment files into lockfiles, one per platform.",
    "manifest": "Print the complete list of what a tarball or an environment holds.",
    "merge-lock": "Merge two versions of a lockfile (a git merge driver).",
    "mirror": "Write all packages of a lock as a channel.",
    "mount": "Mount an image at a directory.",
    "outdated": "Show which locked packages have newer versions, and what holds them back.",
    "pack": "Pack an environment into a tarball with its bill.",
    "preflight": "Check whether an environment will run on this machine.",
    "relocate": "Make a moved environment work at its new path.",
    "rollback": "Switch a name back to its previous generation.",
    "run": "Run a program inside an environment.",
    "shell-hook": "Print the shell commands that activate an environment.",
    "tree": "Show dependencies as a tree.",
    "umount": "Unmount an image.",
    "unpack": "Unpack a tarball: check, relocate and write in one pass.",
    "verify": "Compare a tarball or an environment with its bill.",
    "why": "Show why a package is locked.",
}


def _json_option() -> click.Option:
    """`--json` after the name of a command, where most people write it."""
    return click.Option(
        ["--json"],
        is_flag=True,
        expose_value=False,
        help="Write results as JSON.",
        callback=_choose_json,
    )


def _choose_json(context: click.Context, _option: click.Parameter, *chosen: bool) -> None:
    from msgspec.structs import replace  # noqa: PLC0415  # not for --version and --help

    from lading.cli.context import Context  # noqa: PLC0415  # the same

    if any(chosen) and isinstance(context.obj, Context):
        context.obj = replace(context.obj, json=True)


class _Commands(click.Group):
    """Commands that are imported only when they are used."""

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
        if COMPLETION in os.environ:
            from lading.cli.completion import complete_values  # noqa: PLC0415  # for a shell only

            complete_values(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            hint = "see `lading --help`"
            for near in nearest(args[0], COMMANDS):
                hint = f"did you mean `lading {near}`? {hint}"
            raise UsageError(f"there is no command {args[0]}", hint=hint)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's signature
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 yes or done, 1 no, 2 usage, 3 input, 4 no solution, 5 engine,"
    " 6 download, 7 digest or archive, 8 prefix, 9 shipping.",
)
@click.version_option(VERSION, prog_name="lading", message="%(prog)s %(version)s")
@click.option(
    "-C", "--directory", metavar="DIR", default=".", help="The project.", show_default=True
)
@click.option(
    "--engine", type=click.Choice(["micromamba", "embedded"]), help="Conda engine to use."
)
@click.option("--micromamba", metavar="PATH", help="The micromamba executable.")
@click.option("--pkgs-dir", metavar="DIR", help="Package cache to use instead of .lading/pkgs.")
@click.option(
    "--pkgs-layer", metavar="DIR", multiple=True, help="Cache or mirror that is only read."
)
@click.option("--json", "as_json", is_flag=True, help="Write results as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
@click.option("-v", "--verbose", is_flag=True, help="Print what is being done.")
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
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
        return
    from lading.api import open_project  # noqa: PLC0415  # not for --version and --help
    from lading.cli.context import Context  # noqa: PLC0415  # the same
    from lading.cli.logs import configure_logging  # noqa: PLC0415  # the same

    configure_logging(sys.stderr, verbose=verbose)
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
    # Values are many and cycles few: looking for those as usual takes a twentieth of a start.
    gc.set_threshold(COLLECTED_AFTER)
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        # A name that the locale's encoding lacks is not a reason to fail.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    for number in (signal.SIGTERM, signal.SIGHUP):
        # Under nohup SIGHUP is ignored, and stays so.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _terminate)
    code = run(arguments)
    # All is given back to the system at once; looking for cycles first would take a tenth of a run.
    gc.freeze()
    sys.exit(code)


def _open_closed_streams() -> None:
    """Let what the caller closed (`>&-`) be empty: else the next file opened would take its place.

    Python has None for such a stream.
    """
    if sys.stdin is None or sys.stdout is None or sys.stderr is None:
        for number in range(3):
            try:
                os.fstat(number)
            except OSError:
                os.dup2(os.open(os.devnull, os.O_RDWR), number)
        sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
        sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
        sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def _terminate(number: int, _frame: FrameType | None) -> Never:
    """End as an exception does, so that temporary files are removed."""
    raise SystemExit(SIGNALLED + number)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run `lading` with `arguments`; return its exit code."""
    options = sys.argv[1:] if arguments is None else list(arguments)
    return guarded(lambda: cli.main(options, prog_name="lading", standalone_mode=False), options)
