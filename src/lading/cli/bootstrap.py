"""`lading bootstrap`."""

import click

from lading.cli.context import Context
from lading.cli.options import dry_run_option, platform_option
from lading.engine import apply_bootstrap, plan_bootstrap
from lading.errors import UsageError, raised_as
from lading.report import render_bootstrap
from lading.system import Digest


@click.command("bootstrap")
@click.option(
    "--from", "source", metavar="URL|FILE", default="", help="Download from here instead."
)
@click.option(
    "--sha256",
    metavar="HEX",
    help="SHA-256 of the executable.  [default: that of the release 2.8.1]",
)
@platform_option
@dry_run_option
@click.pass_obj
def command(
    context: Context, *, source: str, sha256: str | None, platform: str | None, dry_run: bool
) -> int:
    """Download micromamba 2.8.1 into .lading/bin, where lading looks for it before PATH.

    It becomes executable only if it has the published SHA-256, which lading knows. For another
    version give --from and --sha256. An interrupted download is resumed.
    """
    if source and "://" not in source:
        source = context.project.path(source).as_uri()
    with raised_as(UsageError, "--sha256", "give 64 hexadecimal digits", ValueError):
        digest = Digest.sha256(sha256) if sha256 else None
    plan = plan_bootstrap(
        context.project.platform(platform),
        context.project.tree.micromamba,
        source=source,
        sha256=digest,
    )
    if dry_run:
        context.write(f"{plan.url} {plan.sha256}\n")
        return 0
    with context.progress() as progress:
        apply_bootstrap(plan, context.project.environment, progress)
    context.tell(render_bootstrap(plan), plan.target)
    return 0
