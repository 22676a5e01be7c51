"""`lading run`."""

import shutil
from typing import Never

import click

from lading.api import find_prefix
from lading.cli.context import Context
from lading.errors import UsageError
from lading.node import activated, read_activation, wrapped
from lading.system import Run, become

__all__ = ["command"]


@click.command(
    "run",
    short_help="Run a program inside of an environment.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("environment")
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- PROGRAM...")
@click.pass_obj
def command(context: Context, *, environment: str, argv: tuple[str, ...]) -> Never:
    """Become PROGRAM, inside of ENVIRONMENT: its name, or the path of a prefix.

    It is activated without a shell function: its programs come first on PATH, its variables are
    set, and where packages have activation scripts a shell sources them first. PYTHONPATH,
    PYTHONHOME, the user's own site directory and other environments' variables stay outside.
    """
    activation = read_activation(*find_prefix(context.project, environment))
    variables = activated(activation, context.project.environment)
    if argv[0] == "--":
        argv = argv[1:]
    if not argv:
        raise UsageError("no program was named", hint="write it after --")
    shell = shutil.which("bash", path=variables["PATH"]) or "/bin/sh"
    program = shutil.which(argv[0], path=variables["PATH"])
    if program is None and not activation.scripts:
        raise UsageError(
            f"there is no program {argv[0]} in {activation.prefix} or on PATH",
            hint="name one that is, or add its package to the environment",
        )
    words = wrapped(activation, argv, shell)
    executable = program if program is not None and not activation.scripts else words[0]
    become(Run(argv=words, environment=variables), executable)
