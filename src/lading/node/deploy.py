"""Unpacking through a store: what is there is linked, what is not is extracted, then switched."""

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
from lading.system import Progress, in_order, no_progress

__all__ = ["DeployPlan", "Deployed", "apply_deploy", "plan_deploy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployPlan:
    """What unpacking through a store will do.

    Attributes:
        source: The tarball, or its bill alone.
        store: Where frames are kept.
        versions: The name that will point at the environment.
        prefix: Where it will lie, absolute.
        workers: How many frames are worked on at once.
    """

    source: TarballSource
    store: Store
    versions: Generations
    prefix: Path
    workers: int

    def missing(self) -> tuple[FrameSlice, ...]:
        """The frames that the store lacks now, or that were changed in it."""
        slices = self.source.bill.manifest.slices()
        return tuple(item for item in slices if not self.store.holds(item))


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """What unpacking through a store did.

    Attributes:
        prefix: Where the environment lies.
        linked: How many frames the store held already.
        extracted: How many were extracted into it.
        was_there: Whether the environment lay there already, so that nothing was but switched.
    """

    prefix: Path
    linked: int
    extracted: int
    was_there: bool


def plan_deploy(
    source: TarballSource, store: Store, versions: Generations, workers: int
) -> DeployPlan:
    """What unpacking `source` through `store` takes; nothing is written.

    Raises:
        PrefixError: The place cannot be used.
    """
    prefix = versions.prefix_of(source.bill.digest)
    check_prefix(prefix, source.bill.manifest.requirements.longest_prefix)
    versions.current()
    return DeployPlan(
        source=source,
        store=store,
        versions=versions,
        prefix=prefix,
        workers=workers,
    )


def apply_deploy(plan: DeployPlan, progress: Progress = no_progress) -> Deployed:
    """Unpack, then let the name point at it: afterwards it does, or everything is as it was.

    Raises:
        IntegrityError: The tarball is not what its bill says; or a frame was changed in the store,
            and there is only a bill to make it anew from.
        FetchError: The store lacks frames, and there is only a bill to make them from.
        PrefixError: The prefix or the store cannot be written.
    """
    total = len(plan.source.bill.manifest.slices())
    extracted = 0
    with plan.store.in_use(), prefix_errors(plan.prefix):
        was_there = plan.prefix.is_dir()
        if not was_there:
            extracted = _extract(plan, progress)
            # Another process may have been faster; what has this name is the same.
            with suppress(PrefixExistsError):
                _assemble(plan, progress)
        plan.store.records.register(plan.prefix, plan.source.bill.document)
        plan.versions.switch(plan.prefix)
    return Deployed(
        prefix=plan.prefix,
        linked=total - extracted,
        extracted=extracted,
        was_there=was_there,
    )


def _extract(plan: DeployPlan, progress: Progress) -> int:
    """Bring the missing frames into the store; how many there were.

    They are looked for now: until the store was in use, they could have been collected.
    """
    missing = {item.frame.sha256: item for item in plan.missing()}
    total = len(missing)

    def wanted() -> Iterator[Frame]:
        for frame in plan.source.frames():
            if missing.pop(frame.bill.frame.sha256, None) is not None:
                yield frame

    # A tarball is read to its end even if nothing is missing: a pipe must not be left with a rest.
    for number, _ in enumerate(in_order(plan.store.add, wanted(), plan.workers), start=1):
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
    """Make the prefix of stored frames; it appears when it is complete."""
    prefix = os.fsencode(plan.prefix)
    slices = plan.source.bill.manifest.slices()
    with staged_prefix(plan.source, plan.prefix) as root:

        def link(bill: FrameSlice) -> None:
            plan.store.link(bill, root, prefix)

        for number, _ in enumerate(in_order(link, slices, plan.workers), start=1):
            progress("link", number, len(slices))
