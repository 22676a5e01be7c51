"""`lading lock`."""

from collections.abc import Mapping
from dataclasses import replace

import click

from lading.cli.context import Context
from lading.cli.lock_sources import (
    chosen_platforms,
    environment_name,
    find_sources,
    parse_moment,
    promised_packages,
    with_channel_credentials,
)
from lading.conda import Platform
from lading.config import EnvironmentSettings
from lading.errors import UsageError
from lading.install import WHEELS
from lading.lock import (
    FOREIGN,
    CondaLock,
    FileLists,
    LockedPackage,
    LockInputs,
    LockRequest,
    apply_lock,
    describe_lock,
    pins_of_conda_lock,
    pins_of_prefix,
    plan_lock,
    read_environment,
    read_lock_inputs,
    solve_lock,
)
from lading.report import render_locked, render_locked_json

__all__ = ["command", "conda_lock_of", "file_lists_of"]


@click.command("lock", short_help="Resolve environment files into lockfiles, one a platform.")
@click.argument("sources", nargs=-1)
@click.option("-f", "--file", "files", multiple=True, help="A source, as an argument is.")
@click.option("-n", "--name", help="Name of the environment.  [default: that of the first source]")
@click.option("-p", "--platform", "platforms", multiple=True, help="Subdir to lock for.")
@click.option("-c", "--channel", "channels", multiple=True, help="Instead of the sources' own.")
@click.option("--check", "checking", is_flag=True, help="Only say whether the lock is fresh.")
@click.option("--strict", is_flag=True, help="With --check: the content hash must be the same too.")
@click.option("--update", multiple=True, metavar="PACKAGE", help="Move this package and no other.")
@click.option("--update-all", is_flag=True, help="Keep no pin.")
@click.option("--from-prefix", metavar="DIR", help="Keep what is installed there.")
@click.option("--from-conda-lock", metavar="FILE", help="Keep what is locked there.")
@click.option("--virtual-package-spec", metavar="FILE", help="What machines have, by platform.")
@click.option("--exclude-newer", metavar="DATE", help="Ignore what was published after it.")
@click.option("--build-sdists", is_flag=True, help="Let source distributions be built and locked.")
@click.option("--timeout", type=click.FloatRange(min=0), help="Seconds for one platform's solver.")
@click.option("--pip-index", default="", metavar="URL", help="Package index instead of PyPI.")
@click.option("--dry-run", is_flag=True, help="Say what would move, and write no lockfile.")
@click.pass_obj
def command(  # noqa: PLR0913  # one parameter for each option
    context: Context,
    *,
    sources: tuple[str, ...],
    files: tuple[str, ...],
    name: str | None,
    platforms: tuple[str, ...],
    channels: tuple[str, ...],
    checking: bool,
    strict: bool,
    update: tuple[str, ...],
    update_all: bool,
    from_prefix: str | None,
    from_conda_lock: str | None,
    virtual_package_spec: str | None,
    exclude_newer: str | None,
    build_sdists: bool,
    timeout: float | None,
    pip_index: str,
    dry_run: bool,
) -> int:
    """Resolve SOURCES into locks/NAME/PLATFORM.conda-lock.yml, all platforms at once.

    SOURCES are environment files, merged in this order, or the name of one environment of the
    configuration. Pins that still satisfy them are kept. With --check nothing is solved, fetched or
    written: exit code 0 says that the lock answers its sources, 1 that it does not.
    """
    if checking:
        from lading.cli.lock_check import check  # noqa: PLC0415  # what locking does not need

        asked = (*files, *sources)
        conda_lock = conda_lock_of(context)
        return check(
            context,
            asked,
            name,
            platforms,
            channels,
            conda_lock,
            strict=strict,
            promises=virtual_package_spec,
        )
    configured, paths = find_sources(context, (*files, *sources))
    read = [read_environment(path) for path in paths if path.name not in FOREIGN]
    chosen = name or configured or environment_name(read, paths)
    settings = context.settings.environments.get(chosen, EnvironmentSettings())
    request = LockRequest(
        name=chosen,
        directory=context.directory,
        sources=paths,
        platforms=chosen_platforms(context, platforms or settings.platforms, read),
        channels=channels or settings.channels,
        virtual_packages=promised_packages(context, settings, paths, virtual_package_spec),
        mirrors=with_channel_credentials(context, read, channels),
        strict_priority=context.settings.strict_priority,
        update=frozenset(update),
        update_all=update_all,
        timeout=timeout,
        pip_index=pip_index or context.environment.get("PIP_INDEX_URL", ""),
        exclude_newer=parse_moment(exclude_newer),
        build_sdists=build_sdists,
        conda_lock=conda_lock_of(context),
    )
    inputs = read_lock_inputs(request)
    inputs = replace(inputs, preferred=_adopted(context, request, from_prefix, from_conda_lock))
    return _lock(context, request, inputs, dry_run=dry_run)


def conda_lock_of(context: Context) -> CondaLock:
    """conda-lock, its state below the project."""
    return CondaLock(
        state_directory=context.tree.state / "conda-lock",
        inherited_environment=context.environment,
    )


def _lock(context: Context, request: LockRequest, inputs: LockInputs, *, dry_run: bool) -> int:
    plan = plan_lock(request, inputs)
    with context.progress() as progress:
        solved = solve_lock(plan, context.build_engine(), progress, file_lists_of(context, request))
    outcome = describe_lock(solved) if dry_run else apply_lock(solved)
    if context.json:
        context.write(render_locked_json(request.name, outcome))
    elif dry_run:
        context.write(render_locked(outcome))
    else:
        context.say(render_locked(outcome).rstrip())
        context.write("".join(f"{item.path}\n" for item in outcome.platforms))
    return 0


def file_lists_of(context: Context, request: LockRequest) -> FileLists:
    """Knows the files of archives: of those that were fetched before, and from where they lie."""
    caches = (context.tree.package_cache, *context.tree.layers)
    return FileLists(
        cache=context.tree.state / "file-lists",
        places=tuple(place for cache in caches for place in (cache, cache / WHEELS)),
        mirrors=request.mirrors,
        environment=context.environment,
    )


def _adopted(
    context: Context, request: LockRequest, prefix: str | None, lock: str | None
) -> Mapping[Platform, tuple[LockedPackage, ...]]:
    """The pins that the user wants to keep from elsewhere.

    Raises:
        UsageError: Two places are named, or a prefix for several platforms.
    """
    if prefix and lock:
        raise UsageError("two places to keep packages from are named", hint="name one of them")
    if lock:
        return pins_of_conda_lock(context.path(lock))
    if prefix:
        if len(request.platforms) > 1:
            raise UsageError("a prefix is of one platform", hint="name it with -p")
        return pins_of_prefix(context.path(prefix), request.platforms[0], context.settings.mirrors)
    return {}
