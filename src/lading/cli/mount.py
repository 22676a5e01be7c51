"""`lading mount`."""

import click

from lading.api import mount
from lading.cli.context import Context
from lading.cli.options import anyway_option


@click.command("mount")
@click.argument("image")
@click.argument("directory", required=False)
@click.option("--how", type=click.Choice(["kernel", "fuse"]), help="The only way that is tried.")
@click.option("--sha256", metavar="HEX", help="Require this digest of the image.")
@click.option("--manifest-sha256", metavar="HEX", help="Require this digest of its bill.")
@anyway_option
@click.pass_obj
def command(  # noqa: PLR0913  # one parameter for each option
    context: Context,
    *,
    image: str,
    directory: str | None,
    how: str | None,
    sha256: str | None,
    manifest_sha256: str | None,
    anyway: bool,
) -> int:
    """Mount IMAGE at DIRECTORY, by default the prefix it was packed for, until `lading umount`.

    `lading run` needs no mounted image. With --sha256 the whole image is hashed first, with
    --manifest-sha256 every file in it is compared with that bill.
    """
    mounted = mount(
        image,
        directory,
        project=context.project,
        how=how,
        sha256=sha256,
        manifest_sha256=manifest_sha256,
        anyway=anyway,
    )
    from lading.report import render_mounted  # noqa: PLC0415

    context.tell(render_mounted(mounted), mounted.directory)
    return 0
