"""A tarball, whatever it is read from: its bill, its file lists and its frames."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import msgspec

from lading.errors import ArchiveError, ManifestError, UsageError
from lading.format.bill import Bill, parse_bill
from lading.format.compression import Format, decompress
from lading.format.contents import Contents, FrameSlice, read_contents
from lading.format.ending import Read, read_ending
from lading.format.file_list import FETCH_AGAIN, check_document, time_of_list
from lading.format.frame_reader import Frame
from lading.format.frames import list_member, list_member_size
from lading.format.manifest import ManifestPackage

GAP_BYTES = 1 << 15
"""Lists that lie no further apart are read together: asking a server again takes longer."""

Known = Callable[[ManifestPackage], bytes | None]
"""The file list of a package where it is at hand already; None where it must be read."""


def nothing_known(_package: ManifestPackage) -> None:
    """No list is at hand."""


class TarballSource(msgspec.Struct, frozen=True, kw_only=True):
    """A tarball to be read.

    Attributes:
        name: What to call it in a message.
        read: Reads bytes of it; None for a bill without its tarball.
        is_file: Whether `read` reads a file, which several processes may do at once.
        has_ranges: False where the server does not support ranges, so all of it was downloaded.
    """

    name: str
    bill: Bill
    format: Format = Format.ZSTD
    read: Read | None
    is_file: bool = True
    has_ranges: bool = True

    def need_frames(self) -> None:
        """Refuse a bill without its tarball.

        Raises:
            UsageError: Only a bill was given, so there are no packages to unpack.
        """
        if self.read is None:
            raise UsageError(
                f"{self.name} is a bill without its tarball",
                hint="name the tarball, or unpack with a --store that holds its packages",
            )

    def contents(self, known: Known = nothing_known) -> Contents:
        """The bill with its lists, all checked; those that are not `known` are read.

        Raises:
            ArchiveError: A list is damaged or malformed, or the tarball is cut off.
            DigestMismatchError: A list is not the one on the bill.
            UnsafePathError: Something is listed that must not be written.
            FetchError: The server does not send them.
            UsageError: A list is not known, and there is no tarball to read it from.
        """
        with _as_damage():
            return self._contents(known)

    def _contents(self, known: Known) -> Contents:
        packages = self.bill.manifest.packages
        documents = {item.list_path: known(item) for item in packages}
        wanted = [item for item in packages if documents[item.list_path] is None]
        documents |= self._read_lists(wanted)
        return read_contents(
            self.bill, [documents[item.list_path] or b"" for item in packages], self.name
        )

    def frames(self, slices: Iterable[FrameSlice]) -> Iterator[Frame]:
        """These frames of the tarball, each read when it is asked for its bytes."""
        for item in slices:
            read = partial(self.exactly, item.frame.offset, item.frame.length)
            yield Frame(bill=item, format=self.format, name=self.name, read=read)

    def exactly(self, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`.

        Raises:
            ArchiveError: The tarball is cut off.
            UsageError: There is no tarball.
        """
        self.need_frames()
        assert self.read is not None  # noqa: S101  # for the type checker
        data = self.read(offset, length)
        if len(data) != length:
            raise ArchiveError(f"{self.name} is cut off", hint=FETCH_AGAIN)
        return data

    def _read_lists(self, packages: Sequence[ManifestPackage]) -> dict[str, bytes]:
        """Path → document of the lists of `packages`, which are in the order of the archive."""
        found = {}
        for group in _neighbours(packages):
            start, last = group[0].listed.offset, group[-1].listed
            data = self.exactly(start, last.offset + last.length - start)
            for package in group:
                begin = package.listed.offset - start
                frame = data[begin : begin + package.listed.length]
                found[package.list_path] = self._document(package, frame)
        return found

    def _document(self, package: ManifestPackage, frame: bytes) -> bytes:
        """The list in a frame, which must be the one that the bill demands, as a member."""
        path, size = package.list_path, package.listed.size
        title = f"the file list of {package.title} in {self.name}"
        check_document(frame, package.listed.length, package.listed.frame_sha256, title)
        stream = list_member_size(path, size)
        try:
            content = decompress(self.format, frame, stream)
        except ArchiveError as error:
            raise ArchiveError(f"{title} is damaged: {error}", hint=FETCH_AGAIN) from error
        start = stream - size - -size % 512
        document = content[start : start + size]
        if content != list_member(path, document, time_of_list(document, title)):
            raise ArchiveError(f"{title} has another header", hint=FETCH_AGAIN)
        return document


def _neighbours(packages: Sequence[ManifestPackage]) -> Iterator[list[ManifestPackage]]:
    """The packages in groups whose lists lie near each other."""
    group: list[ManifestPackage] = []
    for package in packages:
        if group:
            last = group[-1].listed
            if package.listed.offset - last.offset - last.length > GAP_BYTES:
                yield group
                group = []
        group.append(package)
    if group:
        yield group


@contextmanager
def _as_damage() -> Iterator[None]:
    """Make a malformed document in a tarball what it is: damage, and not a wrong input file."""
    try:
        yield
    except ManifestError as error:
        raise ArchiveError(error.message, hint=error.hint) from error


def bill_alone(name: str, bill: Bill) -> TarballSource:
    """A bill without its tarball: a store must have the packages."""
    return TarballSource(name=name, bill=bill, read=None)


class TarballFile(msgspec.Struct, frozen=True, kw_only=True):
    """The bytes of a tarball, to be read in any order.

    Attributes:
        name: What to call it in a message.
        size: In bytes.
    """

    name: str
    size: int
    read: Read
    is_file: bool = True
    has_ranges: bool = True

    def source(self, expected: str | None, given: Bill | None = None) -> TarballSource:
        """The tarball with the bill that is inside of it.

        Args:
            expected: SHA-256 that the bill must have, hexadecimal; None for any.
            given: The very bill that must be inside; None for any.

        Raises:
            DigestMismatchError: It is not the expected bill.
            ArchiveError: The tarball is damaged, or carries another bill than the one given.
            ManifestError: It has format 1.
        """
        ending = read_ending(self.name, self.read, self.size)
        if given is not None and ending.document != given.document:
            raise ArchiveError(f"{self.name} carries another bill than this one", hint=FETCH_AGAIN)
        with _as_damage():
            bill = given or parse_bill(ending.document, self.name, expected)
        ending.check(bill.manifest, self.name)
        if bill.manifest.is_image:
            # It promises no frames, so nothing would be missing.
            raise ArchiveError(f"{self.name} carries the bill of an image", hint=FETCH_AGAIN)
        return TarballSource(
            name=self.name,
            bill=bill,
            format=ending.format,
            read=self.read,
            is_file=self.is_file,
            has_ranges=self.has_ranges,
        )
