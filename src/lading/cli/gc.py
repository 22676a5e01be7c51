"""`lading gc`."""

import click
from msgspec.structs import asdict

from lading.api import store_place
from lading.cli.context import Context
from lading.cli.options import store_option, workers_option
from lading.errors import PrefixError
from lading.node import Generations, Store
from lading.report import one_line


@click.command("gc")
@click.argument("names", nargs=-1)
@store_option
@click.option(
    "--keep",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Previous generations to keep.",
)
@click.option("--verify", is_flag=True, help="Hash what stays, and remove changed packages.")
@workers_option
@click.pass_obj
def command(
    context: Context,
    *,
    names: tuple[str, ...],
    store: str | None,
    keep: int,
    verify: bool,
    workers: int | None,
) -> int:
    """Remove old generations of NAMES, then every package of the store that no prefix uses.

    The current generation of a name is always kept, and so are packages that `lading fetch-frames`
    downloaded less than a week ago. What killed processes left is removed too.

    With --verify every stored file is hashed: the exit code is 1 if one was changed through a
    prefix that shares it. Its package is removed, and written again by the next unpack that needs
    it. Prefixes are not changed; check each with `lading verify`.
    """

    def remove_old() -> None:
        for name in names:
            for path in Generations(context.project.path(name)).remove_old(keep):
                context.say(f"removed {path}")

    place = store_place(context.project, store)
    if not (place / "packages").is_dir():
        raise PrefixError(
            f"there is no store at {place}", hint="name the directory of `lading unpack --store`"
        )
    kept = Store(place)
    collected = kept.collect(remove_old)
    context.say(f"removed {collected.packages} packages, {collected.size / 1e6:.1f} MB")
    changed = kept.check(workers or context.project.processors) if verify else ()
    for item in changed:
        done = "removed" if item.removed else "kept, as it is mounted; check again later"
        what = f"{one_line(item.path)} of {item.package or 'the environment'}"
        context.say(f"{what} was changed: {done}")
    found = [asdict(item) for item in changed]
    context.write_json("gc/1", packages=collected.packages, size=collected.size, changed=found)
    return 1 if changed else 0
