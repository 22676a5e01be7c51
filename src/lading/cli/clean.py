"""`lading clean`."""

import shutil

import click

from lading.cli.context import Context
from lading.errors import UsageError
from lading.install import clear_package_cache
from lading.pack import FrameCache
from lading.system import remove_stale_temporaries


@click.command("clean")
@click.option("--frames", is_flag=True, help="Remove cached frames of tarballs.")
@click.option("--bytecode", is_flag=True, help="Remove compiled bytecode.")
@click.option("--packages", is_flag=True, help="Remove archives, extracted packages and wheels.")
@click.option(
    "--leftovers", multiple=True, metavar="DIR", help="Remove what killed runs left in DIR."
)
@click.pass_obj
def command(
    context: Context, *, frames: bool, bytecode: bool, packages: bool, leftovers: tuple[str, ...]
) -> int:
    """Remove caches below .lading; their contents are made or downloaded again when needed.

    With --leftovers, remove unfinished environments and tarballs from a directory, if the process
    that was writing them has ended. Each run does so for its own target when it begins.
    """
    if not (frames or bytecode or packages or leftovers):
        raise UsageError(
            "nothing to clean", hint="use --frames, --bytecode, --packages or --leftovers DIR"
        )
    tree = context.project.tree
    removed = []
    if frames:
        freed = FrameCache(directory=tree.frame_cache).clear()
        context.say(f"removed {freed / 1e6:.1f} MB of frames")
        removed.append(tree.frame_cache)
    if bytecode and tree.bytecode_cache.exists():
        shutil.rmtree(tree.bytecode_cache)
        context.say(f"removed {tree.bytecode_cache}")
        removed.append(tree.bytecode_cache)
    kept = clear_package_cache(tree) if packages else None
    if kept is not None:
        names = ", ".join(path.name for path in kept)
        context.say(f"removed {tree.package_cache}" + (f", but not {names}" if kept else ""))
        removed.append(tree.package_cache)
    for left in leftovers:
        for path in remove_stale_temporaries(context.project.path(left)):
            context.say(f"removed {path}")
            removed.append(path)
    context.write_json("clean/1", cleaned=removed)
    return 0
