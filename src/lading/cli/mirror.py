"""`lading mirror`."""

import click

from lading.api import plan_installation
from lading.cli.categories import say_left_out, with_option, without_option
from lading.cli.context import Context
from lading.cli.options import dry_run_option, platform_option
from lading.install import fetch_archives, place_of_wheel, write_mirror
from lading.lock import Choice
from lading.report import render_mirrored


@click.command("mirror")
@click.argument("environment")
@click.argument("directory")
@platform_option
@with_option
@without_option
@click.option("--offline", is_flag=True, help="Use only what was downloaded before.")
@dry_run_option
@click.pass_obj
def command(  # noqa: PLR0913  # one parameter for each option
    context: Context,
    *,
    environment: str,
    directory: str,
    platform: str | None,
    choice: Choice,
    offline: bool,
    dry_run: bool,
) -> int:
    """Write the packages of ENVIRONMENT's lock into DIRECTORY as a channel, and its wheels.

    DIRECTORY can be carried across an air gap, read through file:// or served by any static web
    server. The command prints the lines to put under [mirrors]; or use --pkgs-layer DIRECTORY.
    Several locks may share one directory.
    """
    plan = plan_installation(
        context.project, environment, platform, choice, offline=offline, only_fetch=True
    )
    say_left_out(context, plan.lockfile)
    if dry_run:
        for record in plan.conda:
            context.write(f"{record.subdir}/{record.file_name}\n")
        for item in plan.wheels:
            context.write(f"{place_of_wheel(item.url)}\n")
        return 0
    with context.progress() as progress:
        archives = fetch_archives(plan, context.project.tree, context.project.environment, progress)
        mirrored = write_mirror(
            context.project.path(directory),
            platform=str(plan.lockfile.platform),
            records=plan.conda,
            archives=archives.conda,
            wheels={item.url: archives.wheels[item.file_name] for item in plan.wheels},
        )
    context.tell(render_mirrored(mirrored), mirrored.directory)
    return 0
