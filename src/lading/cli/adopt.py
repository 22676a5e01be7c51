"""`lading adopt`."""

import click

from lading.api import adopt
from lading.cli.context import Context
from lading.report import render_adopted


@click.command("adopt")
@click.argument("files", nargs=-1, required=True)
@click.option("-n", "--name", default="", help="Name of the environment.  [default: as FILES say]")
@click.option("-p", "--platform", "platforms", multiple=True, help="Only this platform.")
@click.option("--leave-out", multiple=True, metavar="PACKAGE", help="Do not take PACKAGE.")
@click.pass_obj
def command(
    context: Context,
    *,
    files: tuple[str, ...],
    name: str,
    platforms: tuple[str, ...],
    leave_out: tuple[str, ...],
) -> int:
    """Write the locks in FILES as locks/NAME/PLATFORM.conda-lock.yml; nothing is solved.

    FILES are a conda-lock.yml, a pixi.lock or explicit files (@EXPLICIT); for the pip part also
    a pylock.toml, or requirements with hashes; where these name versions and no URLs, the index
    is asked for the wheels with these hashes. An archive with an MD5 alone is fetched once for its
    SHA-256. An exported environment.yml is locked with the versions that it names.
    """
    with context.progress() as progress:
        adopted = adopt(
            context.project,
            files,
            name=name,
            platforms=platforms,
            leave_out=leave_out,
            progress=progress,
        )
    context.tell(render_adopted(adopted), *(item.path for item in adopted))
    return 0
