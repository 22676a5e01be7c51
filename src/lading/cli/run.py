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
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("environment")
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- PROGRAM...")
@click.pass_obj
def command(context: Context, *, environment: str, argv: tuple[str, ...]) -> Never:
    """Run PROGRAM inside ENVIRONMENT, the name of an environment or the path of a prefix.

    PROGRAM replaces this process. The environment is activated without a shell function: its
    programs come first on PATH, its variables are set, and activation scripts of packages are
    sourced by a shell. PYTHONPATH, PYTHONHOME, the user's site directory and the variables of
    other environments are not passed on.
    """
    activation = read_activation(*find_prefix(context.project, environment))
    variables = activated(activation, context.project.environment)
    if argv[0] == "--":
        argv = argv[1:]
    if not argv:
        raise UsageError("no program to run", hint="write it after --")
    shell = shutil.which("bash", path=variables["PATH"]) or "/bin/sh"
    program = shutil.which(argv[0], path=variables["PATH"])
    if program is None and not activation.scripts:
        raise UsageError(
            f"program not found in {activation.prefix} or on PATH: {argv[0]}",
            hint="check its name, or add its package to the environment",
        )
    words = wrapped(activation, argv, shell)
    executable = program if program is not None and not activation.scripts else words[0]
    become(Run(argv=words, environment=variables), executable)
