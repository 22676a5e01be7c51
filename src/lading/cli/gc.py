"""`lading gc`."""

import click

from lading.cli.context import Context
from lading.pack.store import FrameStore
from lading.pack.switch import Versions

__all__ = ["command"]


@click.command("gc", short_help="Remove old versions, and frames that no prefix needs.")
@click.argument("names", nargs=-1)
@click.option("--store", required=True, metavar="DIR", help="Where frames are kept.")
@click.option(
    "--keep", type=click.IntRange(0), default=1, show_default=True, help="Versions to go back to."
)
@click.pass_obj
def command(context: Context, *, names: tuple[str, ...], store: str, keep: int) -> int:
    """Remove old versions of NAMES, then every frame of the store that no prefix needs.

    The present version of a name is never removed.
    """

    def remove_old() -> None:
        for name in names:
            for path in Versions(context.path(name)).remove_old(keep):
                context.say(f"removed {path}")

    collected = FrameStore(context.path(store)).collect(remove_old)
    context.say(f"removed {collected.frames} frames, {collected.size / 1e6:.1f} MB")
    if context.json:
        context.write(
            f'{{"schema":"lading.gc/1","frames":{collected.frames},"size":{collected.size}}}\n'
        )
    return 0
