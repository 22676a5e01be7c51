"""`lading verify`."""

import click

from lading.api import verify
from lading.cli.context import Context
from lading.cli.options import workers_option
from lading.report import render_report


@click.command("verify")
@click.argument("subject")
@click.option("--manifest", metavar="FILE", help="The bill, if not inside or beside SUBJECT.")
@click.option("--quick", is_flag=True, help="Compare only size, mode and time (prefixes).")
@workers_option
@click.pass_obj
def command(
    context: Context, *, subject: str, manifest: str | None, quick: bool, workers: int | None
) -> int:
    """Check that SUBJECT is exactly what its bill lists: exit code 0 yes, 1 no.

    SUBJECT is a tarball (path or URL), an image, an unpacked environment, or the name or prefix of
    an installed one.
    """
    with context.progress() as progress:
        report = verify(
            subject,
            project=context.project,
            manifest=manifest,
            quick=quick,
            workers=workers,
            progress=progress,
        )
    context.show(render_report(report))
    return 0 if report.is_clean else 1
