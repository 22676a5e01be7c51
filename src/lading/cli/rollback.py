"""`lading rollback`."""

import click

from lading.cli.context import Context
from lading.node import Generations
from lading.report import render_json

__all__ = ["command"]


@click.command("rollback", short_help="Let a name point at the version before.")
@click.argument("name")
@click.pass_obj
def command(context: Context, *, name: str) -> int:
    """Let NAME, made by `lading unpack --store`, point at the version before the present one."""
    prefix = Generations(context.project.path(name)).rollback()
    context.say(f"{name} is {prefix.name} again")
    if context.json:
        context.write(render_json("rollback/1", prefix=prefix))
    else:
        context.write(f"{prefix}\n")
    return 0
