"""`lading unpack`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from lading.cli.context import Context
from lading.cli.options import (
    anyway_option,
    dry_run_option,
    manifest_sha256_option,
    no_sync_option,
    workers_option,
)
from lading.errors import UsageError
from lading.format import open_tarball, tarball_place
from lading.node import UnpackPlan, apply_unpack, check_machine, codesign_of, plan_unpack
from lading.report import one_line
from lading.system import Progress, nearest_directory, no_sync as skip_sync, sync_file_system

if TYPE_CHECKING:  # slow to load
    from lading.node import DeployPlan

PIPE = "-"


@click.command("unpack")
@click.argument("tarball")
@click.argument("prefix")
@click.option("--manifest", metavar="FILE", help="The bill that TARBALL must carry.")
@manifest_sha256_option
@click.option("--only", multiple=True, metavar="PACKAGE", help="Unpack only this package.")
@click.option("--store", metavar="DIR", help="Keep packages in DIR and link them.")
@click.option("--replace", is_flag=True, help="Replace another environment at PREFIX.")
@click.option("--verify", is_flag=True, help="Read all files of an environment that is there.")
@anyway_option
@workers_option
@no_sync_option
@dry_run_option
@click.pass_obj
def command(  # noqa: PLR0913  # one parameter for each option
    context: Context,
    *,
    tarball: str,
    prefix: str,
    manifest: str | None,
    manifest_sha256: str | None,
    only: tuple[str, ...],
    store: str | None,
    replace: bool,
    verify: bool,
    anyway: bool,
    workers: int | None,
    no_sync: bool,
    dry_run: bool,
) -> int:
    """Unpack TARBALL to PREFIX, which must not exist, or be empty.

    Every file is checked against the bill and relocated while it is written. PREFIX appears only
    when it is complete. If it holds this very environment, nothing is done; --verify compares its
    files with the bill. Of several processes one works and the others wait for it. With --replace
    another environment stays until the new one takes its place.

    Glibc, kernel, processor and platform of this machine are compared first with what the
    environment needs; --anyway unpacks it for another machine.

    TARBALL is a path, a URL (http or https), or - for standard input.

    With --store, PREFIX becomes a link to PREFIX@DIGEST, made of packages that the store keeps.
    `lading rollback` switches back, `lading gc` removes what is no longer used. From a URL only
    missing packages are read. TARBALL may also be a manifest whose packages are all in the store.
    """
    if store and only:
        raise UsageError("--only and --store cannot be combined", hint="use one of them")
    place = context.project.path(prefix)
    sync = skip_sync if no_sync else sync_file_system
    count = workers or context.project.processors
    codesign = codesign_of(context.project.environment)
    sizes: dict[str, str] = {}
    with (
        context.progress(sizes) as progress,
        open_tarball(
            _tarball(context, tarball),
            manifest=context.project.path(manifest) if manifest else None,
            expected=manifest_sha256,
            environment=context.project.environment,
            spool=nearest_directory(place.parent),
            progress=progress,
        ) as source,
    ):
        billed = source.bill.manifest
        if not (anyway or only or dry_run):
            check_machine(source.name, billed.platform, billed.requirements, place)
        if not (only or store):
            sizes["unpack"] = f"{billed.files:,} files, {billed.size / 1e6:,.0f} MB"
        if store:
            from lading.node import Generations, Store, plan_deploy  # noqa: PLC0415  # slow to load

            kept = Store(context.project.path(store))
            deploying = plan_deploy(source, kept, Generations(place), count, sync, codesign)
            done = _deploy(context, deploying, progress, dry_run=dry_run)
            place = deploying.prefix
        else:
            names = frozenset(only) or None
            plan = plan_unpack(
                source, place, count, names, replace=replace, sync=sync, codesign=codesign
            )
            done = _unpack(context, plan, progress, verify=verify, dry_run=dry_run)
    if done:
        context.say(done)
    context.write_json("unpack/1", manifest_sha256=source.bill.digest.hex)
    if not (context.json or dry_run):
        context.write(f"{place}\n")
    return 0


def _tarball(context: Context, tarball: str) -> str | Path | BinaryIO:
    if tarball == PIPE:
        return sys.stdin.buffer
    return tarball_place(tarball, context.project.path, piped=True)


def _unpack(
    context: Context, plan: UnpackPlan, progress: Progress, *, verify: bool, dry_run: bool
) -> str:
    """Unpack, or say what would be; the text says what was done, and is empty where nothing was."""
    if dry_run:
        for package in plan.contents.packages:
            if plan.only is None or package.package.name in plan.only:
                for item in package.files:
                    context.write(f"{item.mode} {item.size:>12} {one_line(item.path)}\n")
        return ""
    written = apply_unpack(plan, progress)
    if verify and not written:
        from lading.api import verify as verify_subject  # noqa: PLC0415  # slow to load

        report = verify_subject(plan.prefix, workers=context.project.processors, progress=progress)
        report.require_clean("see `lading verify`, then move it away and unpack again")
    what = ", ".join(sorted(plan.only or ())) or plan.source.bill.manifest.environment
    return f"unpacked {what}: checked and relocated" if written else f"{what} is there already"


def _deploy(context: Context, plan: "DeployPlan", progress: Progress, *, dry_run: bool) -> str:
    """The same through a store."""
    if dry_run:
        for package in plan.missing():
            size = sum(item.frame.length for item in package.slices)
            context.write(f"{size:>12} {package.package.name}\n")
        return ""
    from lading.node import apply_deploy  # noqa: PLC0415  # slow to load

    deployed = apply_deploy(plan, progress)
    done = (
        "was there already"
        if deployed.was_there
        else f"{deployed.linked} packages linked, {deployed.extracted} extracted"
    )
    return f"{plan.generations.name} is {plan.prefix.name}: {done}"
