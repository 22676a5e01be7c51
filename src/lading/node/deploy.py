"""Unpack through a store: extract the packages that it lacks, link all, then switch the name."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from lading.errors import (
    DigestMismatchError,
    FetchError,
    LadingError,
    NoSpaceError,
    PrefixExistsError,
)
from lading.format import Contents, ManifestFile, PackageContents, TarballSource
from lading.node.frame_writer import DIRECTORY_MODE
from lading.node.generations import Generations
from lading.node.sign import CODESIGN
from lading.node.staging import check_prefix, check_space, prefix_errors, staged_prefix
from lading.node.store import Store
from lading.system import Beneath, Progress, Sync, no_progress, spread, sync_file_system

LINKED_AT_ONCE = 1000
"""Members that a worker links before it is given the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployPlan:
    """What unpacking through a store will do.

    Attributes:
        source: The tarball, or its bill alone.
        contents: What is in it.
        store: Where packages are kept.
        generations: The name that will point at the environment.
        prefix: Where it will be, absolute.
        workers: How many work at once.
        sync: Writes to disk what must be there before it gets its name.
        codesign: The program that signs what is relocated; empty for none.
    """

    source: TarballSource
    contents: Contents
    store: Store
    generations: Generations
    prefix: Path
    workers: int
    sync: Sync
    codesign: str = CODESIGN

    def missing(self) -> tuple[PackageContents, ...]:
        """The packages that the store lacks now, or that were changed in it."""
        return tuple(item for item in self.contents.packages if not self.store.holds(item))


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """What unpacking through a store did.

    Attributes:
        prefix: Where the environment is.
        linked: How many packages the store already held.
        extracted: How many packages were extracted into it.
        was_there: Whether the environment existed already, so that only the name was switched.
    """

    prefix: Path
    linked: int
    extracted: int
    was_there: bool


def plan_deploy(
    source: TarballSource,
    store: Store,
    generations: Generations,
    workers: int,
    sync: Sync = sync_file_system,
    codesign: str = CODESIGN,
) -> DeployPlan:
    """What unpacking `source` through `store` takes; nothing is written.

    Raises:
        PrefixError: The place cannot be used.
        FetchError: The store lacks packages, and there is only a bill.
        IntegrityError: A file list is damaged, or lists something that must not be written.
    """
    prefix = generations.prefix_of(source.bill.digest)
    check_prefix(prefix, source.bill.manifest.requirements.longest_prefix)
    generations.current()
    return DeployPlan(
        source=source,
        contents=stored_contents(source, store),
        store=store,
        generations=generations,
        prefix=prefix,
        workers=workers,
        sync=sync,
        codesign=codesign,
    )


def apply_deploy(plan: DeployPlan, progress: Progress = no_progress) -> Deployed:
    """Unpack, then point the name at the result; after an error the name is unchanged.

    Raises:
        IntegrityError: The tarball does not match its bill; or a package was changed in the store,
            and there is only a bill, which cannot replace it.
        FetchError: The store lacks packages, and there is only a bill.
        PrefixError: The prefix or the store cannot be written, or something else has the name of
            the prefix.
    """
    try:
        return _apply(plan, progress)
    except NoSpaceError as error:
        freed = plan.store.collectable()
        if not freed:
            raise
        hint = f"`lading gc` could free {freed / 1e6:,.0f} MB there"
        raise NoSpaceError(str(error), hint=hint) from error


def _apply(plan: DeployPlan, progress: Progress) -> Deployed:
    total = len(plan.contents.packages)
    extracted = 0
    digest = plan.source.bill.digest
    with plan.store.in_use(), prefix_errors(plan.prefix):
        was_there = plan.generations.exists(digest)
        if not was_there:
            extracted = _extract(plan, progress)
            # Another process may have been faster; if it made the same, that is as good.
            with suppress(PrefixExistsError):
                _assemble(plan, progress)
            plan.generations.exists(digest)
        plan.store.records.register(plan.prefix, plan.source.bill.document)
        plan.generations.switch(plan.prefix)
    return Deployed(
        prefix=plan.prefix,
        linked=total - extracted,
        extracted=extracted,
        was_there=was_there,
    )


def stored_contents(source: TarballSource, store: Store) -> Contents:
    """What is in a tarball, by the file lists that the store has and those that it lacks.

    Raises:
        FetchError: The store lacks packages, and there is only a bill.
        LadingError: As of `TarballSource.contents`.
    """
    if source.read is None:
        packages = source.bill.manifest.packages
        missing = sum(1 for package in packages if store.list_of(package) is None)
        if missing:
            raise _lacks(missing)
    return source.contents(store.list_of)


def _extract(plan: DeployPlan, progress: Progress) -> int:
    """Bring the missing packages into the store; return how many there were.

    They are determined now: before the store was in use, they could have been collected.
    """
    missing = plan.missing()
    if missing and plan.source.read is None:
        raise _lack(plan.store, missing)
    packages = [item.package for item in missing]
    size = sum(item.size for item in packages)
    check_space(plan.store.directory, size, sum(item.files for item in packages))
    total = sum(len(package.slices) for package in missing)
    numbers = count(1)
    plan.store.add(
        plan.source,
        missing,
        plan.workers,
        plan.sync,
        lambda: progress("unpack", next(numbers), total),
    )
    return len(missing)


_NAME_TARBALL = "name the tarball, or run `lading fetch-frames` first"


def _lack(store: Store, missing: Sequence[PackageContents]) -> LadingError:
    """Why a prefix cannot be made: packages were changed, or are not there."""
    for package in missing:
        for item in store.changed(package):
            return DigestMismatchError(
                f"{item.path} of {package.package.name} was changed in the store",
                hint=_NAME_TARBALL,
                expected=item.sha256,
            )
    return _lacks(len(missing))


def _lacks(number: int) -> FetchError:
    return FetchError(f"the store lacks {number} packages of this bill", hint=_NAME_TARBALL)


def _assemble(plan: DeployPlan, progress: Progress) -> None:
    """Create the prefix from stored packages."""
    prefix = os.fsencode(plan.prefix)
    parts = [
        (package, package.files[start : start + LINKED_AT_ONCE])
        for package in plan.contents.packages
        for start in range(0, len(package.files), LINKED_AT_ONCE)
    ]
    # What is written takes longer than what is linked: it comes first, so that no worker is left
    # with much of it while the others are done.
    parts.sort(key=lambda part: -sum(item.size for item in part[1] if item.placeholder))
    total, done = sum(len(package.files) for package in plan.contents.packages), 0
    with staged_prefix(plan.contents, plan.prefix, sync=plan.sync, codesign=plan.codesign) as root:

        def link(part: tuple[PackageContents, Sequence[ManifestFile]]) -> int:
            with Beneath(root, mode=DIRECTORY_MODE) as place:
                plan.store.link(*part, place, prefix)
            return len(part[1])

        def linked(number: int) -> None:
            nonlocal done
            done += number
            progress("place", done, total)

        spread(link, parts, plan.workers, linked)
