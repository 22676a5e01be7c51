"""`lading tree`."""

import click

from lading.api import read_graph
from lading.cli.context import Context
from lading.report import render_graph_json, render_tree

__all__ = ["command"]

ALL = 1_000_000


@click.command("tree", short_help="Show what needs what, as a tree.")
@click.argument("packages", nargs=-1)
@click.option("-e", "--environment", help="Name of an environment, or a lockfile.")
@click.option("-p", "--platform", help="Subdir of the lock.  [default: this machine's]")
@click.option("--reverse", is_flag=True, help="Show who needs a package.")
@click.option("--depth", type=click.IntRange(min=0), default=ALL, help="How many steps down.")
@click.pass_obj
def command(
    context: Context,
    *,
    packages: tuple[str, ...],
    environment: str | None,
    platform: str | None,
    reverse: bool,
    depth: int,
) -> int:
    """Show what each of PACKAGES needs, or what all that was asked for needs.

    What was shown above is marked with `*` and not shown again.
    """
    graph = read_graph(context.project, environment, platform)
    if context.json:
        context.write(render_graph_json(graph))
        return 0
    leaves = [node for node, others in graph.graph.dependencies.items() if not others]
    ends = leaves if reverse else graph.graph.roots
    roots = [graph.find(name) for name in packages] or sorted(ends)
    context.write(render_tree(graph, roots, depth, reverse=reverse))
    for cycle in graph.graph.cycles():
        context.say(f"need each other: {', '.join(cycle)}")
    return 0
