"""`lading why`."""

import click

from lading.api import read_graph
from lading.cli.context import Context
from lading.cli.options import environment_option, platform_option
from lading.report import render_why


@click.command("why")
@click.argument("package")
@environment_option
@platform_option
@click.pass_obj
def command(
    context: Context, *, package: str, environment: str | None, platform: str | None
) -> int:
    """Show why PACKAGE is locked: the shortest chains from requested packages to it.

    Also show which packages would be removed if a line was deleted from the sources.
    """
    graph = read_graph(context.project, environment, platform)
    context.show(render_why(graph, graph.find(package)))
    return 0
