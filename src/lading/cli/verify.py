"""`lading verify`."""

import click

from lading.api import verify
from lading.cli.context import Context
from lading.report import render_report, render_report_json

__all__ = ["command"]


@click.command("verify", short_help="Compare a tarball or an environment with its bill.")
@click.argument("subject")
@click.option("--manifest", metavar="FILE", help="The bill, where it is not inside or beside.")
@click.option("--quick", is_flag=True, help="Of a prefix: compare size, mode and time only.")
@click.option("-j", "--workers", type=click.IntRange(1), help="[default: one a processor]")
@click.pass_obj
def command(
    context: Context, *, subject: str, manifest: str | None, quick: bool, workers: int | None
) -> int:
    """Say whether SUBJECT is exactly what its bill says: exit code 0 yes, 1 no.

    SUBJECT is a tarball, an unpacked environment, or the name or prefix of an installed one.
    """
    report = verify(
        subject, project=context.project, manifest=manifest, quick=quick, workers=workers
    )

    context.write(render_report_json(report) if context.json else render_report(report))
    return 0 if report.is_clean else 1
