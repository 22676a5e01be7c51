"""The store of a node: extracted packages, kept by their file lists and linked into prefixes.

    STORE/packages/<aa>/<sha256 of list>/tree/...    members as shipped, placeholders intact
    STORE/packages/<aa>/<sha256 of list>/list.json   the file list
    STORE/.lock                                      shared by users, exclusive for the collector
    STORE/layers/...                                 what environments are mounted with

A list says everything of what a package puts into a prefix, so tarballs of any compression share
what is stored. What the packages are kept for is recorded beside them, see `store_roots`.

A package gets its name when it is complete and on disk. Its files are hard links in
every prefix: a program that writes into one of them changes all of them. So files are checked
before they are linked (see `stored_package`), and a changed one is replaced by a new file: prefixes
that linked it keep it, where `lading verify` finds it, and no further prefix gets it.

Packages are linked only from directories that we or root own and nobody else may write to.
"""

import fcntl
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from lading.errors import LadingError, PrefixError, UsageError
from lading.format import (
    ManifestFile,
    ManifestPackage,
    PackageContents,
    TarballSource,
    check_document,
    parse_file_list,
)
from lading.node.linking import link_members
from lading.node.store_roots import StoreRoots
from lading.node.stored_package import (
    LIST,
    TREE,
    changed_files,
    changed_paths,
    complete,
    prepare,
    rename_unless_there,
    replace_changed,
)
from lading.system import (
    DIRECTORY_MODE,
    Beneath,
    Sync,
    open_lock,
    read_regular,
    reason_to_distrust,
    remove_atomically,
    remove_stale_temporaries,
    sync_file_system,
    temporary_directory,
)

_log = logging.getLogger(__name__)

_SUBDIRECTORIES = ("packages", "manifests", "pending", "roots", "layers")


def _nothing() -> None:
    pass


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """What a collection removed.

    Attributes:
        packages: How many packages.
        size: Their files in bytes.
    """

    packages: int
    size: int


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """A stored file that does not match its bill.

    Attributes:
        package: Its owner; empty for an environment's own files, and for what no bill names.
        path: Archive-relative, POSIX.
        removed: Whether the package was removed; not while it is mounted.
    """

    package: str
    path: str
    removed: bool = True


