"""`lading unpack`."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import click

from lading.cli.context import Context
from lading.errors import DigestMismatchError, UsageError
from lading.format import (
    PipedTarball,
    TarballSource,
    is_remote,
    open_bill,
    open_remote_tarball,
    open_spooled,
    open_tarball,
)
from lading.node import (
    FrameStore,
    Generations,
    apply_deploy,
    apply_unpack,
    plan_deploy,
    plan_unpack,
    prefix_errors,
)

__all__ = ["command"]

PIPE = "-"
PIPE_NAME = "standard input"
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    """What the user asked for."""

    tarball: str
    prefix: Path
    manifest: Path | None
    store: Path | None
    only: frozenset[str] | None
    workers: int
    dry_run: bool


@click.command("unpack", short_help="Unpack a tarball: checked, relocated, in one pass.")
@click.argument("tarball")
@click.argument("prefix")
@click.option("--manifest", metavar="FILE", help="The bill, where it is not inside or beside.")
@click.option("--manifest-sha256", metavar="HEX", help="Refuse any other bill than this one.")
@click.option("--only", multiple=True, metavar="PACKAGE", help="Unpack this package alone.")
@click.option("--store", metavar="DIR", help="Keep frames there, link them, switch PREFIX.")
@click.option("-j", "--workers", type=click.IntRange(1), help="[default: one a processor]")
@click.option("--dry-run", is_flag=True, help="Say what would be written, and do nothing.")
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
    workers: int | None,
    dry_run: bool,
) -> int:
    """Unpack TARBALL to PREFIX, which must not exist.

    Every file is checked against the bill and relocated while it is written. PREFIX appears only
    when it is complete. TARBALL is a path, a URL (http or https), or - for standard input.

    With --store PREFIX becomes a link to PREFIX@DIGEST, which is made of frames that the store
    keeps; `lading rollback` goes back, `lading gc` tidies up. Of a URL only those frames are read
    that the store lacks. TARBALL may then be a manifest, too, whose frames are all in the store.
    """
    if store and only:
        raise UsageError("--only and --store exclude each other", hint="choose one of them")
    options = _Options(
        tarball=tarball,
        prefix=context.project.path(prefix),
        manifest=context.project.path(manifest) if manifest else None,
        store=context.project.path(store) if store else None,
        only=frozenset(only) or None,
        workers=workers or context.project.processors,
        dry_run=dry_run,
    )
    with _opened(context, options) as source:
        _check_digest(tarball, source, manifest_sha256)
        place = _deploy(context, options, source) if store else _unpack(context, options, source)
    if context.json:
        digest = source.manifest_sha256.hex
        context.write(f'{{"schema":"lading.unpack/1","manifest_sha256":"{digest}"}}\n')
    elif not dry_run:
        context.write(f"{place}\n")
    return 0


@contextmanager
def _opened(context: Context, options: _Options) -> Iterator[TarballSource]:
    """The tarball, whichever way it comes."""
    if options.tarball == PIPE and options.manifest is not None:
        bill = open_bill(options.manifest)
        yield PipedTarball(
            stream=sys.stdin.buffer,
            name=PIPE_NAME,
            manifest=bill.manifest,
            manifest_sha256=bill.manifest_sha256,
            manifest_bytes=bill.manifest_bytes,
        )
        # All is well, even if not all of it was needed: whoever writes is let to the end.
        while sys.stdin.buffer.read(CHUNK_BYTES):
            pass
    elif options.tarball == PIPE:
        with _spooled(options.prefix) as stream:
            yield open_spooled(stream, PIPE_NAME)
    elif is_remote(options.tarball):
        if options.manifest is not None:
            raise UsageError(
                "the bill of a tarball on a server is read from inside",
                hint="leave out --manifest; --manifest-sha256 refuses any other bill",
            )
        with open_remote_tarball(options.tarball, context.project.environment) as remote:
            yield remote
    elif options.store is not None and options.tarball.endswith(".json"):
        yield open_bill(context.project.path(options.tarball))
    else:
        with open_tarball(context.project.path(options.tarball), options.manifest) as tarball:
            yield tarball


@contextmanager
def _spooled(prefix: Path) -> Iterator[BinaryIO]:
    """Standard input as a file beside the prefix: its bill stands at its end.

    The file has no name, so nothing is left of it, however this process ends.
    """
    existing = next((path for path in prefix.parents if path.is_dir()), prefix)
    with prefix_errors(prefix):
        stream = tempfile.TemporaryFile(dir=existing)  # noqa: SIM115  # closed below
    with stream:
        with prefix_errors(prefix):
            shutil.copyfileobj(sys.stdin.buffer, stream, CHUNK_BYTES)
            stream.flush()
        yield stream


def _check_digest(tarball: str, source: TarballSource, wanted: str | None) -> None:
    found = source.manifest_sha256.hex
    if wanted is not None and found != wanted.lower():
        raise DigestMismatchError(
            f"{tarball} has another bill than the one asked for",
            hint="fetch the tarball that belongs to this digest",
            expected=wanted.lower(),
            actual=found,
        )


def _unpack(context: Context, options: _Options, source: TarballSource) -> Path:
    plan = plan_unpack(source, options.prefix, options.workers, options.only)
    if options.dry_run:
        for bill in source.manifest.slices():
            if options.only is None or bill.package.name in options.only:
                for item in bill.files:
                    context.write(f"{item.mode} {item.size:>12} {item.path}\n")
        return plan.prefix
    with context.progress() as progress:
        apply_unpack(plan, progress)
    what = ", ".join(sorted(options.only)) if options.only else source.manifest.environment
    context.say(f"unpacked {what}: checked and relocated")
    return plan.prefix


def _deploy(context: Context, options: _Options, source: TarballSource) -> Path:
    assert options.store is not None  # noqa: S101  # for the type checker
    versions = Generations(options.prefix)
    plan = plan_deploy(source, FrameStore(options.store), versions, options.workers)
    if options.dry_run:
        for bill in plan.missing():
            context.write(f"{bill.frame.length:>12} {bill.package.name}\n")
        return plan.prefix
    with context.progress() as progress:
        deployed = apply_deploy(plan, progress)
    done = (
        "it was there"
        if deployed.was_there
        else f"{deployed.linked} frames linked, {deployed.extracted} extracted"
    )
    context.say(f"{options.prefix} is {plan.prefix.name}: {done}")
    return plan.prefix
