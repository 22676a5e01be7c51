"""`lading list`."""

import click

from lading.api import list_locked
from lading.cli.categories import say_left_out, with_option, without_option
from lading.cli.context import Context
from lading.cli.options import platform_option
from lading.lock import Choice
from lading.report import render_list


@click.command("list")
@click.argument("environment", required=False)
@platform_option
@with_option
@without_option
@click.pass_obj
def command(
    context: Context, *, environment: str | None, platform: str | None, choice: Choice
) -> int:
    """Show what is locked in ENVIRONMENT, and who asked for it: a line of a source, or packages."""
    lock, listed = list_locked(context.project, environment, platform, choice)
    say_left_out(context, lock)
    context.show(render_list(lock, listed))
    return 0
