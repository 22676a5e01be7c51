"""`lading install`."""

import click

from lading.api import install_planned, plan_installation
from lading.cli.context import Context
from lading.install import Installed, InstallPlan
from lading.report import render_installed, render_installed_json
from lading.system import Progress, network_file_system

__all__ = ["command", "installed"]


@click.command("install", short_help="Fill a prefix from a lockfile.")
@click.argument("environment")
@click.option("-p", "--platform", help="Subdir to install for.  [default: this machine's]")
@click.option("--bytecode/--no-bytecode", default=True, help="Compile python bytecode.")
@click.option("--link-scripts", is_flag=True, help="Run the link scripts of packages.")
@click.option("--offline", is_flag=True, help="Fetch nothing over a network.")
@click.option("--force", is_flag=True, help="Install from nothing, whatever is there.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.pass_obj
def command(  # noqa: PLR0913  # one parameter for each option
    context: Context,
    *,
    environment: str,
    platform: str | None,
    bytecode: bool,
    link_scripts: bool,
    offline: bool,
    force: bool,
    dry_run: bool,
) -> int:
    """Fill the prefix build/ENVIRONMENT/PLATFORM/prefix from its lockfile.

    ENVIRONMENT is the name of an environment that was locked, or the path of a lockfile. What is
    installed from this very lock stays; where only a few packages moved since, these are moved, and
    the result is that of an installation from nothing.
    """
    plan = plan_installation(
        context.project,
        environment,
        platform,
        bytecode=bytecode,
        link_scripts=link_scripts,
        offline=offline,
        reinstall=force,
    )
    if dry_run:
        for record in plan.records:
            context.write(f"{record.distribution} {record.url}\n")
        for item in plan.lockfile.pip:
            context.write(f"{item.name}-{item.version} {item.url}\n")
        return 0
    with context.progress() as progress:
        result = installed(context, plan, progress)

    if context.json:
        context.write(render_installed_json(result))
    else:
        context.say(render_installed(result).rstrip())
        context.write(f"{plan.prefix}\n")
    return 0


def installed(context: Context, plan: InstallPlan, progress: Progress) -> Installed:
    """The installation, made now unless it is there already."""
    if not plan.is_current:
        _warn_of_network(context)
    return install_planned(context.project, plan, progress)


def _warn_of_network(context: Context) -> None:
    """Tell of a package cache that lies where locks hang or do not hold."""
    cache = context.project.tree.package_cache
    kind = network_file_system(cache)
    if kind:
        context.say(
            f"warning: the package cache {cache} lies on {kind}, where locks may hang or not hold\n"
            "hint: name a directory on a local disk with --pkgs-dir, and this one with --pkgs-layer"
        )
