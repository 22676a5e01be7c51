"""The store of a node: extracted frames, kept by their digest and linked into prefixes.

    STORE/frames/<aa>/<sha256 of the frame>/...   members as shipped, placeholders intact
    STORE/.lock                                   shared by users, exclusive for the collector

What the frames are kept for is recorded beside them, see `store_roots`.

A frame gets its name, its digest, when it is complete and on disk. Its files are hard links in
every prefix: a program that writes into one of them changes all of them. So files are checked
before they are linked (see `stored_frame`), and a changed one is replaced by a new file: prefixes
that linked it keep it, where `lading verify` finds it, and no further prefix gets it.

Frames are linked only from directories that we or root own and nobody else may write to.
"""

import errno
import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lading.conda import Kind
from lading.errors import PrefixError
from lading.format import Frame, FrameSlice, ManifestFile
from lading.node.frame_writer import (
    DIRECTORY_MODE,
    directories_of,
    make_directories,
    write_frame,
    write_relocated,
)
from lading.node.store_roots import StoreRoots
from lading.node.stored_frame import changed_files
from lading.system import (
    Sync,
    in_order,
    open_lock,
    reason_to_distrust,
    remove_atomically,
    remove_stale_temporaries,
    sync_file_system,
    temporary_directory,
)

_log = logging.getLogger(__name__)

_SUBDIRECTORIES = ("frames", "manifests", "pending", "roots")
_CANNOT_LINK = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES}


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What a collection removed.

    Attributes:
        frames: How many frames.
        size: Their files in bytes.
    """

    frames: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A stored file that does not match its bill.

    Attributes:
        package: Its owner; empty for the environment's own files.
        path: Archive-relative, POSIX.
    """

    package: str
    path: str


@dataclass(frozen=True, slots=True)
class Store:
    """The store at `directory`, which is created when it is first used."""

    directory: Path

    @property
    def records(self) -> StoreRoots:
        """What it keeps its frames for."""
        return StoreRoots(self.directory)

    def holds(self, bill: FrameSlice) -> bool:
        """Whether the frame is there and unchanged.

        Raises:
            PrefixError: Others could have written it.
        """
        path = self._stored(bill)
        return path is not None and next(changed_files(path, bill), None) is None

    def changed(self, bill: FrameSlice) -> Iterator[ManifestFile]:
        """The files of a frame that were changed in the store; none if the frame is not there.

        Raises:
            PrefixError: Others could have written it.
        """
        path = self._stored(bill)
        return changed_files(path, bill) if path is not None else iter(())

    @contextmanager
    def adding(self, sync: Sync = sync_file_system) -> Iterator[Callable[[Frame], None]]:
        """Give a function, to be called by any thread, that extracts a frame into the store.

        The frames get their names together when the block ends, after one `sync`; an error ends
        the block, and the frames that were extracted before it are kept.

        A frame that is there already is left alone, except for changed files: they are replaced one
        by one, so that others who link the frame at this moment miss nothing.

        Raises:
            IntegrityError: A frame does not match its bill.
            OSError: It cannot be written.
        """
        with temporary_directory(self.directory, "frames") as temporary:
            extracted = temporary / "extracted"
            extracted.mkdir()
            try:
                yield partial(self._add, temporary, extracted)
            finally:
                found = sorted(extracted.iterdir())
                if found:
                    sync(temporary)
                for content in found:
                    target = self._path(content.name)
                    _make_directory(target.parent)
                    _rename_unless_there(content, target)

    def _add(self, temporary: Path, extracted: Path, frame: Frame) -> None:
        stored = self._stored(frame.bill)
        changed = tuple(self.changed(frame.bill)) if stored is not None else ()
        if stored is not None and not changed:
            return
        content = Path(tempfile.mkdtemp(dir=temporary))
        content.chmod(DIRECTORY_MODE)
        make_directories(content, directories_of(frame.bill.files))
        write_frame(frame, content, None)
        if stored is not None:
            _replace(stored, content, changed)
        else:
            _rename_unless_there(content, extracted / frame.bill.frame.sha256)

    def link(self, bill: FrameSlice, root: Path, prefix: bytes) -> None:
        """Put the members of a stored frame below `root`, whose directories exist.

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
                    write_relocated(item, source + item.path, place, prefix, bill.package.mtime)
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
        """Remove the frames that no existing prefix needs.

        Args:
            first: Called when nobody else uses the store any more: if it removes prefixes, none is
                one that another process is making or about to switch to.

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
        """Hash every file, and remove the frames of those that do not match their bills.

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
    def _alone(self) -> Iterator[int]:
        with self._opened() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield lock

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """Create the store if it is missing; give the descriptor of its lock."""
        try:
            self.directory.parent.mkdir(parents=True, exist_ok=True)
            for path in (self.directory, *(self.directory / name for name in _SUBDIRECTORIES)):
                _make_directory(path)
                _refuse_untrusted(path)
            with open_lock(self.directory / ".lock") as lock:
                yield lock
        except OSError as error:
            raise PrefixError(
                f"cannot use the store {self.directory}: {error.strerror or error}",
                hint="free space there, or choose another directory with --store",
            ) from error

    def _path(self, digest: str) -> Path:
        return self.directory / "frames" / digest[:2] / digest

    def _stored(self, bill: FrameSlice) -> Path | None:
        """The directory of a frame, or None.

        Raises:
            PrefixError: Others could have written it.
        """
        path = self._path(bill.frame.sha256)
        try:
            for place in (path.parent, path):
                _refuse_untrusted(place)
        except FileNotFoundError:
            return None
        return path


def _make_directory(path: Path) -> None:
    """Create a directory, if it is missing, with a mode that does not depend on the umask."""
    try:
        path.mkdir(mode=DIRECTORY_MODE)
    except FileExistsError:
        return
    path.chmod(DIRECTORY_MODE)


def _refuse_untrusted(path: Path) -> None:
    reason = reason_to_distrust(path)
    if reason:
        raise PrefixError(
            f"{path} in the store cannot be trusted: {reason}",
            hint="remove it, or choose another directory with --store",
        )


def _rename_unless_there(content: Path, target: Path) -> None:
    """Rename a frame, unless another thread or process was faster: its frame is the same."""
    try:
        content.rename(target)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise


def _replace(stored: Path, content: Path, changed: Iterable[ManifestFile]) -> None:
    """Replace changed files of a stored frame by those that were extracted to `content`."""
    for item in changed:
        _log.warning("%s was changed in the store, and is replaced", item.path)
        place = stored / item.path
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        place.parent.mkdir(parents=True, exist_ok=True)
        (content / item.path).replace(place)


def _now(lock: int) -> float:
    """Unix seconds by the clock of the file system, which machines that share a store share."""
    os.utime(lock)
    return os.fstat(lock).st_mtime


def _link_or_copy(source: str, place: str) -> None:
    """A second name of the file; where that is not possible a copy, which may share its blocks."""
    try:
        os.link(source, place)
    except OSError as error:
        if error.errno not in _CANNOT_LINK:
            raise
        shutil.copy2(source, place)
