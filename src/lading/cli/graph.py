"""`lading graph`."""

from pathlib import Path

import click

from lading.api import read_graph
from lading.cli.context import Context
from lading.errors import UsageError
from lading.report import render_dot, render_graph_json, render_svg

__all__ = ["command"]


@click.command("graph", short_help="Draw what needs what.")
@click.argument("packages", nargs=-1)
@click.option("-e", "--environment", help="Name of an environment, or a lockfile.")
@click.option("-p", "--platform", help="Subdir of the lock.  [default: this machine's]")
@click.option("--format", "form", type=click.Choice(["dot", "json", "svg"]), default="dot")
@click.option("-o", "--output", metavar="FILE", help="Write it there.  [default: standard output]")
@click.pass_obj
def command(
    context: Context,
    *,
    packages: tuple[str, ...],
    environment: str | None,
    platform: str | None,
    form: str,
    output: str | None,
) -> int:
    """Draw what needs what in a lock: all of it, or the part around PACKAGES."""
    graph = read_graph(context.project, environment, platform)
    graph.graph = graph.graph.around([graph.find(name) for name in packages])
    render = {"dot": render_dot, "json": render_graph_json, "svg": render_svg}
    text = render["json" if context.json else form](graph)
    if output is None:
        context.write(text)
    else:
        write_text(context.project.path(output), text)
    return 0


def write_text(path: Path, text: str) -> None:
    """Write what a user wants to have in a file.

    Raises:
        UsageError: It cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"cannot write {path}: {error.strerror}", hint="name a file in a directory that exists"
        ) from error
