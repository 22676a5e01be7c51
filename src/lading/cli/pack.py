"""`lading pack`."""

from collections.abc import Callable
from functools import partial

import click

from lading.api import (
    check_pack_choices,
    named_environments,
    pack_planned,
    plan_installation,
    plan_packing,
)
from lading.cli.categories import choice_of, say_left_out, with_option, without_option
from lading.cli.context import Context
from lading.cli.install import installed
from lading.cli.options import (
    dry_run_option,
    every_option,
    link_scripts_option,
    offline_option,
    platform_option,
    workers_option,
)
from lading.errors import UsageError
from lading.format import IMAGE_SUFFIX, Format, Level
from lading.install import Installed, InstallPlan
from lading.pack import INSTALLER_SUFFIX, ImagePlan, InstallerPlan, PackPlan
from lading.report import render_installed, render_packed, render_packed_json


@click.command("pack")
@click.argument("environments", metavar="[ENVIRONMENT]...", nargs=-1)
@every_option
@platform_option
@with_option
@without_option
@click.option(
    "-f",
    "--format",
    "format_",
    type=click.Choice([*(item.value for item in Format), IMAGE_SUFFIX]),
    default=Format.ZSTD.value,
    show_default=True,
)
@click.option(
    "--installer", is_flag=True, help="Write a script that installs, for nodes without anything."
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
@click.option(
    "--strict", is_flag=True, help="Refuse a prefix with files that no package put there."
)
@click.option(
    "--self-relocating/--no-self-relocating",
    default=None,
    help="Let its python relocate it where others unpack it.  [default: if -f tar.gz]",
)
@dry_run_option
@click.pass_obj
def command(  # noqa: PLR0913  # one parameter for each option
    context: Context,
    *,
    environments: tuple[str, ...],
    every: bool,
    platform: str | None,
    including: list[str],
    excluding: list[str],
    format_: str,
    installer: bool,
    level: str,
    prefix: str | None,
    output: str,
    bytecode: bool,
    link_scripts: bool,
    offline: bool,
    workers: int | None,
    frame_cache: bool,
    self_relocating: bool | None,
    strict: bool,
    dry_run: bool,
) -> int:
    """Pack ENVIRONMENT; install it first if it is not installed from its current lock.

    Of its categories main is packed, or what the configuration says.
    Writes OUTPUT/ENVIRONMENT-PLATFORM.tar.zst, .manifest.json and .sha256. With -f sqsh it is a
    squashfs image, relocated to --prefix, to be mounted or run, never unpacked. With --installer it
    is a script, ENVIRONMENT-PLATFORM.sh, that needs nothing but sh, tar and gzip.
    """
    if installer and format_ != Format.ZSTD:
        raise UsageError("--installer is a format of its own", hint="leave out --format")
    format_ = INSTALLER_SUFFIX if installer else format_
    check_pack_choices(context.project, format_, prefix)
    installations = [
        plan_installation(
            context.project,
            environment,
            platform,
            choice_of(including, excluding),
            bytecode=bytecode,
            link_scripts=link_scripts,
            offline=offline,
        )
        for environment in named_environments(context.project, environments, every=every)
    ]
    if prefix is not None and len(installations) > 1:
        raise UsageError("several images have one --prefix", hint="pack one at a time")
    packing = partial(
        plan_packing,
        context.project,
        directory=output,
        format=format_,
        level=level,
        prefix=prefix,
        workers=workers,
        frame_cache=frame_cache,
        self_relocating=self_relocating,
        strict=strict,
    )
    for installation in installations:
        say_left_out(context, installation.lockfile)
        _pack(context, installation, packing, dry_run=dry_run)
    return 0


def _pack(
    context: Context,
    installation: InstallPlan,
    packing: Callable[[Installed], PackPlan | ImagePlan | InstallerPlan],
    *,
    dry_run: bool,
) -> None:
    """Install if needed, then pack as `packing` plans it; or say what would be done."""
    if dry_run and not installation.is_current:
        context.say(f"{installation.environment} would be installed first")
        return
    with context.progress() as progress:
        result = installed(context, installation, progress)
        plan = packing(result)
        stream = plan if isinstance(plan, PackPlan) else plan.pack
        if dry_run:
            for payload in stream.payloads:
                context.write(f"{payload.name} {len(payload.files)} members\n")
            return
        packed = pack_planned(plan, progress)

    if not installation.is_current:
        context.say(render_installed(result).rstrip())
    if context.json:
        context.write(render_packed_json(packed, installation.lockfile))
    else:
        context.say(render_packed(packed).rstrip())
        context.write(f"{stream.tarball}\n")
