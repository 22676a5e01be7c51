"""`lading diff`."""

import click

from lading.cli.context import Context
from lading.lock import LockRevisions, diff_locks, fold_diffs
from lading.report import render_diff, render_diff_json, render_diff_markdown


@click.command("diff")
@click.argument("old")
@click.argument("new")
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text")
@click.option("-p", "--platform", "platforms", multiple=True, help="Compare only this platform.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if they differ.")
@click.pass_obj
def command(
    context: Context, *, old: str, new: str, form: str, platforms: tuple[str, ...], exit_code: bool
) -> int:
    """Show what was added, removed and changed from the lock OLD to the lock NEW.

    Each is a lockfile, a directory of lockfiles, the name of an environment, or one of these in a
    git revision: `lading diff main:service service`.
    """
    places = LockRevisions(
        directory=context.project.directory, environment=context.project.environment
    )
    chosen = {context.project.platform(name) for name in platforms}
    before, after = places.read(old), places.read(new)
    compared = sorted((before.keys() | after.keys()) & (chosen or before.keys() | after.keys()))
    diffs = {
        platform: diff_locks(before.get(platform), after.get(platform)) for platform in compared
    }
    changes = fold_diffs(diffs)
    render = {"json": render_diff_json, "markdown": render_diff_markdown}.get(
        "json" if context.json else form, render_diff
    )
    context.write(render(changes, compared))
    return 1 if exit_code and changes else 0
