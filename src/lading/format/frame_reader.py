"""Read frames by the bill and the file lists.

They determine every byte between the contents: the reader renders the header that a member must
have and compares the bytes. It parses no tar header, so none can deceive it, and it gives away
nothing that is not listed. The digest of a frame is compared before it is decompressed.
"""

from collections.abc import Callable, Iterator

import msgspec

from lading.errors import ArchiveError, DigestMismatchError
from lading.format.compression import Format, decompress
from lading.format.contents import FrameSlice
from lading.format.file_list import FETCH_AGAIN, ManifestFile
from lading.system import sha256_of


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """One frame of a tarball, wherever its bytes come from.

    Attributes:
        name: What to call the tarball in an error.
    """

    bill: FrameSlice
    format: Format
    name: str
    read: Callable[[], bytes]


class Member(msgspec.Struct, frozen=True, gc=False):
    """A member, or a piece of a large one, whose header and padding match the bill.

    Attributes:
        mtime: Unix seconds.
        is_whole: Whether all of its content is here.
        start: Where in the content `content` begins, in bytes.
        content: Bytes of a file; empty for links and directories.
    """

    file: ManifestFile
    mtime: int
    is_whole: bool
    start: int
    content: memoryview


def read_members(frame: Frame) -> Iterator[Member]:
    """The members of a frame, in order.

    Raises:
        DigestMismatchError: It is not the frame on the bill.
        ArchiveError: It is, and differs from the list all the same.
    """
    bill = frame.bill
    data = frame.read()
    found = sha256_of(data).hex
    if found != bill.frame.sha256:
        raise DigestMismatchError(
            f"{frame.name}: the compressed bytes of {bill.package.title} do not match the bill",
            hint=FETCH_AGAIN,
            expected=bill.frame.sha256,
            actual=found,
        )
    stream = decompress(frame.format, data, bill.frame.size)
    view, position = memoryview(stream), 0
    for piece in bill.pieces:
        item, end = piece.file, position + piece.stop - piece.start
        first, last = piece.content
        begin = position + max(0, piece.header - piece.start)
        behind = begin + last - first
        header = item.header(bill.mtime)[piece.start : piece.stop]
        zeros = bytes(end - behind)
        if not (stream.startswith(header, position) and stream.startswith(zeros, behind)):
            raise ArchiveError(
                f"{frame.name}: member does not match the bill (expected {item.path})",
                hint=FETCH_AGAIN,
            )
        yield Member(item, bill.mtime, piece.is_whole, first, view[begin:behind])
        position = end
