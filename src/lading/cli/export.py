"""`lading export`."""

import os
from pathlib import Path

import click

from lading.api import read_one_lock
from lading.cli.context import Context
from lading.cli.graph import write_text
from lading.cli.options import output_option, platform_option
from lading.errors import LockError
from lading.lock import (
    LockRevisions,
    export_environment_yml,
    export_explicit,
    export_requirements,
    export_unified,
)


@click.command("export")
@click.argument("environment", required=False)
@platform_option
@click.option(
    "--explicit",
    "form",
    flag_value="explicit",
    default=True,
    help="Package URLs with SHA-256.  [default]",
)
@click.option(
    "--environment-yml", "form", flag_value="yml", help="environment.yml with every package pinned."
)
@click.option("--requirements", "form", flag_value="pip", help="pip packages with hashes.")
@click.option("--unified", "form", flag_value="unified", help="One conda-lock.yml, all platforms.")
@output_option
@click.pass_obj
def command(
    context: Context,
    *,
    environment: str | None,
    platform: str | None,
    form: str,
    output: str | None,
) -> int:
    """Write the lock of ENVIRONMENT in a format that other tools read.

    ENVIRONMENT is the name of a locked environment, or the path of a lockfile.
    """
    path, lock = read_one_lock(context.project, environment, platform)
    name = lock.environment or path.parent.name
    match form:
        case "yml":
            text = export_environment_yml(lock, name)
        case "pip":
            text = export_requirements(lock)
        case "unified":
            target = context.project.path(output).parent if output else context.project.directory
            text = _unified(context, path, name, target)
        case _:
            text = export_explicit(lock)
            if lock.pip:
                context.say(f"{len(lock.pip)} pip packages are not included; see --requirements")
    if output is None:
        context.write(text)
    else:
        write_text(context.project.path(output), text)
    return 0


def _unified(context: Context, path: Path, name: str, target: Path) -> str:
    """All lockfiles beside `path` as one, its sources relative to the directory `target`."""
    places = LockRevisions(
        directory=context.project.directory, environment=context.project.environment
    )
    locks = list(places.read(str(path.parent)).values())
    if any((lock.environment or name) != name for lock in locks):
        raise LockError(
            f"{path.parent} holds lockfiles of several environments",
            hint="keep each environment in its own directory",
        )
    sources = dict.fromkeys(
        Path(os.path.relpath(path.parent / source, target)).as_posix()
        for lock in locks
        for source in lock.sources
    )
    return export_unified(locks, name, tuple(sources)).decode()
