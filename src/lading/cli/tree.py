"""`lading tree`."""

import click

from lading.api import read_graph
from lading.cli.categories import say_left_out, with_option, without_option
from lading.cli.context import Context
from lading.cli.options import environment_option, platform_option
from lading.lock import Choice
from lading.report import render_graph_json, render_tree

ALL = 1_000_000


@click.command("tree")
@click.argument("packages", nargs=-1)
@environment_option
@platform_option
@with_option
@without_option
@click.option("--reverse", is_flag=True, help="Show what requires a package.")
@click.option("--depth", type=click.IntRange(min=0), default=ALL, help="Levels to show.")
@click.pass_obj
def command(  # noqa: PLR0913  # one parameter for each option
    context: Context,
    *,
    packages: tuple[str, ...],
    environment: str | None,
    platform: str | None,
    choice: Choice,
    reverse: bool,
    depth: int,
) -> int:
    """Show what PACKAGES require; without PACKAGES, what all requested packages require.

    A package whose dependencies were shown above is marked with `*`.
    """
    graph = read_graph(context.project, environment, platform, choice)
    say_left_out(context, graph.lock)
    if context.json:
        context.write(render_graph_json(graph))
        return 0
    leaves = [node for node, others in graph.graph.dependencies.items() if not others]
    ends = leaves if reverse else graph.graph.roots
    roots = [graph.find(name) for name in packages] or sorted(ends)
    context.write(render_tree(graph, roots, depth, reverse=reverse))
    for cycle in graph.graph.cycles():
        context.say(f"dependency cycle: {', '.join(cycle)}")
    return 0
