"""`lading info`."""

import click

from lading.api import overview
from lading.cli.context import Context
from lading.report import render_overview


@click.command("info")
@click.pass_obj
def command(context: Context) -> int:
    """Show what this project has: environments, locks, installations, artifacts, caches, sizes."""
    context.show(render_overview(overview(context.project)))
    return 0
