"""The store of a node: extracted frames, kept by their digest and linked into prefixes.

    STORE/frames/<aa>/<sha256 of the frame>/...   members as shipped, placeholders intact
    STORE/manifests/<sha256>.json                 bills of the prefixes that were made from it
    STORE/roots/<sha256 of its path>.json         which prefix needs which bill
    STORE/.lock                                   shared by users, exclusive for the collector

A frame appears under its digest when it is complete, and is never changed. Its files are hard
links in every prefix: a program that writes into one of them would change all of them, which
`lading verify` finds.
"""

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from lading.digest import sha256_of
from lading.errors import NotAPrefixError, PrefixError
from lading.install.cargo import Kind
from lading.pack.manifest import FrameSlice, ManifestFile
from lading.pack.members import Frame
from lading.pack.placeholder import find_occurrences, relocate
from lading.pack.relocation_record import read_state
from lading.pack.write import directories_of, make_directories, write_all, write_frame

__all__ = ["Collected", "FrameStore"]


def _nothing() -> None:
    pass


_CANNOT_LINK = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES}


class _Root(msgspec.Struct, frozen=True, kw_only=True):
    """A prefix that was made from the store, and the digest of its bill."""

    prefix: str
    manifest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What a collection took away.

    Attributes:
        frames: How many frames.
        size: Their files in bytes.
    """

    frames: int
    size: int


@dataclass(frozen=True, slots=True)
class FrameStore:
    """The store at `directory`, which is made when it is needed."""

    directory: Path

    def holds(self, bill: FrameSlice) -> bool:
        """Whether the frame is there."""
        return self._path(bill.frame.sha256).is_dir()

    def add(self, frame: Frame) -> None:
        """Extract a frame into the store; one that is there already is left alone.

        Raises:
            IntegrityError: The frame is not what its bill says.
            OSError: It cannot be written.
        """
        if self.holds(frame.bill):
            return
        target = self._path(frame.bill.frame.sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=self.directory, prefix=".extract-"))
        try:
            content = temporary / "content"
            content.mkdir()
            make_directories(content, directories_of(frame.bill.files))
            write_frame(frame, content, None)
            try:
                content.rename(target)
            except OSError:
                # Another process was faster; its frame is the same.
                if not target.is_dir():
                    raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def link(self, bill: FrameSlice, root: Path, prefix: bytes) -> None:
        """Put the members of a stored frame below `root`, whose directories are there.

        Args:
            bill: Of a frame that the store holds.
            root: Absolute.
            prefix: What takes the place of placeholders.

        Raises:
            OSError: A member cannot be written, or was taken out of the store.
        """
        source = self._path(bill.frame.sha256)
        for item in bill.files:
            place = root / item.path
            match item.type:
                case Kind.FILE if item.placeholder_mode is not None:
                    _relocated(item, source / item.path, place, prefix, bill.package.mtime)
                case Kind.FILE:
                    _link_or_copy(source / item.path, place)
                case Kind.LINK:
                    place.symlink_to(item.target)
                case Kind.DIRECTORY:
                    os.utime(place, (bill.package.mtime, bill.package.mtime))

    def register(self, prefix: Path, document: bytes) -> None:
        """Note that `prefix` was made from the store by the bill `document`."""
        digest = sha256_of(document).hex
        root = msgspec.json.encode(_Root(prefix=str(prefix), manifest=digest))
        name = hashlib.sha256(os.fsencode(prefix)).hexdigest()
        _write_atomically(self.directory / f"manifests/{digest}.json", document)
        _write_atomically(self.directory / f"roots/{name}.json", root)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep the collector out while the block runs; others may use the store too."""
        with self._locked(fcntl.LOCK_SH):
            yield

    def collect(self, first: Callable[[], None] = _nothing) -> Collected:
        """Remove what no prefix needs that is still there.

        Args:
            first: Called when nobody else uses the store any more: what removes prefixes here
                removes none that another process is making or about to switch to.

        Raises:
            PrefixError: The store cannot be written.
        """
        with self._locked(fcntl.LOCK_EX):
            first()
            self._remove_leftovers()
            live = self._live_frames()
            frames = size = 0
            for path in sorted(self.directory.glob("frames/*/*")):
                if path.name in live:
                    continue
                size += sum(item.lstat().st_size for item in path.rglob("*") if item.is_file())
                # Under its digest a frame is whole: it loses its name before its first file goes.
                path.rename(self.directory / f".extract-{path.name}")
                frames += 1
            self._remove_leftovers()
            return Collected(frames=frames, size=size)

    def _remove_leftovers(self) -> None:
        """Remove what killed processes and the collection itself left without a name."""
        for path in self.directory.glob(".extract-*"):
            shutil.rmtree(path)
        for path in self.directory.glob("*/.part-*"):
            path.unlink()

    def _live_frames(self) -> set[str]:
        """The digests that registered prefixes need; forgets the prefixes that are gone.

        A record that cannot be read counts as gone: at worst its frames are fetched again, since
        prefixes hold their files themselves.
        """
        bills = set()
        for path in self.directory.glob("roots/*.json"):
            digest = _digest_of_living(path)
            if digest is not None:
                bills.add(digest)
            else:
                path.unlink()
        live: set[str] = set()
        for path in self.directory.glob("manifests/*.json"):
            if path.stem not in bills:
                path.unlink()
                continue
            live |= _frame_digests(path.read_bytes())
        return live

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with (self.directory / ".lock").open("w") as stream:
                fcntl.flock(stream, how)
                yield
        except OSError as error:
            raise PrefixError(
                f"cannot use the store {self.directory}: {error.strerror or error}",
                hint="free space there, or choose another directory with --store",
            ) from error

    def _path(self, digest: str) -> Path:
        return self.directory / "frames" / digest[:2] / digest


