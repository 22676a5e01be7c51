"""What a shell offers after Tab: names of locked environments, files, platforms.

click answers the shell; it does not know what an argument of plain text may be.
"""

from pathlib import Path

import click
from click.shell_completion import CompletionItem

from lading.conda import Platform

_FILES = {"FILE", "DIR", "PATH", "URL|FILE"}


class _Value(click.types.StringParamType):
    """A text that is a name, a path or a platform."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> "list[CompletionItem[str]]":
        """What may stand here, after what was typed already."""
        if param.name == "platform":
            names = [str(item) for item in Platform]
        elif isinstance(param, click.Argument) or param.name == "environment":
            locks = Path(ctx.find_root().params["directory"]) / "locks"
            names = [path.name for path in sorted(locks.glob("*/"))]
        else:
            names = []
        found = [CompletionItem(name) for name in names if name.startswith(incomplete)]
        # The shell offers files where nothing else fits.
        is_path = isinstance(param, click.Argument) or param.metavar in _FILES
        return [*([CompletionItem(incomplete, type="file")] if is_path else []), *found]


def complete_values(command: click.Command) -> None:
    """Let `command` answer for its arguments, and for options that are paths or platforms."""
    for parameter in command.params:
        if parameter.type is click.STRING:
            parameter.type = _Value()
