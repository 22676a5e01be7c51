"""`lading pack`."""

import click

from lading.api import (
    PackChoices,
    check_pack_choices,
    named_environments,
    pack_locked,
    plan_installation,
)
from lading.cli.categories import say_left_out, with_option, without_option
from lading.cli.context import Context
from lading.cli.install import warn_of_network
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
from lading.install import InstallPlan
from lading.lock import Choice
from lading.pack import INSTALLER_SUFFIX
from lading.report import render_notes, render_packed


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
    choice: Choice,
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
    """Pack ENVIRONMENT from the archives of its lock.

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
            choice,
            bytecode=bytecode,
            link_scripts=link_scripts,
            offline=offline,
        )
        for environment in named_environments(context.project, environments, every=every)
    ]
    if prefix is not None and len(installations) > 1:
        raise UsageError("several images have one --prefix", hint="pack one at a time")
    choices = PackChoices(
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
        _pack(context, installation, choices, dry_run=dry_run)
    return 0


def _pack(
    context: Context, installation: InstallPlan, choices: PackChoices, *, dry_run: bool
) -> None:
    """Pack, or say what would be packed."""
    if dry_run:
        for record in installation.conda:
            context.write(f"{record.name} {record.version}\n")
        for item in installation.wheels:
            context.write(f"{item.name} {item.version}\n")
        return
    warn_of_network(context)
    with context.progress() as progress:
        packed = pack_locked(context.project, installation, choices, progress)
    contents = packed.plan.request.installed.contents
    notes = render_notes(contents, link_scripts=installation.link_scripts)
    if notes:
        context.say(notes.rstrip())
    context.tell(render_packed(packed, installation.lockfile), packed.plan.tarball)
