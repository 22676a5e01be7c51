"""The store of a node: extracted frames, kept by their digest and linked into prefixes.

    STORE/frames/<aa>/<sha256 of the frame>/...   members as shipped, placeholders intact
    STORE/.lock                                   shared by users, exclusive for the collector

What they are kept for stands beside them: see `store_records`.

A frame appears under its digest when it is complete. Its files are hard links in every prefix: a
program that writes into one of them changes all of them. So files are looked at before they are
linked (see `stock`), and one that was changed is replaced by a new one: the prefixes that it was
changed in keep it, which `lading verify` finds, and no further prefix gets it.
"""

import errno
import fcntl
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lading.conda import Kind, find_occurrences, replace_placeholder
from lading.errors import PrefixError
from lading.format import Frame, FrameSlice, ManifestFile
from lading.node.frame_writer import directories_of, make_directories, write_all, write_frame
from lading.node.store_roots import StoreRoots
from lading.node.stored_frame import changed_files
from lading.system import (
    in_order,
    remove_atomically,
    remove_stale_temporaries,
    temporary_directory,
)

__all__ = ["Changed", "Collected", "Store"]

_log = logging.getLogger(__name__)


def _nothing() -> None:
    pass


_CANNOT_LINK = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What a collection took away.

    Attributes:
        frames: How many frames.
        size: Their files in bytes.
    """

    frames: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A stored file that is not as its bill says.

    Attributes:
        package: Its owner; empty for the environment's own files.
        path: Archive-relative, POSIX.
    """

    package: str
    path: str


