"""`lading lock`."""

import click

from lading.api import LockChoices, environments_meant, lock_environments
from lading.cli.context import Context
from lading.cli.options import every_option
from lading.lock import LockOutcome
from lading.report import render_locked


@click.command("lock")
@click.argument("sources", nargs=-1)
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    metavar="FILE",
    help="Environment file (same as SOURCES).",
)
@every_option
@click.option("-n", "--name", help="Name of the environment.  [default: from the first source]")
@click.option("-p", "--platform", "platforms", multiple=True, help="Platform to lock for.")
@click.option(
    "-c", "--channel", "channels", multiple=True, help="Channel to use instead of those in SOURCES."
)
@click.option(
    "--check",
    "checking",
    is_flag=True,
    help="Check that the locks satisfy SOURCES; change nothing.",
)
@click.option("--strict", is_flag=True, help="With --check: compare the content hash too.")
@click.option(
    "--update", multiple=True, metavar="PACKAGE", help="Update PACKAGE and what it requires."
)
@click.option("--update-all", is_flag=True, help="Update all packages.")
@click.option("--from-prefix", metavar="DIR", help="Prefer the versions installed in DIR.")
@click.option("--from-conda-lock", metavar="FILE", help="Prefer the versions locked in FILE.")
@click.option(
    "--virtual-package-spec",
    metavar="FILE",
    help="Virtual packages of the target machines, by platform.",
)
@click.option("--exclude-newer", metavar="DATE", help="Ignore packages published after DATE.")
@click.option(
    "--build-sdists", is_flag=True, help="Build wheels of source distributions, and lock them."
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    help="Time limit for solving one platform, in seconds.",
)
@click.option("--pip-index", default="", metavar="URL", help="Package index instead of PyPI.")
@click.option("--dry-run", is_flag=True, help="Print what would change, and write nothing.")
@click.pass_obj
def command(  # noqa: PLR0913  # one parameter for each option
    context: Context,
    *,
    sources: tuple[str, ...],
    files: tuple[str, ...],
    every: bool,
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
    """Resolve SOURCES into locks/NAME/PLATFORM.conda-lock.yml, for all platforms.

    SOURCES are environment files, merged in this order, or the names of environments that are
    configured or locked; environments of one solve-group are locked together. Locked versions that
    still satisfy them are kept. With --check nothing is solved, downloaded or written: exit code 0
    means that the locks satisfy SOURCES, 1 that they do not.
    """
    asked = (*files, *sources)
    if checking:
        from lading.cli.lock_check import check  # noqa: PLC0415  # what locking does not need

        if context.project.settings.environments and not asked:
            every = True
        return check(
            context,
            environments_meant(context.project, asked, every=every),
            name,
            platforms,
            channels,
            strict=strict,
            promises=virtual_package_spec,
        )
    choices = LockChoices(
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
    )
    meant = environments_meant(context.project, asked, every=every)
    with context.progress() as progress:
        outcomes = lock_environments(
            context.project, meant, choices, dry_run=dry_run, progress=progress
        )
    for outcome in outcomes:
        _write(context, outcome, heading=f"{outcome.name}:\n" if len(outcomes) > 1 else "")
    return 0


def _write(context: Context, outcome: LockOutcome, heading: str) -> None:
    answer = render_locked(outcome, heading)
    if outcome.is_dry:
        context.show(answer)
    else:
        context.tell(answer, *(item.path for item in outcome.platforms))
