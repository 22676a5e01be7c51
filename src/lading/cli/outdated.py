"""`lading outdated`."""

import click

from lading.api import find_outdated
from lading.cli.context import Context
from lading.report import render_outdated


@click.command("outdated")
@click.argument("environment", required=False)
@click.option("-p", "--platform", "platforms", multiple=True, help="Only this platform.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if something is newer.")
@click.pass_obj
def command(
    context: Context, *, environment: str | None, platforms: tuple[str, ...], exit_code: bool
) -> int:
    """Show which conda packages of ENVIRONMENT have newer versions, and what holds them back.

    `allowed` is what `lading lock --update-all` would lock. Nothing is written.
    """
    found = find_outdated(context.project, environment, platforms)
    context.show(render_outdated(found))
    return 1 if exit_code and any(item.newer for item in found) else 0
