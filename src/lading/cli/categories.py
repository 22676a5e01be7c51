"""`--with` and `--without`: which categories of a lock a command works on, and what is left out."""

from collections.abc import Sequence

import click

from lading.cli.context import Context
from lading.lock import Choice, Lockfile
from lading.report import render_left_out


def _split(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> list[str]:
    """The names in `values`, each of which may hold several with commas between them."""
    return [name for value in values for name in value.replace(",", " ").split()]


with_option = click.option(
    "--with",
    "including",
    metavar="CATEGORY",
    multiple=True,
    callback=_split,
    help="Also take packages of these categories, such as dev,test.",
)
without_option = click.option(
    "--without",
    "excluding",
    metavar="CATEGORY",
    multiple=True,
    callback=_split,
    help="Leave out packages of these categories.",
)


def choice_of(including: Sequence[str], excluding: Sequence[str]) -> Choice:
    """What the two options say."""
    return Choice(including=frozenset(including), excluding=frozenset(excluding))


def say_left_out(context: Context, lock: Lockfile) -> None:
    """Say how much of `lock` is left out, where something is."""
    if lock.left_out:
        context.say(render_left_out(lock).rstrip())
