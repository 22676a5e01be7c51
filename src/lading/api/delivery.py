"""Put an environment from a tarball onto this machine, or make one work where it was moved to."""

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lading.api.project import AnyPath, absolute
from lading.format import Bill, TarballSource, open_tarball
from lading.node import (
    Deployed,
    Generations,
    Store,
    apply_deploy,
    apply_relocate,
    apply_unpack,
    check_machine,
    codesign_of,
    plan_deploy,
    plan_relocate,
    plan_unpack,
)
from lading.system import Progress, nearest_directory, no_progress, processors


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """An environment that was unpacked.

    Attributes:
        prefix: Where it lies, absolute.
    """

    prefix: Path
    bill: Bill


@dataclass(frozen=True, slots=True, kw_only=True)
class Relocated:
    """An environment that works where it lies.

    Attributes:
        prefix: Absolute.
        files: How many of its files name the prefix.
        written: How many of these had to be rewritten.
    """

    prefix: Path
    files: int
    written: int


def unpack(  # noqa: PLR0913  # one parameter for each choice
    tarball: AnyPath | BinaryIO | TarballSource,
    prefix: AnyPath,
    *,
    manifest: AnyPath | None = None,
    expected: str | None = None,
    only: Collection[str] = (),
    replace: bool = False,
    workers: int | None = None,
    environment: Mapping[str, str] | None = None,
    progress: Progress = no_progress,
    anyway: bool = False,
) -> Unpacked:
    """Unpack a tarball to a prefix: checked, relocated and written in one pass.

    Afterwards the prefix is there and complete, or as it was. Where this very environment is
    there already, nothing is done; of several processes one works, the others wait for it.

    Args:
        tarball: Path, URL (http or https), binary stream, or what `open_tarball` gave.
        prefix: A directory that does not exist, is empty, or holds this environment.
        manifest: The bill's file: the tarball must carry the same. None means any.
        expected: SHA-256 that the bill must have, hexadecimal; None accepts any.
        only: Names of the packages to unpack; empty means all.
        replace: Let another environment at `prefix` make place; until then it stays.
        workers: How many frames are unpacked at once; None means one a processor.
        environment: Variables that name proxies and certificates; None means this process's.
        progress: Told of each frame.
        anyway: Do it even where the machine lacks what the environment needs.

    Raises:
        InputError: There is no such tarball, or its bill is malformed.
        IntegrityError: The tarball is not what its bill says, or has another bill.
        FetchError: The server does not send it.
        PrefixError: The prefix exists, is too long, or cannot be written; or the environment will
            not run on this machine.
    """
    place = absolute(Path.cwd(), os.fspath(prefix))
    with _opened(tarball, manifest, expected, environment, place) as source:
        names = frozenset(only) or None
        if not (anyway or names):
            _check(source, place)
        codesign = codesign_of(os.environ if environment is None else environment)
        plan = plan_unpack(
            source, place, workers or processors(), names, replace=replace, codesign=codesign
        )
        apply_unpack(plan, progress)
        return Unpacked(prefix=place, bill=source.bill)


def deploy(  # noqa: PLR0913  # one parameter for each choice
    tarball: AnyPath | BinaryIO | TarballSource,
    name: AnyPath,
    *,
    store: AnyPath,
    manifest: AnyPath | None = None,
    expected: str | None = None,
    workers: int | None = None,
    environment: Mapping[str, str] | None = None,
    progress: Progress = no_progress,
    anyway: bool = False,
) -> Deployed:
    """Unpack a tarball through a store, then let a name point at the new generation.

    What the store holds is linked; of a URL only the missing packages are read.

    Args:
        tarball: As of `unpack`; also the path of a bill whose packages are all in the store.
        name: The link that will point at the environment, beside which it lies.
        store: Directory of the store; made where it is missing.
        manifest: As of `unpack`.
        expected: As of `unpack`.
        workers: How many work at once; None means one a processor.
        environment: As of `unpack`.
        progress: Told of each frame.
        anyway: Do it even where the machine lacks what the environment needs.

    Raises:
        LadingError: As of `unpack`.
    """
    place = absolute(Path.cwd(), os.fspath(name))
    kept = Store(absolute(Path.cwd(), os.fspath(store)))
    with _opened(tarball, manifest, expected, environment, place) as source:
        if not anyway:
            _check(source, place)
        codesign = codesign_of(os.environ if environment is None else environment)
        plan = plan_deploy(
            source, kept, Generations(place), workers or processors(), codesign=codesign
        )
        return apply_deploy(plan, progress)


def relocate(prefix: AnyPath) -> Relocated:
    """Make an environment work where it lies, wherever it was before.

    It may have been unpacked by lading, or by tar and `conda-unpack`. A second run changes nothing.

    Raises:
        NotAPrefixError: It was not unpacked from a tarball of lading.
        PrefixChangedError: A file in it is not what was packed.
        PrefixError: It cannot be written, or its path is too long.
    """
    place = absolute(Path.cwd(), os.fspath(prefix))
    plan = plan_relocate(place, codesign=codesign_of(os.environ))
    written = apply_relocate(plan)
    return Relocated(prefix=plan.prefix, files=len(plan.relocations), written=written)


def _check(source: TarballSource, place: Path) -> None:
    """Refuse a machine that lacks what the environment needs."""
    manifest = source.bill.manifest
    check_machine(source.name, manifest.platform, manifest.requirements, place)


@contextmanager
def _opened(
    tarball: AnyPath | BinaryIO | TarballSource,
    manifest: AnyPath | None,
    expected: str | None,
    environment: Mapping[str, str] | None,
    place: Path,
) -> Iterator[TarballSource]:
    if isinstance(tarball, TarballSource):
        yield tarball
        return
    with open_tarball(
        tarball,
        manifest=None if manifest is None else absolute(Path.cwd(), os.fspath(manifest)),
        expected=expected,
        environment=os.environ if environment is None else environment,
        spool=nearest_directory(place.parent),
    ) as source:
        yield source
