"""`lading merge-lock`."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from lading.api import expected_virtual_packages, project_files_of, request_of
from lading.cli.context import Context
from lading.config import EnvironmentSettings
from lading.errors import LockError
from lading.lock import (
    Lockfile,
    LockRequest,
    Merging,
    merge_locks,
    read_sides,
    read_sources,
    write_merged_sources,
)


@click.command("merge-lock")
@click.argument("base")
@click.argument("ours")
@click.argument("theirs")
@click.argument("path")
@click.pass_obj
def command(context: Context, *, base: str, ours: str, theirs: str, path: str) -> int:
    """Lock again, preferring the versions of both sides, and write the result to OURS.

    To let git call it:

    \b
        git config merge.lading.driver "lading merge-lock %O %A %B %P"
        echo "*.conda-lock.yml merge=lading" >> .gitattributes
    """  # noqa: D301  # click's mark for lines to be left as they are
    sides = read_sides(
        context.project.path(base), context.project.path(ours), context.project.path(theirs)
    )
    name = sides.ours.environment
    if not name:
        raise LockError(
            f"{path} was not made by lading", hint="lock the environment with `lading lock`"
        )
    with tempfile.TemporaryDirectory(prefix="lading-merge-") as directory:
        root = Path(directory).resolve()
        sources = _sources(
            context, root, context.project.directory / path, sides.ours, sides.theirs
        )
        merging = Merging(
            directory=context.project.directory,
            environment=context.project.environment,
            lock=path,
            theirs=context.project.path(theirs),
        )
        write_merged_sources(sources, merging, root / ".sides")
        request = replace(
            _request(context, root, sources, name, sides.ours),
            own_tree=partial(merging.merged_tree, root / "own"),
        )
        with context.progress() as progress:
            data = merge_locks(request, sides, context.project.build_engine(), progress)
    context.project.path(ours).write_bytes(data)
    context.say(f"{path}: locked again, preferring the versions of both sides")
    return 0


def _sources(
    context: Context, root: Path, path: Path, ours: Lockfile, theirs: Lockfile
) -> dict[Path, Path]:
    """Each source of either side → where it lies below `root`, which stands for the project."""
    found = {}
    for source in dict.fromkeys((*ours.sources, *theirs.sources)):
        absolute = Path(os.path.normpath(path.parent / source))
        found[absolute] = Path(
            os.path.normpath(root / os.path.relpath(absolute, context.project.directory))
        )
    return found


def _request(
    context: Context, root: Path, sources: Mapping[Path, Path], name: str, lock: Lockfile
) -> LockRequest:
    settings = context.project.settings.environments.get(name, EnvironmentSettings())
    asked = read_sources(
        tuple(sources.values()),
        [context.project.directory / item for item in settings.projects],
        [path.parent for path in sources],
    )
    asked = replace(asked, project_files=project_files_of(context.project, settings))
    virtual_packages = expected_virtual_packages(context.project, settings, tuple(sources), None)
    request = request_of(
        context.project,
        name,
        asked,
        virtual_packages,
        platforms=(lock.platform,),
        channels=settings.channels,
    )
    return replace(request, directory=root, own_code=context.project.directory)
