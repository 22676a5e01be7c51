"""`lading fetch-frames`."""

import click

from lading.api import store_place
from lading.cli.context import Context
from lading.cli.options import dry_run_option, no_sync_option, store_option, workers_option
from lading.format import open_tarball, read_bill, tarball_place
from lading.node import Store, apply_prefetch, lacking, plan_prefetch
from lading.system import nearest_directory, no_sync as skip_sync, sync_file_system


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
    store: str | None,
    workers: int | None,
    no_sync: bool,
    dry_run: bool,
) -> int:
    """Download from the tarball SOURCE (URL or path) only the packages that the store lacks.

    OLD is the manifest of what the node runs now, NEW that of SOURCE. Afterwards
    `lading unpack --store DIR NEW NAME` makes the environment without the tarball. `lading gc`
    keeps the packages for a week, or until then.
    """
    path = context.project.path(new)
    bill = read_bill(path)
    kept = Store(store_place(context.project, store))
    missing = lacking(bill, kept)
    before = read_bill(context.project.path(old)).manifest
    known = {item.listed.sha256 for item in before.packages}
    lost = sum(1 for item in missing if item.listed.sha256 in known)
    if lost:
        context.say(f"{lost} packages of {old} are not in the store, and are downloaded too")
    if dry_run:
        for package in missing:
            for frame in package.frames:
                context.write(f"{frame.offset} {frame.length} {package.name}\n")
        return 0
    place = tarball_place(source, context.project.path)
    with open_tarball(
        # A store that lacks nothing needs no tarball.
        place if missing else path,
        manifest=path,
        environment=context.project.environment,
        spool=nearest_directory(kept.directory.parent),
    ) as tarball:
        sync = skip_sync if no_sync else sync_file_system
        plan = plan_prefetch(tarball, kept, workers or context.project.processors, sync)
        with context.progress() as progress:
            fetched = apply_prefetch(plan, progress)
    if fetched.read_whole:
        context.say("the server does not support ranges: the whole tarball was read")
    total = sum(frame.length for item in bill.manifest.packages for frame in item.frames)
    context.say(
        f"fetched {fetched.packages} packages: {fetched.frames} frames,"
        f" {fetched.size} of {total} bytes"
    )
    context.write_json(
        "fetch-frames/1",
        packages=fetched.packages,
        frames=fetched.frames,
        size=fetched.size,
        read_whole=fetched.read_whole,
    )
    return 0