class _FrameDigest(msgspec.Struct, frozen=True):
    sha256: str


class _PackageFrames(msgspec.Struct, frozen=True):
    frames: tuple[_FrameDigest, ...]


class _ManifestFrames(msgspec.Struct, frozen=True):
    packages: tuple[_PackageFrames, ...]


def _frame_digests(document: bytes) -> set[str]:
    """The digests of the frames of a bill; its files, which are the bulk of it, are skipped."""
    try:
        manifest = msgspec.json.decode(document, type=_ManifestFrames)
    except msgspec.DecodeError:
        return set()
    return {frame.sha256 for package in manifest.packages for frame in package.frames}


def _digest_of_living(path: Path) -> str | None:
    """The digest of the bill that a registered prefix was made by; None where it is gone."""
    with suppress(msgspec.DecodeError, NotAPrefixError):
        root = msgspec.json.decode(path.read_bytes(), type=_Root)
        prefix = Path(root.prefix)
        state = read_state(prefix) if prefix.is_dir() else None
        if state is not None and state.manifest == root.manifest:
            return root.manifest
    return None


def _relocated(item: ManifestFile, source: Path, place: Path, prefix: bytes, mtime: int) -> None:
    """Write a file of the store anew, with `prefix` in the place of its placeholder."""
    data = source.read_bytes()
    if item.placeholder_mode is not None:
        where = find_occurrences(data, item.placeholder.encode(), item.placeholder_mode)
        data = relocate(data, where, prefix)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(place, flags, 0o600)
    try:
        write_all(descriptor, data)
        os.fchmod(descriptor, int(item.mode, 8))
        os.utime(descriptor, (mtime, mtime))
    finally:
        os.close(descriptor)


def _link_or_copy(source: Path, place: Path) -> None:
    """A second name of the file; where that cannot be, a copy, which some file systems share."""
    try:
        os.link(source, place)
    except OSError as error:
        if error.errno not in _CANNOT_LINK:
            raise
        shutil.copy2(source, place)


def _write_atomically(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".part-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
