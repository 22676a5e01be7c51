"""`lading info`."""

import click

from lading.api import overview
from lading.cli.context import Context
from lading.report import render_overview, render_overview_json


@click.command("info")
@click.pass_obj
def command(context: Context) -> int:
    """Show what this project has: environments, locks, installations, artifacts, caches, sizes."""
    found = overview(context.project)
    context.write(render_overview_json(found) if context.json else render_overview(found))
    return 0
