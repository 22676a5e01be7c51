"""Unpack through a store: extract the packages that it lacks, link all, then switch the name."""

from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec

from lading.errors import NoSpaceError, PrefixExistsError
from lading.format import Contents, PackageContents, TarballSource
from lading.node.generations import Generations
from lading.node.sign import CODESIGN
from lading.node.staging import check_prefix, prefix_errors, staged_prefix
from lading.node.store import Store
from lading.node.supply import link_all, missing_in, stored_contents, supply
from lading.system import Progress, Sync, no_progress, sync_file_system


class DeployPlan(msgspec.Struct, frozen=True, kw_only=True):
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
        return missing_in(self.store, self.contents)


class Deployed(msgspec.Struct, frozen=True, kw_only=True):
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
            with plan.store.errors():
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


def _extract(plan: DeployPlan, progress: Progress) -> int:
    """Bring the missing packages into the store; return how many there were."""
    found = supply(
        plan.source, plan.contents, plan.store, plan.workers, plan.sync, partial(progress, "unpack")
    )
    return len(found)


def _assemble(plan: DeployPlan, progress: Progress) -> None:
    """Create the prefix from stored packages."""
    with staged_prefix(plan.contents, plan.prefix, sync=plan.sync, codesign=plan.codesign) as root:
        link_all(
            plan.store, plan.contents, root, plan.prefix, plan.workers, partial(progress, "place")
        )
