"""A bill together with the file lists that it commits to: everything that will be written.

Nothing is believed before `read_contents` has compared every list with its digest on the bill, and
all of them with each other: see the claims of `lading.format.manifest`.
"""

from collections.abc import Sequence

import msgspec

from lading.errors import ManifestError
from lading.format.bill import Bill
from lading.format.file_list import (
    FETCH_AGAIN,
    ManifestFile,
    check_document,
    parse_file_list,
)
from lading.format.frames import Piece, cut_frames, frame_size
from lading.format.manifest import LARGEST_TIME, ManifestFrame, ManifestPackage
from lading.format.members import MOST_FILES, check_members


class FrameSlice(msgspec.Struct, frozen=True, kw_only=True):
    """One frame with its package and the pieces of members in it.

    Attributes:
        mtime: Unix seconds that they carry.
        pieces: What is in it, in order.
    """

    package: ManifestPackage
    mtime: int
    frame: ManifestFrame
    pieces: tuple[Piece, ...]


class PackageContents(msgspec.Struct, frozen=True, kw_only=True):
    """One package with its file list.

    Attributes:
        mtime: Unix seconds that its members carry.
        files: Its members, in the order of the archive.
    """

    package: ManifestPackage
    document: bytes
    mtime: int
    files: tuple[ManifestFile, ...]
    slices: tuple[FrameSlice, ...]


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a bill stands for, checked.

    Attributes:
        packages: In the order of the archive.
    """

    bill: Bill
    packages: tuple[PackageContents, ...]

    @property
    def files(self) -> tuple[ManifestFile, ...]:
        """All members, in the order of the archive."""
        return tuple(item for package in self.packages for item in package.files)

    @property
    def slices(self) -> tuple[FrameSlice, ...]:
        """All frames, in the order of the archive."""
        return tuple(item for package in self.packages for item in package.slices)

    @property
    def records(self) -> tuple[tuple[str, bytes], ...]:
        """The lists as they lie in an environment: path and document."""
        return tuple((item.package.list_path, item.document) for item in self.packages)

    def owners(self) -> dict[str, str]:
        """Path → name of the package that owns it; empty for the environment's own."""
        return {item.path: one.package.name for one in self.packages for item in one.files}


def read_contents(bill: Bill, documents: Sequence[bytes], name: str) -> Contents:
    """What `bill` stands for, by the lists `documents`, one for each package in its order.

    Raises:
        DigestMismatchError: A list is not the one on the bill.
        ManifestError: A list is malformed, or contradicts the bill.
        UnsafePathError: Something is listed that must not be written.
    """
    packages, is_image = bill.manifest.packages, bill.manifest.is_image
    if sum(document.count(b"{") for document in documents) > 2 * MOST_FILES:
        raise ManifestError(f"{name} is too large", hint=FETCH_AGAIN)
    found = tuple(
        _read_package(package, document, name, is_image=is_image)
        for package, document in zip(packages, documents, strict=True)
    )
    check_members([item for package in found for item in package.files], name)
    return Contents(bill=bill, packages=found)


def _read_package(
    package: ManifestPackage, document: bytes, name: str, *, is_image: bool
) -> PackageContents:
    title = f"the file list of {package.title} in {name}"
    check_document(document, package.listed.size, package.listed.sha256, title)
    listed = parse_file_list(document, title)
    counted = (len(listed.files), sum(item.size for item in listed.files))
    if counted != (package.files, package.size) or not 0 <= listed.mtime <= LARGEST_TIME:
        raise ManifestError(f"{title} contradicts the bill", hint=FETCH_AGAIN)
    if any(item.size < 0 for item in listed.files):
        raise ManifestError(f"{title} is malformed", hint=FETCH_AGAIN)
    pieces = tuple(_cut(() if is_image else listed.files, package, name))
    return PackageContents(
        package=package,
        document=document,
        mtime=listed.mtime,
        files=listed.files,
        slices=tuple(
            FrameSlice(package=package, mtime=listed.mtime, frame=frame, pieces=held)
            for frame, held in zip(package.frames, pieces, strict=True)
        ),
    )


def _cut(
    files: Sequence[ManifestFile], package: ManifestPackage, name: str
) -> list[tuple[Piece, ...]]:
    """The pieces of each frame of a package, which must be those that the bill has.

    They are cut one by one: a file may claim to be so large that its frames fill the memory.
    """
    found: list[tuple[Piece, ...]] = []
    sizes = iter(package.frames)
    for pieces in cut_frames(files):
        frame = next(sizes, None)
        if frame is None or frame.size != frame_size(pieces):
            break
        found.append(pieces)
    else:
        if next(sizes, None) is None:
            return found
    raise ManifestError(
        f"{name}: the frames of {package.title} do not hold its members", hint=FETCH_AGAIN
    )
