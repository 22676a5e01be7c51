"""`lading run`."""

import logging
from typing import Never

import click

from lading.cli.context import Context
from lading.cli.options import (
    anyway_option,
    how_option,
    manifest_sha256_option,
    sha256_option,
    store_option,
)
from lading.errors import UsageError
from lading.node import Entered, How, activated, read_activation, wrapped
from lading.system import Run, become, find_program

_log = logging.getLogger(__name__)


@click.command(
    "run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)
@how_option(type=click.Choice([item.value for item in How]))
@sha256_option
@manifest_sha256_option
@store_option
@click.option(
    "--prefix",
    metavar="DIR",
    help="Where a tarball is seen.  [default: /opt/lading/ENVIRONMENT]",
)
@anyway_option
@click.argument("environment")
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- PROGRAM...")
@click.pass_obj
def command(  # noqa: PLR0913  # one parameter for each option
    context: Context,
    *,
    environment: str,
    argv: tuple[str, ...],
    how: str | None,
    sha256: str | None,
    manifest_sha256: str | None,
    store: str | None,
    prefix: str | None,
    anyway: bool,
) -> Never:
    """Run PROGRAM inside ENVIRONMENT: its name, or the path of a prefix, an image or a tarball.

    An image is mounted once per node at the prefix it was packed for, visible to the user's own
    programs only, and unmounted when the last of them ends; `lading -v run` shows how.

    Of a tarball, its URL or its bill the packages are kept in a store, which first gets those that
    it lacks. They are shown at --prefix as one tree, read-only: nothing is linked or copied.
    `lading gc` removes what no run has used for a week.

    PROGRAM replaces this process. The environment is activated without a shell function: its
    programs come first on PATH, its variables are set, and activation scripts of packages are
    sourced by a shell. PYTHONPATH, PYTHONHOME, the user's site directory and the variables of
    other environments are not passed on.
    """
    if argv[0] == "--":
        argv = argv[1:]
    if not argv:
        raise UsageError("no program to run", hint="write it after --")
    from lading.api import enter  # noqa: PLC0415  # not for --help

    entered = enter(
        environment,
        project=context.project,
        store=store,
        prefix=prefix,
        how=how,
        sha256=sha256,
        manifest_sha256=manifest_sha256,
        anyway=anyway,
        watch=context.progress,
    )
    _run(context, entered, environment, argv)


def _run(
    context: Context, entered: Entered | None, environment: str, argv: tuple[str, ...]
) -> Never:
    """Become the program, in the environment that was entered or in one that lies here."""
    if entered is not None:
        from lading.report import render_entered  # noqa: PLC0415  # not for environments

        _log.info("%s", " ".join(render_entered(entered).split()))
        if entered.wrapper:
            _become_wrapped(context, entered, argv)
        prefix, name = entered.prefix, entered.prefix.name
    else:
        from lading.api import find_prefix  # noqa: PLC0415  # slow to load, and not for images

        prefix, name = find_prefix(context.project, environment)
    activation = read_activation(prefix, name)
    variables = activated(activation, context.project.environment)
    shell = find_program("bash", variables["PATH"]) or "/bin/sh"
    program = find_program(argv[0], variables["PATH"])
    if program is None and not activation.scripts:
        raise UsageError(
            f"program not found in {activation.prefix} or on PATH: {argv[0]}",
            hint="check its name, or add its package to the environment",
        )
    words = wrapped(activation, argv, shell)
    executable = program if program is not None and not activation.scripts else words[0]
    become(Run(argv=words, environment=variables), executable)


def _become_wrapped(context: Context, entered: Entered, argv: tuple[str, ...]) -> Never:
    """Run the program by one that shows it the image; the environment is activated in there."""
    activate = '. "$0/bin/activate" && exec "$@"'
    words = (*entered.wrapper, "sh", "-c", activate, str(entered.prefix), *argv)
    become(Run(argv=words, environment=context.project.environment), words[0])
