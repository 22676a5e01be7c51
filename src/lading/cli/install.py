"""`lading install`."""

import click

from lading.api import install_planned, named_environments, plan_installation
from lading.cli.categories import say_left_out, with_option, without_option
from lading.cli.context import Context
from lading.cli.options import (
    dry_run_option,
    every_option,
    link_scripts_option,
    offline_option,
    platform_option,
)
from lading.install import InstallPlan
from lading.lock import Choice
from lading.report import render_installed
from lading.system import network_file_system


@click.command("install")
@click.argument("environments", metavar="[ENVIRONMENT]...", nargs=-1)
@every_option
@platform_option
@with_option
@without_option
@click.option("--bytecode/--no-bytecode", default=True, help="Compile python bytecode.")
@link_scripts_option
@offline_option
@click.option("--force", is_flag=True, help="Install from scratch.")
@click.option("--editable", is_flag=True, help="Link your own source trees; pack never does.")
@dry_run_option
@click.pass_obj
def command(  # noqa: PLR0913  # one parameter for each option
    context: Context,
    *,
    environments: tuple[str, ...],
    every: bool,
    platform: str | None,
    choice: Choice,
    bytecode: bool,
    link_scripts: bool,
    offline: bool,
    force: bool,
    editable: bool,
    dry_run: bool,
) -> int:
    """Install into build/ENVIRONMENT/PLATFORM/prefix what the lockfile lists.

    ENVIRONMENT is the name of a locked environment, or the path of a lockfile. Of its categories
    main is installed, or what the configuration says. A prefix that was
    installed from this very lock is kept. If only a few packages changed, only these are replaced;
    the result is the same as that of an installation from scratch.
    """
    plans = [
        plan_installation(
            context.project,
            environment,
            platform,
            choice,
            bytecode=bytecode,
            link_scripts=link_scripts,
            offline=offline,
            reinstall=force,
            editable=editable,
        )
        for environment in named_environments(context.project, environments, every=every)
    ]
    for plan in plans:
        say_left_out(context, plan.lockfile)
        if dry_run:
            _write_plan(context, plan)
        else:
            _install(context, plan)
    return 0


def _write_plan(context: Context, plan: InstallPlan) -> None:
    for record in plan.records:
        context.write(f"{record.distribution} {record.url}\n")
    for item in plan.wheels:
        context.write(f"{item.name}-{item.version} {item.url}\n")


def _install(context: Context, plan: InstallPlan) -> None:
    if not plan.is_current:
        warn_of_network(context)
    with context.progress() as progress:
        result = install_planned(context.project, plan, progress)
    context.tell(render_installed(result), plan.prefix)


def warn_of_network(context: Context) -> None:
    """Warn if the package cache is on a network file system, where locks may hang or not hold."""
    cache = context.project.tree.package_cache
    kind = network_file_system(cache)
    if kind:
        context.say(
            f"warning: the package cache {cache} is on {kind}, where locks may hang or not hold\n"
            "hint: use a local directory with --pkgs-dir, and this one with --pkgs-layer"
        )
