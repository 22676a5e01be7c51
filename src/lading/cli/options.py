"""Options that several commands share."""

from functools import partial

import click

platform_option = click.option(
    "-p", "--platform", metavar="SUBDIR", help="Such as linux-64.  [default: this machine's]"
)
environment_option = click.option(
    "-e", "--environment", help="Name of an environment, or path of a lockfile."
)
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Print what would be done, and do nothing."
)
anyway_option = click.option(
    "--anyway", is_flag=True, help="Do it even where the environment will not run."
)
no_sync_option = click.option(
    "--no-sync", is_flag=True, help="Do not wait until the files are on disk."
)
offline_option = click.option("--offline", is_flag=True, help="Do not use the network.")
link_scripts_option = click.option(
    "--link-scripts", is_flag=True, help="Run the packages' link scripts."
)
workers_option = click.option(
    "-j",
    "--workers",
    type=click.IntRange(1),
    help="Parallel workers.  [default: one per processor this process may use]",
)
every_option = click.option("--all", "every", is_flag=True, help="All environments.")
output_option = click.option(
    "-o", "--output", metavar="FILE", help="File to write to.  [default: standard output]"
)
store_option = click.option(
    "--store",
    metavar="DIR",
    help="Directory of the packages.  [default: $LADING_STORE, or ~/.cache/lading/store]",
)
sha256_option = click.option(
    "--sha256", metavar="HEX", help="Require this digest of the image: all of it is read."
)
manifest_sha256_option = click.option(
    "--manifest-sha256", metavar="HEX", help="Require this digest of the bill."
)

how_option = partial(click.option, "--how", help="The only way to mount it that is tried.")
