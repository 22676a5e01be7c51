"""`lading umount`."""

import click

from lading.api import unmount
from lading.cli.context import Context


@click.command("umount")
@click.argument("directory")
@click.pass_obj
def command(context: Context, *, directory: str) -> int:
    """Unmount the image that `lading mount` mounted at DIRECTORY, and remove DIRECTORY.

    What `lading run` mounted goes by itself, with the last program that uses it.
    """
    unmount(directory, project=context.project)
    context.write_json("umount/1", directory=context.project.path(directory))
    return 0
