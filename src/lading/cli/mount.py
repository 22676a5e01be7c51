"""`lading mount`."""

import click

from lading.api import mount
from lading.cli.context import Context

__all__ = ["command"]


@click.command("mount", short_help="Mount an image where people can look into it.")
@click.argument("image")
@click.argument("directory", required=False)
@click.option("--how", type=click.Choice(["kernel", "fuse"]), help="[default: whatever works]")
@click.option("--sha256", metavar="HEX", help="Refuse an image with another digest.")
@click.option("--manifest-sha256", metavar="HEX", help="Refuse an image that is not this bill's.")
@click.pass_obj
def command(  # one parameter for each option
    context: Context,
    *,
    image: str,
    directory: str | None,
    how: str | None,
    sha256: str | None,
    manifest_sha256: str | None,
) -> int:
    """Mount IMAGE at DIRECTORY, by default the prefix that it was packed for, until `umount`.

    To run a program no mount point is needed: see `lading run`. With --sha256 the image is read and
    compared first, with --manifest-sha256 every file in it is compared with that bill.
    """
    mounted = mount(
        image,
        directory,
        project=context.project,
        how=how,
        sha256=sha256,
        manifest_sha256=manifest_sha256,
    )
    from lading.report import render_mounted, render_mounted_json  # noqa: PLC0415

    if context.json:
        context.write(render_mounted_json(mounted))
    else:
        context.say(render_mounted(mounted).rstrip())
        context.write(f"{mounted.directory}\n")
    return 0
