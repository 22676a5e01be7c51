"""An environment by its packages in a store: it is brought in, and made ready to be mounted."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

import msgspec

from lading.format import Contents, TarballSource, bill_alone
from lading.node.keeper import Refused
from lading.node.promise import Promise
from lading.node.staging import check_prefix
from lading.node.store import Store
from lading.node.store_layers import Held, StoreLayers
from lading.system import Progress, Sync, no_progress, sync_file_system

Watch = Callable[[], AbstractContextManager[Progress]]
"""Begins to tell how far work is: called where there is some, which is seldom."""


def unwatched() -> AbstractContextManager[Progress]:
    """Nobody is told anything."""
    return nullcontext(no_progress)


class StoredEnvironment(msgspec.Struct, frozen=True, kw_only=True):
    """An environment whose packages a store has, or will have.

    Attributes:
        source: Its tarball, or its bill alone.
        store: Keeps its packages.
        prefix: Where programs see it, absolute.
        workers: How many work at once.
        sync: Writes to disk what must be there before it gets its name.
    """

    source: TarballSource
    store: Store
    prefix: Path
    workers: int
    sync: Sync = sync_file_system

    @property
    def promise(self) -> Promise:
        """What its deliveries promise."""
        return Promise(prefix=self.prefix, manifest=self.source.bill.digest.hex)

    def contents(self) -> Contents:
        """What is in it, by the lists that the store has.

        Raises:
            FetchError: It lacks some.
        """
        from lading.node.supply import stored_contents  # noqa: PLC0415  # as of `_fill`

        return stored_contents(bill_alone(self.source.name, self.source.bill), self.store)

    def supply(self, watch: Watch = unwatched) -> None:
        """Bring into the store what it lacks, or what was changed in it.

        Where all is there, the store is looked at and neither locked nor written.

        Raises:
            PrefixTooLongError: The prefix does not fit into a placeholder of a binary file.
            PrefixError: The store cannot be used, or is full.
            FetchError: The store lacks packages, and the tarball cannot be read.
            IntegrityError: A package does not match the bill.
        """
        check_prefix(self.prefix, self.source.bill.manifest.requirements.longest_prefix)
        with self.store.errors():
            if not self._is_ready():
                self._fill(watch)

    def _fill(self, watch: Watch) -> None:
        # A program starts sooner where all is there, and this is not loaded.
        from lading.node.supply import stored_contents, supply  # noqa: PLC0415

        with self.store.in_use(), watch() as progress:
            self.store.records.expect(self.source.bill.document)
            contents = stored_contents(self.source, self.store)
            counted = partial(progress, "unpack")
            supply(self.source, contents, self.store, self.workers, self.sync, counted)

    def _is_ready(self) -> bool:
        """Whether the store has a layer, and all packages, unchanged."""
        held = self.hold()
        if held is None:
            return False
        try:
            packages = self.source.bill.manifest.packages
            return all(self.store.holds_list(package.listed.sha256) for package in packages)
        finally:
            os.close(held.descriptor)

    def hold(self) -> Held | None:
        """Its layer, locked."""
        return StoreLayers(self.store.directory).hold(self.promise.manifest, str(self.prefix))

    def layers(self) -> tuple[Path, ...]:
        """The directories that show it, one in front of the other; the first is made if missing.

        This process keeps a lock on that until it ends.

        Raises:
            Refused: Others could have written the store.
            OSError: The layer cannot be made.
        """
        held = self.hold()
        if held is None or not self.store.holds_list(held.layer.listed):
            self._make_layer()
            held = self.hold()
        if held is None:
            raise Refused(f"the store {self.store.directory} cannot be trusted")
        packages = self.source.bill.manifest.packages
        digests = [held.layer.listed, *(package.listed.sha256 for package in packages)]
        # Packages without files may have the same list; the kernel takes no directory twice.
        return tuple(map(self.store.tree_of, dict.fromkeys(digests)))

    def _make_layer(self) -> None:
        from lading.node.layer import make_layer  # noqa: PLC0415  # as of `_fill`

        with self.store.in_use():
            listed = make_layer(self.store, self.contents(), self.prefix, self.workers, self.sync)
            self.store.records.keep_layer(self.prefix, self.source.bill.document, listed)
