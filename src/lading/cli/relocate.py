"""`lading relocate`."""

import click

from lading.cli.context import Context
from lading.cli.options import dry_run_option, no_sync_option
from lading.node import apply_relocate, codesign_of, plan_relocate
from lading.report import one_line
from lading.system import no_sync as skip_sync, sync_file_system


@click.command("relocate")
@click.argument("prefix")
@no_sync_option
@dry_run_option
@click.pass_obj
def command(context: Context, *, prefix: str, no_sync: bool, dry_run: bool) -> int:
    """Make the environment at PREFIX work there after it was moved or copied.

    It may have been unpacked by lading, or by tar and conda-unpack. A second run changes nothing.
    """
    sync = skip_sync if no_sync else sync_file_system
    codesign = codesign_of(context.project.environment)
    plan = plan_relocate(context.project.path(prefix), sync, codesign)
    if dry_run:
        for item in plan.relocations:
            context.write(f"{one_line(item.path)}\n")
        return 0
    written = apply_relocate(plan)
    context.say(f"relocated {plan.prefix}: {written} of {len(plan.relocations)} files written")
    context.write_json("relocate/1", written=written)
    return 0
