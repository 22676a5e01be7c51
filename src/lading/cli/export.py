"""`lading export`."""

import os
from pathlib import Path

import click

from lading.api import read_one_lock
from lading.cli.categories import say_left_out, with_option, without_option
from lading.cli.context import Context
from lading.cli.graph import write_text
from lading.cli.options import output_option, platform_option
from lading.errors import LockError
from lading.lock import (
    Choice,
    LockRevisions,
    choose_categories,
    export_environment_yml,
    export_explicit,
    export_pylock,
    export_requirements,
    export_unified,
)


@click.command("export")
@click.argument("environment", required=False)
@platform_option
@with_option
@without_option
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
@click.option("--pylock", "form", flag_value="pylock", help="pip packages as pylock.toml.")
@click.option("--unified", "form", flag_value="unified", help="One conda-lock.yml, all platforms.")
@output_option
@click.pass_obj
def command(
    context: Context,
    *,
    environment: str | None,
    platform: str | None,
    choice: Choice,
    form: str,
    output: str | None,
) -> int:
    """Write the lock of ENVIRONMENT in a format that other tools read.

    ENVIRONMENT is the name of a locked environment, or the path of a lockfile. Of its categories
    main is written, or what the configuration says; --unified keeps all, and their names.
    """
    path, lock = read_one_lock(context.project, environment, platform, choice)
    name = lock.environment or path.parent.name
    match form:
        case "yml":
            text = export_environment_yml(lock, name)
        case "pip":
            text = export_requirements(lock)
        case "pylock":
            text = export_pylock(lock)
        case "unified":
            target = context.project.path(output).parent if output else context.project.directory
            text = _unified(context, path, name, target, choice)
        case _:
            text = export_explicit(lock)
            if lock.pip:
                context.say(f"{len(lock.pip)} pip packages are not included; see --requirements")
    if form != "unified":
        say_left_out(context, lock)
    if output is None:
        context.write(text)
    else:
        write_text(context.project.path(output), text)
    return 0


def _unified(context: Context, path: Path, name: str, target: Path, choice: Choice) -> str:
    """All lockfiles beside `path` as one, its sources relative to the directory `target`.

    They are complete, unless the user made a choice.
    """
    places = LockRevisions(
        directory=context.project.directory, environment=context.project.environment
    )
    locks = list(places.read(str(path.parent)).values())
    if any((lock.environment or name) != name for lock in locks):
        raise LockError(
            f"{path.parent} holds lockfiles of several environments",
            hint="keep each environment in its own directory",
        )
    if choice.is_made:
        locks = [choose_categories(lock, choice) for lock in locks]
        for lock in locks:
            say_left_out(context, lock)
    sources = dict.fromkeys(
        Path(os.path.relpath(path.parent / source, target)).as_posix()
        for lock in locks
        for source in lock.sources
    )
    return export_unified(locks, name, tuple(sources)).decode()
