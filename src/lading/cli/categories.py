"""`--with` and `--without`: which categories of a lock a command works on, and what is left out."""

from dataclasses import replace

import click

from lading.cli.context import Context
from lading.lock import Choice, Lockfile
from lading.report import render_left_out


def _choose(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> None:
    """Add the names in `values`, which may hold commas, to the argument `choice` of the command."""
    names = frozenset(name for value in values for name in value.replace(",", " ").split())
    choice: Choice = context.params.get("choice", Choice())
    is_with = option.name == "including"
    context.params["choice"] = (
        replace(choice, including=names) if is_with else replace(choice, excluding=names)
    )


with_option = click.option(
    "--with",
    "including",
    metavar="CATEGORY",
    multiple=True,
    expose_value=False,
    callback=_choose,
    help="Also take packages of these categories, such as dev,test.",
)
without_option = click.option(
    "--without",
    "excluding",
    metavar="CATEGORY",
    multiple=True,
    expose_value=False,
    callback=_choose,
    help="Leave out packages of these categories.",
)


def say_left_out(context: Context, lock: Lockfile) -> None:
    """Say how much of `lock` is left out, where something is."""
    if lock.left_out:
        context.say(render_left_out(lock).rstrip())
