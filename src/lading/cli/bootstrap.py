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
    "--sha256", metavar="HEX", help="SHA-256 of the executable.  [default: the pinned one]"
)
@platform_option
@dry_run_option
@click.pass_obj
def command(
    context: Context, *, source: str, sha256: str | None, platform: str | None, dry_run: bool
) -> int:
    """Download micromamba into .lading/bin, where lading looks for it before PATH.

    An interrupted download is resumed.
    """
    plan = plan_bootstrap(
        context.project.platform(platform),
        context.project.tree.micromamba,
        source=_location(context, source),
        sha256=_digest(sha256),
    )
    if dry_run:
        context.write(f"{plan.url} {plan.sha256}\n")
        return 0
    with context.progress() as progress:
        apply_bootstrap(plan, context.project.environment, progress)
    context.tell(render_bootstrap(plan), plan.target)
    return 0


def _location(context: Context, source: str) -> str:
    return source if not source or "://" in source else context.project.path(source).as_uri()


def _digest(text: str | None) -> Digest | None:
    with raised_as(UsageError, "--sha256", "give 64 hexadecimal digits", ValueError):
        return Digest.sha256(text) if text else None
