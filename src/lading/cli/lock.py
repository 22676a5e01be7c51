"""`lading lock`."""

import click

from lading.api import conda_lock_of, lock
from lading.cli.context import Context
from lading.report import render_locked, render_locked_json

__all__ = ["command"]


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
        conda_lock = conda_lock_of(context.project)
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
    with context.progress() as progress:
        outcome = lock(
            *files,
            *sources,
            project=context.project,
            name=name or "",
            platforms=platforms,
            channels=channels,
            virtual_packages=virtual_package_spec,
            update=update,
            update_all=update_all,
            keep_prefix=from_prefix,
            keep_lock=from_conda_lock,
            exclude_newer=exclude_newer,
            build_sdists=build_sdists,
            pip_index=pip_index,
            timeout=timeout,
            dry_run=dry_run,
            progress=progress,
        )
    if context.json:
        context.write(render_locked_json(outcome.name, outcome))
    elif dry_run:
        context.write(render_locked(outcome))
    else:
        context.say(render_locked(outcome).rstrip())
        context.write("".join(f"{item.path}\n" for item in outcome.platforms))
    return 0
