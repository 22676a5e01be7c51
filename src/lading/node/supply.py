"""Between a tarball and a store, and a store and a prefix: what every way by a store does."""

import os
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

from lading.errors import DigestMismatchError, FetchError, LadingError
from lading.format import Contents, ManifestFile, PackageContents, TarballSource
from lading.node.staging import check_space
from lading.node.store import Store
from lading.system import DIRECTORY_MODE, Beneath, Sync, spread

LINKED_AT_ONCE = 1000
"""Members that a worker links before it is given the next."""

Counted = Callable[[int, int], None]
"""Told how many things are done, and how many there are."""

_NAME_TARBALL = "name the tarball, or run `lading fetch-frames` first"


def stored_contents(source: TarballSource, store: Store) -> Contents:
    """What is in a tarball, by the file lists that the store has and those that it lacks.

    Raises:
        FetchError: The store lacks packages, and there is only a bill.
        LadingError: As of `TarballSource.contents`.
    """
    if source.read is None:
        packages = source.bill.manifest.packages
        missing = sum(1 for package in packages if store.list_of(package) is None)
        if missing:
            raise _lacks(missing)
    return source.contents(store.list_of)


def missing_in(store: Store, contents: Contents) -> tuple[PackageContents, ...]:
    """The packages that the store lacks now, or that were changed in it; in order."""
    return tuple(item for item in contents.packages if not store.holds(item))


def supply(  # one parameter for each choice
    source: TarballSource,
    contents: Contents,
    store: Store,
    workers: int,
    sync: Sync,
    counted: Counted,
) -> tuple[PackageContents, ...]:
    """Bring the missing packages into the store, each checked against its bill; return them.

    The store is in use: before that, what it has could be collected.

    Args:
        source: The tarball, or its bill alone.
        contents: What is in it.
        store: What should have its packages.
        workers: How many frames are extracted at once.
        sync: Writes the packages to disk before they get their names.
        counted: Told of each frame.

    Raises:
        FetchError: They cannot be read, or there is only a bill.
        IntegrityError: They do not match the bill; or a package was changed in the store, and there
            is only a bill, which cannot replace it.
        NoSpaceError: They do not fit.
        OSError: They cannot be written.
    """
    missing = missing_in(store, contents)
    if missing and source.read is None:
        raise _lack(store, missing)
    packages = [item.package for item in missing]
    size = sum(item.size for item in packages)
    check_space(store.directory, size, sum(item.files for item in packages))
    total = sum(len(package.slices) for package in missing)
    numbers = count(1)
    store.add(source, missing, workers, sync, lambda: counted(next(numbers), total))
    return missing


def link_all(  # one parameter for each choice
    store: Store,
    contents: Contents,
    root: Path,
    prefix: Path,
    workers: int,
    counted: Counted,
) -> None:
    """Put all members below `root`: linked, or relocated to `prefix`.

    Args:
        store: It has the packages.
        contents: What they put into a prefix.
        root: Absolute.
        prefix: What takes the place of placeholders.
        workers: How many work at once.
        counted: Told of members.

    Raises:
        OSError: A member cannot be written, or was taken out of the store.
    """
    name = os.fsencode(prefix)
    parts = [
        (package, package.files[start : start + LINKED_AT_ONCE])
        for package in contents.packages
        for start in range(0, len(package.files), LINKED_AT_ONCE)
    ]
    # What is written takes longer than what is linked: it comes first, so that no worker is left
    # with much of it while the others are done.
    parts.sort(key=lambda part: -sum(item.size for item in part[1] if item.placeholder))
    total, done = sum(len(package.files) for package in contents.packages), 0

    def link(part: tuple[PackageContents, Sequence[ManifestFile]]) -> int:
        with Beneath(root, mode=DIRECTORY_MODE) as place:
            store.link(*part, place, name)
        return len(part[1])

    def linked(number: int) -> None:
        nonlocal done
        done += number
        counted(done, total)

    spread(link, parts, workers, linked)


def _lack(store: Store, missing: Sequence[PackageContents]) -> LadingError:
    """Why a prefix cannot be made: packages were changed, or are not there."""
    for package in missing:
        for item in store.changed(package):
            return DigestMismatchError(
                f"{item.path} of {package.package.name} was changed in the store",
                hint=_NAME_TARBALL,
                expected=item.sha256,
            )
    return _lacks(len(missing))


def _lacks(number: int) -> FetchError:
    return FetchError(f"the store lacks {number} packages of this bill", hint=_NAME_TARBALL)
