"""Fetch the frames of a tarball that a store lacks: the update of a node.

The bill is recorded in the store before the first frame comes, so that no collection removes the
frames before the environment is made.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from lading.errors import ArchiveError, FetchError, LadingError
from lading.format import (
    FETCH_AGAIN,
    Bill,
    Format,
    Frame,
    FrameSlice,
    format_of,
    is_remote,
)
from lading.net import RemoteFile, Transport
from lading.node.store import Store
from lading.system import Progress, Sync, in_order, no_progress, sync_file_system


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefetchPlan:
    """What fetching frames will do.

    Attributes:
        bill: The bill of the tarball.
        source: URL or absolute path of the tarball.
        store: Where they are put.
        workers: How many are extracted at once.
        environment: Names proxies and certificates, see `Transport`.
        sync: Writes the frames to disk before they get their names.
    """

    bill: Bill
    source: str
    store: Store
    workers: int
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    sync: Sync = sync_file_system

    def missing(self) -> tuple[FrameSlice, ...]:
        """The frames that the store lacks now, or that were changed in it; in order."""
        slices = self.bill.manifest.slices()
        return tuple(item for item in slices if not self.store.holds(item))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What fetching frames did.

    Attributes:
        frames: How many were fetched.
        size: Their compressed bytes.
        read_whole: Whether the server does not support ranges: the whole tarball was read.
    """

    frames: int
    size: int
    read_whole: bool


def apply_prefetch(plan: PrefetchPlan, progress: Progress = no_progress) -> Fetched:
    """Bring the missing frames into the store, each checked against its bill.

    Frames that came before an error are kept, for the next attempt. Which ones are missing is
    determined while the store is in use: before that, they could have been collected.

    Raises:
        FetchError: They cannot be read.
        IntegrityError: They do not match the bill.
        PrefixError: The store cannot be written.
    """
    with plan.store.in_use(), _open(plan) as (read, is_read_whole):
        plan.store.records.expect(plan.bill.document)
        missing = plan.missing()
        failures: list[LadingError] = []

        def arriving() -> Iterator[Frame]:
            try:
                yield from _frames(plan.source, missing, read)
            except LadingError as error:
                # Raised below, when what has arrived is in the store.
                failures.append(error)

        with plan.store.adding(plan.sync) as add:
            for number, _ in enumerate(in_order(add, arriving(), plan.workers), start=1):
                progress("fetch", number, len(missing))
        if failures:
            raise failures[0]
        size = sum(item.frame.length for item in missing)
        return Fetched(frames=len(missing), size=size, read_whole=is_read_whole())


Read = Callable[[int, int], bytes]


def _frames(source: str, missing: Sequence[FrameSlice], read: Read) -> Iterator[Frame]:
    """The missing frames, each read whole; in order, for servers that do not support ranges."""
    name = source.rpartition("/")[2]
    for bill in missing:
        data = read(bill.frame.offset, bill.frame.length)
        format_ = format_of(data) or Format.TAR
        yield Frame(bill=bill, format=format_, name=name, read=partial(_once, data))


def _once(data: bytes) -> Iterator[bytes]:
    yield data


@contextmanager
def _open(plan: PrefetchPlan) -> Iterator[tuple[Read, Callable[[], bool]]]:
    """A way to read ranges of the tarball, and whether it had to be read whole."""
    source = plan.source
    if is_remote(source):
        with closing(Transport(plan.environment)) as transport:
            remote = RemoteFile(source, transport)
            yield remote.read, lambda: remote.is_read_whole
        return
    try:
        descriptor = os.open(Path(source), os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise FetchError(f"{source}: {error.strerror}", hint="name an existing tarball") from error

    def read(offset: int, length: int) -> bytes:
        try:
            data = os.pread(descriptor, length, offset)
        except OSError as error:
            raise FetchError(
                f"{source}: {error.strerror}", hint="name an existing tarball"
            ) from error
        if len(data) != length:
            raise ArchiveError(f"{source} is cut off", hint=FETCH_AGAIN)
        return data

    try:
        yield read, lambda: False
    finally:
        os.close(descriptor)
