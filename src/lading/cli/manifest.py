"""`lading manifest`."""

import click

from lading.api import read_listing
from lading.cli.context import Context
from lading.errors import UsageError


@click.command("manifest")
@click.argument("subject")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["json", "sha256sum"]),
    default="json",
    show_default=True,
    help="JSON, or lines for `sha256sum -c`.",
)
@click.option("--package", metavar="NAME", help="Only the files of this package.")
@click.pass_obj
def command(context: Context, *, subject: str, format_: str, package: str | None) -> int:
    """Print the complete list of what SUBJECT holds: every package with every file.

    SUBJECT is a tarball (path or URL) or an unpacked environment. Digests are those of the files
    as shipped: `sha256sum -c` accepts them where `tar` has extracted the tarball, before anything
    has relocated it.
    """
    from lading.report import render_listing_json, render_listing_sums  # noqa: PLC0415

    contents = read_listing(subject, project=context.project)
    chosen = tuple(
        item for item in contents.packages if package is None or item.package.name == package
    )
    if not chosen:
        raise UsageError(
            f"there is no package {package} in it", hint="leave out --package to see them all"
        )
    if format_ == "json":
        context.write(render_listing_json(contents.bill, chosen))
    else:
        context.write_exactly(render_listing_sums(chosen))
    return 0
