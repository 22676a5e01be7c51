"""`lading unpack`."""

import click

from lading.cli.context import Context
from lading.errors import DigestMismatchError
from lading.pack.reader import open_tarball
from lading.pack.unpack import apply_unpack, plan_unpack

__all__ = ["command"]


@click.command("unpack", short_help="Unpack a tarball: checked, relocated, in one pass.")
@click.argument("tarball")
@click.argument("prefix")
@click.option("--manifest", metavar="FILE", help="The bill, where it is not inside or beside.")
@click.option("--manifest-sha256", metavar="HEX", help="Refuse any other bill than this one.")
@click.option("-j", "--workers", type=click.IntRange(1), help="[default: one a processor]")
@click.option("--dry-run", is_flag=True, help="Say what would be written, and do nothing.")
@click.pass_obj
def command(  # noqa: PLR0913  # one parameter for each option
    context: Context,
    *,
    tarball: str,
    prefix: str,
    manifest: str | None,
    manifest_sha256: str | None,
    workers: int | None,
    dry_run: bool,
) -> int:
    """Unpack TARBALL to PREFIX, which must not exist.

    Every file is checked against the bill and relocated while it is written. PREFIX appears only
    when it is complete.
    """
    bill_path = context.path(manifest) if manifest else None
    with open_tarball(context.path(tarball), bill_path) as opened:
        found = opened.manifest_sha256.hex
        if manifest_sha256 is not None and found != manifest_sha256.lower():
            raise DigestMismatchError(
                f"{tarball} has another bill than the one asked for",
                hint="fetch the tarball that belongs to this digest",
                expected=manifest_sha256.lower(),
                actual=found,
            )
        plan = plan_unpack(opened, context.path(prefix), workers or context.processors)
        if dry_run:
            for item in opened.manifest.files:
                context.write(f"{item.mode} {item.size:>12} {item.path}\n")
            return 0
        with context.progress() as progress:
            apply_unpack(plan, progress)
        context.say(
            f"unpacked {opened.manifest.environment}: {len(opened.manifest.files)} files,"
            f" checked and relocated"
        )
    if context.json:
        context.write(f'{{"schema":"lading.unpack/1","manifest_sha256":"{found}"}}\n')
    else:
        context.write(f"{plan.prefix}\n")
    return 0
