"""`lading preflight`."""

import sys

import click

from lading.api import preflight
from lading.cli.context import Context
from lading.errors import InputError, PrefixError, UsageError, raised_as


@click.command("preflight")
@click.argument("subject", required=False)
@click.option("--prefix", metavar="DIR", help="Where it would be unpacked.")
@click.option("--store", metavar="DIR", help="The store from which a tarball would be run.")
@click.option(
    "--merge",
    metavar="FILE",
    help="Make a table of what several machines said with --json; - is standard input.",
)
@click.pass_obj
def command(
    context: Context,
    *,
    subject: str | None,
    prefix: str | None,
    store: str | None,
    merge: str | None,
) -> int:
    """Check whether SUBJECT will run here, and how it would get here: exit code 0 yes, 8 no.

    SUBJECT is a tarball, an image, a bill or the URL of a tarball. What it needs is compared with
    what is here; every way to mount an image is tried. Nothing is left behind.

    With --json the answer is one line. `srun -o 'node.%N' lading preflight --json IMAGE`, then
    `cat node.* | lading preflight --merge -`, show a whole cluster.
    """
    from lading.report import merge_preflights, render_preflight, render_preflights  # noqa: PLC0415

    if (subject is None) is (merge is None):
        both = subject is not None
        raise UsageError(
            "SUBJECT and --merge cannot be combined" if both else "nothing to look at is named",
            hint="name a tarball, an image or a bill; or --merge FILE",
        )
    if merge is not None:
        with raised_as(InputError, merge, "name a file of JSON lines"):
            data = (
                sys.stdin.buffer.read()
                if merge == "-"
                else context.project.path(merge).read_bytes()
            )
        reports = merge_preflights(data, merge)
        context.write(render_preflights(reports))
        return 0 if all(report.is_ready for report in reports) else PrefixError.exit_code
    report = preflight(subject or "", project=context.project, prefix=prefix, store=store)
    context.show(render_preflight(report))
    return 0 if report.is_ready else PrefixError.exit_code
