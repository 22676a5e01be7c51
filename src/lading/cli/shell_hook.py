"""`lading shell-hook`."""

import click

from lading.api import find_prefix
from lading.cli.context import Context
from lading.node import Shell, read_activation, render_hook

__all__ = ["command"]


@click.command("shell-hook", short_help="Print what activates an environment in a shell.")
@click.argument("environment")
@click.option(
    "-s",
    "--shell",
    type=click.Choice([item.value for item in Shell]),
    default=Shell.POSIX.value,
    show_default=True,
    help="Whose words to use.",
)
@click.pass_obj
def command(context: Context, *, environment: str, shell: str) -> int:
    """Print what activates ENVIRONMENT, its name or the path of a prefix.

    For example: eval "$(lading shell-hook data-service)"
    """
    activation = read_activation(*find_prefix(context.project, environment))
    if context.json:
        from lading.report import render_activation_json  # noqa: PLC0415

        context.write(render_activation_json(activation))
    else:
        context.write(render_hook(activation, Shell(shell)))
    return 0
