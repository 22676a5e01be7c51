"""Unpack through a store: extract the frames that it lacks, link all, then switch the name."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lading.errors import DigestMismatchError, FetchError, LadingError, PrefixExistsError
from lading.format import Frame, FrameSlice, TarballSource
from lading.node.generations import Generations
from lading.node.staging import check_prefix, prefix_errors, staged_prefix
from lading.node.store import Store
from lading.system import Progress, Sync, in_order, no_progress, sync_file_system


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployPlan:
    """What unpacking through a store will do.

    Attributes:
        source: The tarball, or its bill alone.
        store: Where frames are kept.
        generations: The name that will point at the environment.
        prefix: Where it will be, absolute.
        workers: How many frames are processed at once.
        sync: Writes to disk what must be there before it gets its name.
    """

    source: TarballSource
    store: Store
    generations: Generations
    prefix: Path
    workers: int
    sync: Sync

    def missing(self) -> tuple[FrameSlice, ...]:
        """The frames that the store lacks now, or that were changed in it."""
        slices = self.source.bill.manifest.slices()
        return tuple(item for item in slices if not self.store.holds(item))


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """What unpacking through a store did.

    Attributes:
        prefix: Where the environment is.
        linked: How many frames the store already held.
        extracted: How many frames were extracted into it.
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
) -> DeployPlan:
    """What unpacking `source` through `store` takes; nothing is written.

    Raises:
        PrefixError: The place cannot be used.
    """
    prefix = generations.prefix_of(source.bill.digest)
    check_prefix(prefix, source.bill.manifest.requirements.longest_prefix)
    generations.current()
    return DeployPlan(
        source=source,
        store=store,
        generations=generations,
        prefix=prefix,
        workers=workers,
        sync=sync,
    )


def apply_deploy(plan: DeployPlan, progress: Progress = no_progress) -> Deployed:
    """Unpack, then point the name at the result; after an error the name is unchanged.

    Raises:
        IntegrityError: The tarball does not match its bill; or a frame was changed in the store,
            and there is only a bill, which cannot replace it.
        FetchError: The store lacks frames, and there is only a bill.
        PrefixError: The prefix or the store cannot be written, or something else has the name of
            the prefix.
    """
    total = len(plan.source.bill.manifest.slices())
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


def _extract(plan: DeployPlan, progress: Progress) -> int:
    """Bring the missing frames into the store; return how many there were.

    They are determined now: before the store was in use, they could have been collected.
    """
    missing = {item.frame.sha256: item for item in plan.missing()}
    total = len(missing)

    def needed() -> Iterator[Frame]:
        for frame in plan.source.frames():
            if missing.pop(frame.bill.frame.sha256, None) is not None:
                yield frame

    # A tarball is read to its end even if nothing is missing: what follows the frames is checked.
    with plan.store.adding(plan.sync) as add:
        for number, _ in enumerate(in_order(add, needed(), plan.workers), start=1):
            progress("extract", number, total)
    if missing:
        raise _lack(plan.store, tuple(missing.values()))
    return total


def _lack(store: Store, missing: Sequence[FrameSlice]) -> LadingError:
    """Why a prefix cannot be made: frames were changed, or are not there."""
    hint = "name the tarball, or run `lading fetch-frames` first"
    for bill in missing:
        for item in store.changed(bill):
            return DigestMismatchError(
                f"{item.path} of {bill.package.name} was changed in the store",
                hint=hint,
                expected=item.sha256,
            )
    return FetchError(f"the store lacks {len(missing)} frames of this bill", hint=hint)


def _assemble(plan: DeployPlan, progress: Progress) -> None:
    """Create the prefix from stored frames."""
    prefix = os.fsencode(plan.prefix)
    slices = plan.source.bill.manifest.slices()
    with staged_prefix(plan.source.bill, plan.prefix, sync=plan.sync) as root:

        def link(bill: FrameSlice) -> None:
            plan.store.link(bill, root, prefix)

        for number, _ in enumerate(in_order(link, slices, plan.workers), start=1):
            progress("link", number, len(slices))
