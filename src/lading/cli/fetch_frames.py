"""`lading fetch-frames`."""

import click

from lading.cli.context import Context
from lading.cli.options import dry_run_option, no_sync_option, store_option, workers_option
from lading.format import is_remote, read_bill
from lading.node import PrefetchPlan, Store, apply_prefetch
from lading.report import render_json
from lading.system import no_sync as skip_sync, sync_file_system


@click.command("fetch-frames")
@click.argument("old")
@click.argument("new")
@click.argument("source")
@store_option
@workers_option
@no_sync_option
@dry_run_option
@click.pass_obj
def command(  # noqa: PLR0913  # one parameter for each option
    context: Context,
    *,
    old: str,
    new: str,
    source: str,
    store: str,
    workers: int | None,
    no_sync: bool,
    dry_run: bool,
) -> int:
    """Download from the tarball SOURCE (URL or path) only the frames that the store lacks.

    OLD is the manifest of what the node runs now, NEW that of SOURCE. Afterwards
    `lading unpack --store DIR NEW NAME` makes the environment without the tarball. `lading gc`
    keeps the frames for a week, or until then.
    """
    bill = read_bill(context.project.path(new))
    before = read_bill(context.project.path(old)).manifest
    place = source if is_remote(source) else str(context.project.path(source))
    plan = PrefetchPlan(
        bill=bill,
        source=place,
        store=Store(context.project.path(store)),
        workers=workers or context.project.processors,
        environment=context.project.environment,
        sync=skip_sync if no_sync else sync_file_system,
    )
    missing = plan.missing()
    known = {item.frame.sha256 for item in before.slices()}
    lost = sum(1 for item in missing if item.frame.sha256 in known)
    if lost:
        context.say(f"{lost} frames of {old} are missing from the store, and are downloaded too")
    if dry_run:
        for item in missing:
            context.write(f"{item.frame.offset} {item.frame.length} {item.package.name}\n")
        return 0
    with context.progress() as progress:
        fetched = apply_prefetch(plan, progress)
    if fetched.read_whole:
        context.say("the server does not support ranges: the whole tarball was read")
    total = sum(item.frame.length for item in bill.manifest.slices())
    context.say(f"fetched {fetched.frames} frames, {fetched.size} of {total} bytes")
    if context.json:
        document = render_json(
            "fetch-frames/1",
            frames=fetched.frames,
            size=fetched.size,
            read_whole=fetched.read_whole,
        )
        context.write(document)
    return 0
