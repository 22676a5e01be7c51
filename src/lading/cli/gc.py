"""`lading gc`."""

import click

from lading.cli.context import Context
from lading.node import Generations, Store
from lading.report import render_json

__all__ = ["command"]


@click.command("gc", short_help="Remove old versions, and frames that no prefix needs.")
@click.argument("names", nargs=-1)
@click.option("--store", required=True, metavar="DIR", help="Where frames are kept.")
@click.option(
    "--keep",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Generations to go back to.",
)
@click.option("--verify", is_flag=True, help="Hash what stays, and remove what was changed.")
@click.option("-j", "--workers", type=click.IntRange(1), help="[default: one a processor]")
@click.pass_obj
def command(
    context: Context,
    *,
    names: tuple[str, ...],
    store: str,
    keep: int,
    verify: bool,
    workers: int | None,
) -> int:
    """Remove old versions of NAMES, then every frame of the store that no prefix needs.

    The present version of a name is never removed, nor are frames that were fetched less than a
    week ago for a version to come. What killed processes left goes too.

    With --verify every stored file is hashed: exit code 1 where one was changed, through one of the
    prefixes that share it. Its frame is removed, and made anew when a tarball brings it again;
    prefixes are left as they are, and `lading verify` tells of each.
    """

    def remove_old() -> None:
        for name in names:
            for path in Generations(context.project.path(name)).remove_old(keep):
                context.say(f"removed {path}")

    frames = Store(context.project.path(store))
    collected = frames.collect(remove_old)
    context.say(f"removed {collected.frames} frames, {collected.size / 1e6:.1f} MB")
    changed = frames.check(workers or context.project.processors) if verify else ()
    for item in changed:
        context.say(f"{item.path} of {item.package or 'the environment'} was changed: removed")
    if context.json:
        found = [{"package": item.package, "path": item.path} for item in changed]
        document = render_json("gc/1", frames=collected.frames, size=collected.size, changed=found)
        context.write(document)
    return 1 if changed else 0
