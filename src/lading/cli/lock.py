"""`lading lock`."""

from collections.abc import Sequence
from pathlib import Path

import click

from lading.cli.context import Context
from lading.conda.names import Platform
from lading.config import EnvironmentSettings
from lading.errors import UsageError
from lading.lock.isolation import CondaLock
from lading.lock.request import LockRequest
from lading.lock.solve import apply_lock, plan_lock, read_lock_inputs, solve_lock
from lading.report.locked import render_lock_plan, render_locked, render_locked_json
from lading.spec.environment import EnvironmentFile, read_environment

__all__ = ["command"]

DEFAULT_SOURCE = "environment.yml"


@click.command("lock", short_help="Resolve environment files into lockfiles, one a platform.")
@click.argument("sources", nargs=-1)
@click.option("-n", "--name", help="Name of the environment.  [default: that of the first source]")
@click.option("-p", "--platform", "platforms", multiple=True, help="Subdir to lock for.")
@click.option("-c", "--channel", "channels", multiple=True, help="Instead of the sources' own.")
@click.option("--update", multiple=True, metavar="PACKAGE", help="Move this package and no other.")
@click.option("--update-all", is_flag=True, help="Keep no pin.")
@click.option("--timeout", type=click.FloatRange(min=0), help="Seconds for one platform's solver.")
@click.option("--pip-index", default="", metavar="URL", help="Package index instead of PyPI.")
@click.option("--dry-run", is_flag=True, help="Say what would be solved, and do nothing.")
@click.pass_obj
def command(  # noqa: PLR0913  # one parameter for each option
    context: Context,
    *,
    sources: tuple[str, ...],
    name: str | None,
    platforms: tuple[str, ...],
    channels: tuple[str, ...],
    update: tuple[str, ...],
    update_all: bool,
    timeout: float | None,
    pip_index: str,
    dry_run: bool,
) -> int:
    """Resolve SOURCES into locks/NAME/PLATFORM.conda-lock.yml, all platforms at once.

    SOURCES are environment files, merged in this order, or the name of one environment of the
    configuration. Pins that still satisfy them are kept.
    """
    configured, paths = find_sources(context, sources)
    files = [read_environment(path) for path in paths if path.suffix in {".yml", ".yaml"}]
    chosen = name or configured or environment_name(files, paths)
    settings = context.settings.environments.get(chosen, EnvironmentSettings())
    request = LockRequest(
        name=chosen,
        directory=context.directory,
        sources=paths,
        platforms=_platforms(context, platforms or settings.platforms, files),
        channels=channels or settings.channels,
        virtual_packages=settings.virtual_packages,
        mirrors=context.settings.mirrors,
        strict_priority=context.settings.strict_priority,
        update=frozenset(update),
        update_all=update_all,
        timeout=timeout,
        pip_index=pip_index or context.environment.get("PIP_INDEX_URL", ""),
        conda_lock=CondaLock(
            state_directory=context.tree.state / "conda-lock",
            inherited_environment=context.environment,
        ),
    )
    plan = plan_lock(request, read_lock_inputs(request))
    if dry_run:
        context.write(render_lock_plan(plan))
        return 0
    with context.progress() as progress:
        outcome = apply_lock(solve_lock(plan, context.build_engine(), progress))
    if context.json:
        context.write(render_locked_json(request.name, outcome))
    else:
        context.say(render_locked(outcome).rstrip())
        context.write("".join(f"{item.path}\n" for item in outcome.platforms))
    return 0


def find_sources(context: Context, sources: Sequence[str]) -> tuple[str, tuple[Path, ...]]:
    """The configured environment that the user named (or empty), and the files to read.

    Raises:
        UsageError: Nothing was named and several environments are configured.
    """
    known = context.settings.environments
    if not sources and len(known) > 1:
        raise UsageError(
            f"several environments are configured: {', '.join(sorted(known))}",
            hint="name one of them, or an environment file",
        )
    names = tuple(sources) or tuple(known) or (DEFAULT_SOURCE,)
    if len(names) == 1 and names[0] in known:
        base = context.settings.path.parent if context.settings.path else context.directory
        return names[0], tuple(base / source for source in known[names[0]].sources)
    return "", tuple(context.path(source) for source in names)


def environment_name(files: Sequence[EnvironmentFile], paths: Sequence[Path]) -> str:
    """The name that the first source with one gives, else that of its directory."""
    return next((item.name for item in files if item.name), paths[0].resolve().parent.name)


def _platforms(
    context: Context, wanted: Sequence[str], files: Sequence[EnvironmentFile]
) -> tuple[Platform, ...]:
    """The platforms asked for, else those of the sources, else this machine's."""
    if wanted:
        return tuple(dict.fromkeys(context.platform(item) for item in wanted))
    named = tuple(dict.fromkeys(platform for item in files for platform in item.platforms))
    return named or (context.platform(None),)
