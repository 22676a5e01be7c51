"""Fetch the packages of a tarball that a store lacks: the update of a node.

The bill is recorded in the store before the first frame comes, so that no collection removes the
packages before the environment is made.
"""

from functools import partial

import msgspec

from lading.format import Bill, Contents, ManifestPackage, TarballSource
from lading.node.store import Store
from lading.node.supply import stored_contents, supply
from lading.system import Progress, Sync, no_progress, sync_file_system


class PrefetchPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What fetching packages will do.

    Attributes:
        source: The tarball, open.
        contents: What is in it.
        store: Where they are put.
        workers: How many frames are extracted at once.
        sync: Writes the packages to disk before they get their names.
    """

    source: TarballSource
    contents: Contents
    store: Store
    workers: int
    sync: Sync = sync_file_system


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """What fetching packages did.

    Attributes:
        packages: How many were fetched.
        frames: How many frames they have.
        size: Their compressed bytes.
        read_whole: Whether the server does not support ranges: the whole tarball was read.
    """

    packages: int
    frames: int
    size: int
    read_whole: bool


def lacking(bill: Bill, store: Store) -> tuple[ManifestPackage, ...]:
    """The packages of `bill` that the store lacks, or that were changed in it; in order.

    Raises:
        PrefixError: Others could have written the store.
    """
    packages = bill.manifest.packages
    return tuple(package for package in packages if not store.holds_list(package.listed.sha256))


def plan_prefetch(
    source: TarballSource, store: Store, workers: int, sync: Sync = sync_file_system
) -> PrefetchPlan:
    """What fetching the packages of `source` that `store` lacks takes; nothing is written.

    Raises:
        IntegrityError: A file list is damaged, or lists something that must not be written.
        FetchError: The server does not send it.
    """
    return PrefetchPlan(
        source=source,
        contents=stored_contents(source, store),
        store=store,
        workers=workers,
        sync=sync,
    )


def apply_prefetch(plan: PrefetchPlan, progress: Progress = no_progress) -> Fetched:
    """Bring the missing packages into the store, each checked against its bill.

    Packages that came before an error are kept, for the next attempt.

    Raises:
        FetchError: They cannot be read.
        IntegrityError: They do not match the bill.
        PrefixError: The store cannot be written, or is full.
    """
    with plan.store.in_use():
        plan.store.records.expect(plan.source.bill.document)
        missing = supply(
            plan.source,
            plan.contents,
            plan.store,
            plan.workers,
            plan.sync,
            partial(progress, "fetch"),
        )
    frames = [item for package in missing for item in package.slices]
    return Fetched(
        packages=len(missing),
        frames=len(frames),
        size=sum(item.frame.length for item in frames),
        read_whole=not plan.source.has_ranges,
    )
