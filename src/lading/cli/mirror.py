"""`lading mirror`."""

import click

from lading.cli.context import Context
from lading.cli.install import plan_installation
from lading.install.prefix import fetch_archives
from lading.pack.mirror import write_mirror

__all__ = ["command"]


@click.command("mirror", short_help="Write a channel of the packages of a lock.")
@click.argument("environment")
@click.argument("directory")
@click.option("-p", "--platform", help="Subdir to mirror.  [default: this machine's]")
@click.option("--offline", is_flag=True, help="Take only what was fetched before.")
@click.option("--dry-run", is_flag=True, help="Say what would be written, and do nothing.")
@click.pass_obj
def command(  # one parameter for each option
    context: Context,
    *,
    environment: str,
    directory: str,
    platform: str | None,
    offline: bool,
    dry_run: bool,
) -> int:
    """Write DIRECTORY: the conda packages of ENVIRONMENT's lock, as a channel.

    It can be carried across an air gap, read from file:// and served by any static web server; name
    it under [mirrors]. Several locks may go into one channel. Wheels are not part of it.
    """
    plan = plan_installation(
        context, environment, platform, bytecode=True, offline=offline, only_fetch=True
    )
    if dry_run:
        for record in plan.conda:
            context.write(f"{record.subdir}/{record.file_name}\n")
        return 0
    with context.progress() as progress:
        archives = fetch_archives(
            plan, context.tree, context.settings.mirrors, context.environment, progress
        )
        mirrored = write_mirror(
            plan.conda, archives, str(plan.lockfile.platform), context.path(directory)
        )
    from lading.report.setup import render_mirrored, render_mirrored_json  # noqa: PLC0415

    if context.json:
        context.write(render_mirrored_json(mirrored))
    else:
        context.say(render_mirrored(mirrored).rstrip())
        context.write(f"{mirrored.directory}\n")
    return 0
