"""`lading shell-hook`."""

import click

from lading.api import find_prefix
from lading.cli.context import Context
from lading.node import Shell, read_activation, render_hook
from lading.report import render_json


@click.command("shell-hook")
@click.argument("environment")
@click.option(
    "-s",
    "--shell",
    type=click.Choice([item.value for item in Shell]),
    default=Shell.POSIX.value,
    show_default=True,
    help="Shell to write for.",
)
@click.pass_obj
def command(context: Context, *, environment: str, shell: str) -> int:
    """Print the shell commands that activate ENVIRONMENT, a name or the path of a prefix.

    For example: eval "$(lading shell-hook data-service)"
    """
    activation = read_activation(*find_prefix(context.project, environment))
    if context.json:
        variables = activation.variables
        document = render_json(
            "shell-hook/1",
            prefix=activation.prefix,
            path=activation.programs,
            variables={name: value for name, value in variables.items() if value is not None},
            unset=[name for name, value in variables.items() if value is None],
            scripts=activation.scripts,
        )
        context.write_exactly(document)
    else:
        context.write_exactly(render_hook(activation, Shell(shell)))
    return 0
