"""Getting only those frames of a tarball that a store lacks: the update of a node."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from lading.engine.port import Progress, no_progress
from lading.errors import ArchiveError, FetchError, LadingError
from lading.install.transport import RemoteFile
from lading.pack.compression import GZIP_MAGIC, ZSTD_MAGIC, Format
from lading.pack.manifest import FrameSlice, Manifest
from lading.pack.members import FETCH_AGAIN, Frame
from lading.pack.pipeline import in_order
from lading.pack.store import FrameStore

__all__ = ["FetchFramesPlan", "Fetched", "apply_fetch_frames", "plan_fetch_frames"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchFramesPlan:
    """What getting frames will do.

    Attributes:
        source: URL or absolute path of the tarball.
        store: Where they are put.
        missing: The frames that the store lacks, in the order of the archive.
        workers: How many are extracted at once.
    """

    source: str
    store: FrameStore
    missing: tuple[FrameSlice, ...]
    workers: int

    @property
    def size(self) -> int:
        """The bytes to be read of the tarball."""
        return sum(item.frame.length for item in self.missing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What getting frames did.

    Attributes:
        frames: How many were got.
        size: Their compressed bytes.
        read_whole: Whether the server knows no ranges, so that the whole tarball was read.
    """

    frames: int
    size: int
    read_whole: bool


def plan_fetch_frames(
    manifest: Manifest, source: str, store: FrameStore, workers: int
) -> FetchFramesPlan:
    """What bringing the frames of `manifest` into `store` takes; nothing is fetched."""
    missing = tuple(item for item in manifest.slices() if not store.holds(item))
    return FetchFramesPlan(source=source, store=store, missing=missing, workers=workers)


def apply_fetch_frames(plan: FetchFramesPlan, progress: Progress = no_progress) -> Fetched:
    """Bring the missing frames into the store, each checked against its bill.

    Frames that came before an error stay there: the next attempt need not get them again.

    Raises:
        FetchError: They cannot be read.
        IntegrityError: They are not what the bill says.
        PrefixError: The store cannot be written.
    """
    with plan.store.in_use(), _open(plan.source) as (read, is_read_whole):
        failures: list[LadingError] = []

        def arriving() -> Iterator[Frame]:
            try:
                yield from _frames(plan, read)
            except LadingError as error:
                # Raised below, when what has arrived is in the store.
                failures.append(error)

        for number, _ in enumerate(in_order(plan.store.add, arriving(), plan.workers), start=1):
            progress("fetch", number, len(plan.missing))
        if failures:
            raise failures[0]
        return Fetched(frames=len(plan.missing), size=plan.size, read_whole=is_read_whole())


Read = Callable[[int, int], bytes]


def _frames(plan: FetchFramesPlan, read: Read) -> Iterator[Frame]:
    """The missing frames, each read whole; in order, for servers that know no ranges."""
    name = plan.source.rpartition("/")[2]
    for bill in plan.missing:
        data = read(bill.frame.offset, bill.frame.length)
        yield Frame(bill=bill, format=_format_of(data), name=name, read=partial(_once, data))


def _once(data: bytes) -> Iterator[bytes]:
    yield data


def _format_of(data: bytes) -> Format:
    if data.startswith(ZSTD_MAGIC):
        return Format.ZSTD
    return Format.GZIP if data.startswith(GZIP_MAGIC) else Format.TAR


@contextmanager
def _open(source: str) -> Iterator[tuple[Read, Callable[[], bool]]]:
    """A way to read ranges of `source`, and whether it had to be read whole."""
    if urlsplit(source).scheme in {"http", "https"}:
        remote = RemoteFile(source)
        try:
            yield remote.read, lambda: remote.is_read_whole
        finally:
            remote.close()
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
