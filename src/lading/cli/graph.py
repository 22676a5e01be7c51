"""`lading graph`."""

from pathlib import Path

import click

from lading.api import read_graph
from lading.cli.context import Context
from lading.cli.options import environment_option, output_option, platform_option
from lading.errors import UsageError, raised_as
from lading.report import render_dot, render_graph_json, render_svg


@click.command("graph")
@click.argument("packages", nargs=-1)
@environment_option
@platform_option
@click.option("--format", "form", type=click.Choice(["dot", "json", "svg"]), default="dot")
@output_option
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
    """Draw the dependency graph of a lock: all of it, or the part around PACKAGES."""
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
    """Write `text` to a file that the user named."""
    with raised_as(UsageError, f"cannot write {path}", "choose a file in an existing directory"):
        path.write_text(text, encoding="utf-8")
