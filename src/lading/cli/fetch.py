"""`lading fetch`."""

import click

from lading.api import named_environments, plan_installation
from lading.cli.categories import say_left_out, with_option, without_option
from lading.cli.context import Context
from lading.cli.options import dry_run_option, every_option, platform_option
from lading.install import fetch_archives
from lading.lock import Choice
from lading.report import render_fetched


@click.command("fetch")
@click.argument("environments", metavar="[ENVIRONMENT]...", nargs=-1)
@every_option
@platform_option
@with_option
@without_option
@click.option("--offline", is_flag=True, help="Only check that everything is there.")
@dry_run_option
@click.pass_obj
def command(  # noqa: PLR0913  # one parameter for each option
    context: Context,
    *,
    environments: tuple[str, ...],
    every: bool,
    platform: str | None,
    choice: Choice,
    offline: bool,
    dry_run: bool,
) -> int:
    """Download all archives and wheels of ENVIRONMENT's lock into the cache, and check them.

    Afterwards `lading install --offline` needs no network. Interrupted downloads are resumed;
    mirrors are tried in the order of the configuration.
    """
    plans = [
        plan_installation(
            context.project, environment, platform, choice, offline=offline, only_fetch=True
        )
        for environment in named_environments(context.project, environments, every=every)
    ]
    for plan in plans:
        say_left_out(context, plan.lockfile)
        if dry_run:
            for item in plan.downloads:
                context.write(f"{item.target.name} {item.url}\n")
        else:
            with context.progress() as progress:
                fetch_archives(plan, context.project.tree, context.project.environment, progress)
            context.tell(render_fetched(plan))
    return 0
