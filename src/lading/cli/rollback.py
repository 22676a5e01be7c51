"""`lading rollback`."""

import click

from lading.cli.context import Context
from lading.node import Generations
from lading.report import render_json


@click.command("rollback")
@click.argument("name")
@click.pass_obj
def command(context: Context, *, name: str) -> int:
    """Switch NAME, made by `lading unpack --store`, back to its previous generation."""
    prefix = Generations(context.project.path(name)).rollback()
    context.say(f"{name} is {prefix.name} again")
    if context.json:
        context.write(render_json("rollback/1", prefix=prefix))
    else:
        context.write(f"{prefix}\n")
    return 0