class Store(msgspec.Struct, frozen=True):
    """The store at `directory`, which is created when it is first used."""

    directory: Path

    def __post_init__(self) -> None:
        """Refuse what is not a directory."""
        if os.path.lexists(self.directory) and not os.path.isdir(self.directory):  # noqa: PTH112  # never raises
            raise UsageError(
                f"{self.directory} cannot be a store: it is not a directory",
                hint="name a directory with --store",
            )

    @property
    def records(self) -> StoreRoots:
        """What it keeps its packages for."""
        return StoreRoots(self.directory)

    def list_of(self, package: ManifestPackage) -> bytes | None:
        """The file list of a package, compared with its digest; None where it is not stored.

        Raises:
            PrefixError: Others could have written it.
        """
        return self._list(package.listed.sha256)

    def _list(self, digest: str) -> bytes | None:
        place = self._stored(digest)
        if place is None:
            return None
        try:
            document = read_regular(place / LIST)
            check_document(document, len(document), digest, str(place))
        except (OSError, LadingError) as error:
            _log.warning("the list in %s is not used: %s", place, error)
            return None
        return document

    def holds_list(self, digest: str) -> bool:
        """Whether the package whose list has this SHA-256 is there and unchanged.

        Raises:
            PrefixError: Others could have written it.
        """
        document = self._list(digest)
        if document is None:
            return False
        listed = parse_file_list(document, str(self.directory))
        tree = self.tree_of(digest)
        return next(changed_files(tree, listed.files, listed.mtime), None) is None

    def tree_of(self, digest: str) -> Path:
        """Where the members of the package lie whose list has this SHA-256."""
        return self._path(digest) / TREE

    def holds(self, package: PackageContents) -> bool:
        """Whether the package is there and unchanged.

        Raises:
            PrefixError: Others could have written it.
        """
        is_there = self._stored(package.package.listed.sha256) is not None
        return is_there and next(self.changed(package), None) is None

    def changed(self, package: PackageContents) -> Iterator[ManifestFile]:
        """The files of a package that were changed in the store; none if it is not there.

        Raises:
            PrefixError: Others could have written it.
        """
        place = self._stored(package.package.listed.sha256)
        if place is None:
            return iter(())
        return changed_files(place / TREE, package.files, package.mtime)

    def add(
        self,
        source: TarballSource,
        packages: Sequence[PackageContents],
        workers: int,
        sync: Sync = sync_file_system,
        done: Callable[[], None] = _nothing,
    ) -> None:
        """Extract packages into the store.

        They get their names together, after one `sync`; after an error those that were complete
        before it are kept. Of a package that is there already, changed files are replaced one by
        one, so that others who link it at this moment miss nothing.

        Args:
            source: The tarball that they are in.
            packages: In the order of the archive.
            workers: How many frames are extracted at once.
            sync: Writes them to disk.
            done: Told of each frame.

        Raises:
            IntegrityError: A frame does not match its bill.
            FetchError: The server does not send it.
            OSError: It cannot be written.
        """
        packages = [item for item in packages if not self.holds(item)]
        if not packages:
            return
        from lading.node.extraction import Target, extract  # noqa: PLC0415  # seldom needed, slow to load

        with temporary_directory(self.directory, "packages") as temporary:
            roots = {temporary / item.package.listed.sha256: item for item in packages}
            left = Counter({root: len(item.slices) for root, item in roots.items()})
            for root in roots:
                prepare(root)

            def written(tree: Path) -> None:
                left[tree.parent] -= 1
                done()

            targets = [
                Target(bill=item, root=root / TREE)
                for root, package in roots.items()
                for item in package.slices
            ]
            try:
                extract(source, targets, None, workers, written)
            finally:
                whole = [root for root in roots if left[root] == 0]
                for root in whole:
                    item = roots[root]
                    complete(root, item.document, item.files, item.mtime)
                if whole:
                    sync(temporary)
                for root in whole:
                    self.publish(root, roots[root].files, roots[root].mtime)

    def publish(self, content: Path, files: Sequence[ManifestFile], mtime: int) -> None:
        """Give a package its name, or mend the one that is there by it.

        Args:
            content: Its directory, complete, named by the digest of its list; on the file system of
                the store.
            files: What its list says.
            mtime: The same.

        Raises:
            OSError: It cannot be renamed.
        """
        stored = self._stored(content.name)
        if stored is None:
            target = self._path(content.name)
            _make_directory(target.parent)
            rename_unless_there(content, target)
            return
        (content / LIST).replace(stored / LIST)
        changed = tuple(changed_files(stored / TREE, files, mtime))
        replace_changed(stored / TREE, content / TREE, changed)

    def link(
        self,
        package: PackageContents,
        files: Iterable[ManifestFile],
        place: Beneath,
        prefix: bytes,
    ) -> None:
        """Put members of a stored package below `place`, which makes the directories they need.

        Args:
            package: The store holds it.
            files: Those of its members that are put there.
            place: Nothing is where they will be.
            prefix: What takes the place of placeholders.

        Raises:
            OSError: A member cannot be written, or was taken out of the store.
        """
        tree = self.tree_of(package.package.listed.sha256)
        link_members(tree, files, package.mtime, place, prefix)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep the collector out while the block runs; others may use the store too.

        What killed processes left is removed first.
        """
        with self._opened() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            self._remove_leftovers()
            yield
            # Workers of a run that was killed hold its temporary for a moment longer than itself.
            self._remove_leftovers()

    def collect(self, first: Callable[[], None] = _nothing) -> Collected:
        """Remove the packages that no existing prefix needs.

        Args:
            first: Called when nobody else uses the store any more: if it removes prefixes, none is
                one that another process is making or about to switch to.

        Raises:
            PrefixError: The store cannot be written.
        """
        with self._alone() as lock:
            first()
            self._remove_leftovers()
            unused = self._unused(lock)
            for path in unused:
                remove_atomically(path, self.directory)
            return Collected(packages=len(unused), size=sum(unused.values()))

    def collectable(self) -> int:
        """The bytes that `collect` would free; waits for those who use the store."""
        with self._alone() as lock:
            return sum(self._unused(lock).values())

    def _unused(self, lock: int) -> dict[Path, int]:
        """The directories of packages that no prefix needs, with the bytes of their files."""
        live = self.records.live_lists(_now(lock))
        return {
            path: sum(item.lstat().st_size for item in path.rglob("*") if item.is_file())
            for path in self._all()
            if path.name not in live
        }

    def check(self, workers: int) -> tuple[Changed, ...]:
        """Hash every file, and remove the packages of those that do not match their lists.

        They come back from a tarball when they are needed. What is mounted stays: its users would
        lose all files of the package.

        Args:
            workers: How many at once.

        Returns:
            The files, by path.

        Raises:
            PrefixError: The store cannot be read or written.
        """
        from lading.system import spread  # noqa: PLC0415  # programs start sooner without it

        found: list[Changed] = []
        with self._alone():
            names, mounted = self.records.names(), self.records.lists_in_use()
            packages = self._all()

            def changed(path: Path) -> tuple[str, list[str]]:
                paths = changed_paths(path)
                if paths and path.name not in mounted:
                    remove_atomically(path, self.directory)
                return path.name, paths

            def told(result: tuple[str, list[str]]) -> None:
                digest, paths = result
                name, removed = names.get(digest, ""), digest not in mounted
                found.extend(Changed(package=name, path=path, removed=removed) for path in paths)

            spread(changed, packages, workers, told)
        return tuple(sorted(found, key=lambda item: item.path))

    def _all(self) -> list[Path]:
        """The directories of all packages."""
        return sorted(self.directory.glob("packages/??/*"))

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
        with self.errors():
            self.directory.parent.mkdir(parents=True, exist_ok=True)
            for path in (self.directory, *(self.directory / name for name in _SUBDIRECTORIES)):
                _make_directory(path)
                _refuse_untrusted(path)
            with open_lock(self.directory / ".lock") as lock:
                yield lock

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn an error of the system into one that names the store."""
        try:
            yield
        except OSError as error:
            raise PrefixError(
                f"cannot use the store {self.directory}: {error.strerror or error}",
                hint="free space there, or choose another directory with --store",
            ) from error

    def _path(self, digest: str) -> Path:
        return self.directory / "packages" / digest[:2] / digest

    def _stored(self, digest: str) -> Path | None:
        """The directory of the package with this list, or None.

        Raises:
            PrefixError: Others could have written it.
        """
        path = self._path(digest)
        try:
            for place in (path.parent, path, path / TREE):
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


def _now(lock: int) -> float:
    """Unix seconds by the clock of the file system, which machines that share a store share."""
    os.utime(lock)
    return os.fstat(lock).st_mtime
