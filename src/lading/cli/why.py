"""`lading why`."""

import click

from lading.api import read_graph
from lading.cli.context import Context
from lading.report import render_why, render_why_json

__all__ = ["command"]


@click.command("why", short_help="Say why a package is locked.")
@click.argument("package")
@click.option("-e", "--environment", help="Name of an environment, or a lockfile.")
@click.option("-p", "--platform", help="Subdir of the lock.  [default: this machine's]")
@click.pass_obj
def command(
    context: Context, *, package: str, environment: str | None, platform: str | None
) -> int:
    """Say why PACKAGE is locked: every shortest chain from what was asked for.

    And what would leave with it if a line was deleted from the sources.
    """
    graph = read_graph(context.project, environment, platform)
    render = render_why_json if context.json else render_why
    context.write(render(graph, graph.find(package)))
    return 0
