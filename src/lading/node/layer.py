"""Make the layer of an environment: see `store_layers`."""

import os
from collections.abc import Sequence
from pathlib import Path

from lading.conda import Kind
from lading.format import Contents, ManifestFile, PackageContents, render_file_list
from lading.node.staging import own_records, write_own_records
from lading.node.store import Store
from lading.node.stored_package import TREE, complete, prepare
from lading.system import (
    DIRECTORY_MODE,
    Beneath,
    Sync,
    sha256_of,
    sha256_of_file,
    spread,
    temporary_directory,
)

WRITTEN_AT_ONCE = 50
"""Files that a worker writes before it is given the next."""

_Part = tuple[PackageContents, Sequence[ManifestFile]]


def make_layer(store: Store, contents: Contents, prefix: Path, workers: int, sync: Sync) -> str:
    """Put the layer of an environment into the store; return the SHA-256 of its list.

    It gets its name when it is complete and on disk. What was changed in one that is there already
    is replaced.

    Args:
        store: In use; it has the packages.
        contents: What they put into a prefix.
        prefix: Absolute.
        workers: How many work at once.
        sync: Writes the layer to disk.

    Raises:
        OSError: It cannot be written, or a package was taken out of the store.
    """
    records, mtime = own_records(contents, prefix), contents.bill.manifest.mtime
    parts = _parts(contents)
    with temporary_directory(store.directory, "packages") as temporary:
        root = temporary / "layer"
        prepare(root)
        write_own_records(records, root / TREE)
        members = [_member(path, "0644", root, mtime) for path in records]

        def write(part: _Part) -> list[ManifestFile]:
            with Beneath(root / TREE, mode=DIRECTORY_MODE) as place:
                store.link(*part, place, os.fsencode(prefix))
            return [_member(item.path, item.mode, root, mtime) for item in part[1]]

        spread(write, parts, workers, members.extend)
        members.sort(key=lambda item: item.path)
        document = render_file_list(mtime, members)
        complete(root, document, members, mtime)
        sync(temporary)
        digest = sha256_of(document).hex
        store.publish(root.rename(temporary / digest), members, mtime)
    return digest


def _parts(contents: Contents) -> list[_Part]:
    """The files that name the prefix, of each package some at once."""
    return [
        (package, files[start : start + WRITTEN_AT_ONCE])
        for package in contents.packages
        for files in [[item for item in package.files if item.placeholder_mode is not None]]
        for start in range(0, len(files), WRITTEN_AT_ONCE)
    ]


def _member(path: str, mode: str, root: Path, mtime: int) -> ManifestFile:
    """What the list of a layer says of a file that was written; it gets its time."""
    place = root / TREE / path
    os.utime(place, (mtime, mtime))
    size, digest = place.stat().st_size, sha256_of_file(place).hex
    return ManifestFile(path=path, type=Kind.FILE, mode=mode, size=size, sha256=digest)
