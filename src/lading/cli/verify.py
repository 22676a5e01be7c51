"""`lading verify`."""

from pathlib import Path

import click

from lading.cli.context import Context
from lading.errors import NotAPrefixError
from lading.format import open_tarball
from lading.install import read_install_record
from lading.verify import (
    Report,
    Thoroughness,
    read_prefix_manifest,
    verify_installed,
    verify_tarball,
    verify_unpacked,
)

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
    how = Thoroughness(workers=workers or context.processors, quick=quick)
    report = _verify(context, subject, context.path(manifest) if manifest else None, how)
    from lading.report import render_report, render_report_json  # noqa: PLC0415

    context.write(render_report_json(report) if context.json else render_report(report))
    return 0 if report.is_clean else 1


def _verify(context: Context, subject: str, manifest: Path | None, how: Thoroughness) -> Report:
    path = context.path(subject)
    if path.is_dir():
        if path.is_symlink():
            # One version is looked at, even if the name is switched to another one meanwhile.
            path = path.resolve()
        # Elsewhere an `install.json` may be anybody's.
        bill = read_install_record(path.parent) if path.name == "prefix" else None
        if manifest is None and bill is not None and bill.prefix == str(path):
            return verify_installed(path, bill, how)
        return verify_unpacked(path, read_prefix_manifest(path, manifest), how)
    if path.exists():
        with open_tarball(path, manifest) as opened:
            return verify_tarball(opened, how.workers)
    directory = context.tree.build(subject, context.platform(None))
    bill = read_install_record(directory)
    if bill is None:
        raise NotAPrefixError(
            f"there is no {subject}: no tarball, no prefix, no installed environment",
            hint="name a path, or install the environment first",
        )
    return verify_installed(Path(bill.prefix), bill, how)
