"""`lading pack`."""

import click

from lading.api import check_pack_choices, pack_planned, plan_installation, plan_packing
from lading.cli.context import Context
from lading.cli.install import installed
from lading.cli.options import (
    dry_run_option,
    link_scripts_option,
    offline_option,
    platform_option,
    workers_option,
)
from lading.format import IMAGE_SUFFIX, Format, Level
from lading.pack import ImagePlan
from lading.report import render_installed, render_packed, render_packed_json


@click.command("pack")
@click.argument("environment")
@platform_option
@click.option(
    "-f",
    "--format",
    "format_",
    type=click.Choice([*(item.value for item in Format), IMAGE_SUFFIX]),
    default=Format.ZSTD.value,
    show_default=True,
)
@click.option(
    "--level",
    type=click.Choice([item.value for item in Level]),
    default=Level.DEFAULT.value,
    show_default=True,
    help="Compression: speed or size.",
)
@click.option(
    "--prefix",
    metavar="DIR",
    help="Where an image (sqsh) will be mounted.  [default: /opt/lading/ENVIRONMENT]",
)
@click.option("-o", "--output", default="dist", show_default=True, help="Directory to write to.")
@click.option("--bytecode/--no-bytecode", default=True, help="Include python bytecode.")
@link_scripts_option
@offline_option
@workers_option
@click.option(
    "--frame-cache/--no-frame-cache", default=True, help="Reuse compressed frames of earlier runs."
)
@dry_run_option
@click.pass_obj
def command(  # noqa: PLR0913  # one parameter for each option
    context: Context,
    *,
    environment: str,
    platform: str | None,
    format_: str,
    level: str,
    prefix: str | None,
    output: str,
    bytecode: bool,
    link_scripts: bool,
    offline: bool,
    workers: int | None,
    frame_cache: bool,
    dry_run: bool,
) -> int:
    """Pack ENVIRONMENT; install it first if it is not installed from its current lock.

    Writes OUTPUT/ENVIRONMENT-PLATFORM.tar.zst, .manifest.json and .sha256. With -f sqsh it is a
    squashfs image, relocated to --prefix, to be mounted or run, never unpacked.
    """
    check_pack_choices(context.project, format_, prefix)
    installation = plan_installation(
        context.project,
        environment,
        platform,
        bytecode=bytecode,
        link_scripts=link_scripts,
        offline=offline,
    )
    if dry_run and not installation.is_current:
        context.say(f"{environment} would be installed first")
        return 0
    with context.progress() as progress:
        result = installed(context, installation, progress)
        plan = plan_packing(
            context.project,
            result,
            directory=output,
            format=format_,
            level=level,
            prefix=prefix,
            workers=workers,
            frame_cache=frame_cache,
        )
        stream = plan.pack if isinstance(plan, ImagePlan) else plan
        if dry_run:
            for frame in stream.frames:
                context.write(f"{frame.payload.name} {frame.part} {len(frame.members)} members\n")
            return 0
        packed = pack_planned(plan, progress)

    if not installation.is_current:
        context.say(render_installed(result).rstrip())
    if context.json:
        context.write(render_packed_json(packed))
    else:
        context.say(render_packed(packed).rstrip())
        context.write(f"{stream.tarball}\n")
    return 0
