"""`lading mount`."""

import click

from lading.api import mount
from lading.cli.context import Context
from lading.cli.options import (
    anyway_option,
    how_option,
    manifest_sha256_option,
    sha256_option,
    store_option,
)


@click.command("mount")
@click.argument("artifact")
@click.argument("directory", required=False)
@how_option(type=click.Choice(["kernel", "fuse", "overlay"]))
@store_option
@sha256_option
@manifest_sha256_option
@anyway_option
@click.pass_obj
def command(  # noqa: PLR0913  # one parameter for each option
    context: Context,
    *,
    artifact: str,
    directory: str | None,
    how: str | None,
    store: str | None,
    sha256: str | None,
    manifest_sha256: str | None,
    anyway: bool,
) -> int:
    """Mount ARTIFACT, an image, at DIRECTORY until `lading umount`.

    By default that is the prefix it was packed for. `lading run` needs no mounted image. With
    --sha256 the whole image is hashed first, with --manifest-sha256 every file in it is compared
    with that bill.

    ARTIFACT may also be a tarball, its URL or its bill: see `lading run`. Only root may mount it;
    its scripts and programs work at any DIRECTORY.
    """
    mounted = mount(
        artifact,
        directory,
        project=context.project,
        store=store,
        how=how,
        sha256=sha256,
        manifest_sha256=manifest_sha256,
        anyway=anyway,
        watch=context.progress,
    )
    from lading.report import render_mounted  # noqa: PLC0415

    context.tell(render_mounted(mounted), mounted.directory)
    return 0