@dataclass(frozen=True, slots=True)
class Store:
    """The store at `directory`, which is made when it is needed."""

    directory: Path

    @property
    def records(self) -> StoreRoots:
        """What it keeps its frames for."""
        return StoreRoots(self.directory)

    def holds(self, bill: FrameSlice) -> bool:
        """Whether the frame is there, and no file of it was changed."""
        is_there = self._path(bill.frame.sha256).is_dir()
        return is_there and next(self.changed(bill), None) is None

    def changed(self, bill: FrameSlice) -> Iterator[ManifestFile]:
        """The files of a frame that were changed in the store; none where it is not there."""
        path = self._path(bill.frame.sha256)
        return changed_files(path, bill) if path.is_dir() else iter(())

    def add(self, frame: Frame) -> None:
        """Extract a frame into the store.

        One that is there already is left alone, but for files of it that were changed: they are
        replaced one by one, so that others who link the frame at this moment miss nothing.

        Raises:
            IntegrityError: The frame is not what its bill says.
            OSError: It cannot be written.
        """
        target = self._path(frame.bill.frame.sha256)
        if target.is_dir():
            changed = tuple(self.changed(frame.bill))
            if changed:
                self._replace(frame, changed)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._extracted(frame) as content:
            try:
                content.rename(target)
            except OSError:
                # Another process was faster; its frame is the same.
                if not target.is_dir():
                    raise

    def _replace(self, frame: Frame, changed: Iterable[ManifestFile]) -> None:
        target = self._path(frame.bill.frame.sha256)
        with self._extracted(frame) as content:
            for item in changed:
                _log.warning("%s was changed in the store, and is replaced", item.path)
                place = target / item.path
                if place.is_dir() and not place.is_symlink():
                    shutil.rmtree(place)
                place.parent.mkdir(parents=True, exist_ok=True)
                (content / item.path).replace(place)

    @contextmanager
    def _extracted(self, frame: Frame) -> Iterator[Path]:
        """Extract a frame into a directory that is removed afterwards, unless it was renamed."""
        with temporary_directory(self.directory, "frame") as temporary:
            content = temporary / "content"
            content.mkdir()
            make_directories(content, directories_of(frame.bill.files))
            write_frame(frame, content, None)
            yield content

    def link(self, bill: FrameSlice, root: Path, prefix: bytes) -> None:
        """Put the members of a stored frame below `root`, whose directories are there.

        Args:
            bill: Of a frame that the store holds.
            root: Absolute.
            prefix: What takes the place of placeholders.

        Raises:
            OSError: A member cannot be written, or was taken out of the store.
        """
        # Text, since a Path for each of tens of thousands takes longer than the link itself.
        source = f"{self._path(bill.frame.sha256)}/"
        for item in bill.files:
            place = f"{root}/{item.path}"
            match item.type:
                case Kind.FILE if item.placeholder_mode is not None:
                    _relocated(item, source + item.path, place, prefix, bill.package.mtime)
                case Kind.FILE:
                    _link_or_copy(source + item.path, place)
                case Kind.LINK:
                    os.symlink(item.target, place)  # noqa: PTH211  # see above
                case Kind.DIRECTORY:
                    os.utime(place, (bill.package.mtime, bill.package.mtime))

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep the collector out while the block runs; others may use the store too.

        What killed processes left is removed first.
        """
        with self._opened() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            self._remove_leftovers()
            yield

    def collect(self, first: Callable[[], None] = _nothing) -> Collected:
        """Remove what no prefix needs that is still there.

        Args:
            first: Called when nobody else uses the store any more: what removes prefixes here
                removes none that another process is making or about to switch to.

        Raises:
            PrefixError: The store cannot be written.
        """
        with self._alone() as lock:
            first()
            self._remove_leftovers()
            live = self.records.live_frames(_now(lock))
            frames = size = 0
            for path in sorted(self.directory.glob("frames/*/*")):
                if path.name in live:
                    continue
                size += sum(item.lstat().st_size for item in path.rglob("*") if item.is_file())
                remove_atomically(path, self.directory)
                frames += 1
            return Collected(frames=frames, size=size)

    def check(self, workers: int) -> tuple[Changed, ...]:
        """Hash every file, and remove the frames of those that are not as their bills say.

        They come back from a tarball when they are needed.

        Args:
            workers: How many threads hash.

        Returns:
            The files, by path.

        Raises:
            PrefixError: The store cannot be read or written.
        """

        def changed(bill: FrameSlice) -> list[Changed]:
            path = self._path(bill.frame.sha256)
            found = changed_files(path, bill, thorough=True) if path.is_dir() else ()
            result = [Changed(package=bill.package.name, path=item.path) for item in found]
            if result:
                remove_atomically(path, self.directory)
            return result

        with self._alone():
            found = [
                item for part in in_order(changed, self.records.bills(), workers) for item in part
            ]
        return tuple(sorted(found, key=lambda item: item.path))

    def _remove_leftovers(self) -> None:
        """Remove what killed processes left."""
        for parent in (self.directory, *self.directory.glob("*/")):
            remove_stale_temporaries(parent)

    @contextmanager
    def _alone(self) -> Iterator[BinaryIO]:
        with self._opened() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield lock

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        """The file to be locked."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with (self.directory / ".lock").open("wb") as stream:
                yield stream
        except OSError as error:
            raise PrefixError(
                f"cannot use the store {self.directory}: {error.strerror or error}",
                hint="free space there, or choose another directory with --store",
            ) from error

    def _path(self, digest: str) -> Path:
        return self.directory / "frames" / digest[:2] / digest


def _now(lock: BinaryIO) -> float:
    """Unix seconds by the clock that times files there: machines that share a store share it."""
    os.utime(lock.fileno())
    return os.fstat(lock.fileno()).st_mtime


def _relocated(item: ManifestFile, source: str, place: str, prefix: bytes, mtime: int) -> None:
    """Write a file of the store anew, with `prefix` in the place of its placeholder."""
    data = Path(source).read_bytes()
    if item.placeholder_mode is not None:
        where = find_occurrences(data, item.placeholder.encode(), item.placeholder_mode)
        data = replace_placeholder(data, where, prefix)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(place, flags, 0o600)
    try:
        write_all(descriptor, data)
        os.fchmod(descriptor, int(item.mode, 8))
        os.utime(descriptor, (mtime, mtime))
    finally:
        os.close(descriptor)


def _link_or_copy(source: str, place: str) -> None:
    """A second name of the file; where that cannot be, a copy, which some file systems share."""
    try:
        os.link(source, place)
    except OSError as error:
        if error.errno not in _CANNOT_LINK:
            raise
        shutil.copy2(source, place)
