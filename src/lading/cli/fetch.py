"""`lading fetch`."""

import click

from lading.api import plan_installation
from lading.cli.context import Context
from lading.cli.options import dry_run_option, platform_option
from lading.install import fetch_archives
from lading.report import render_fetched, render_fetched_json


@click.command("fetch")
@click.argument("environment")
@platform_option
@click.option("--offline", is_flag=True, help="Only check that everything is there.")
@dry_run_option
@click.pass_obj
def command(
    context: Context, *, environment: str, platform: str | None, offline: bool, dry_run: bool
) -> int:
    """Download all archives and wheels of ENVIRONMENT's lock into the cache, and check them.

    Afterwards `lading install --offline` needs no network. Interrupted downloads are resumed;
    mirrors are tried in the order of the configuration.
    """
    plan = plan_installation(
        context.project, environment, platform, bytecode=True, offline=offline, only_fetch=True
    )
    if dry_run:
        for item in plan.downloads:
            context.write(f"{item.target.name} {item.url}\n")
        return 0
    with context.progress() as progress:
        fetch_archives(
            plan,
            context.project.tree,
            context.project.settings.mirrors,
            context.project.environment,
            progress,
        )

    if context.json:
        context.write(render_fetched_json(plan))
    else:
        context.say(render_fetched(plan).rstrip())
    return 0
