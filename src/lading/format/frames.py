"""How the stream of a package is cut into frames: from its file list alone.

A frame holds at most `FRAME_BYTES` of the stream. It ends before the member that would take it
beyond that; a member that is larger begins a frame, is continued in the next ones in pieces of
exactly `FRAME_BYTES`, and further members may follow its last piece. Writers and readers share
these functions, and the bill does not repeat the cut.
"""

from collections.abc import Iterable, Iterator

import msgspec

from lading.conda import Kind
from lading.format.file_list import ManifestFile
from lading.format.tar_header import (
    BLOCK_BYTES,
    LARGEST_OCTAL_SIZE,
    NAME_BYTES,
    Header,
    padding,
    render_header,
)

FRAME_BYTES = 8 << 20
"""Measured on `data-service` at 4, 8 and 16 MiB, see docs/reference/tarball-format.md."""


class Piece(msgspec.Struct, frozen=True, gc=False):
    """A part of a member, or all of it, in one frame.

    Attributes:
        start: Where the piece begins in the member's stream: header, content and padding, in bytes.
        stop: Where it ends.
        header: How many bytes its header has.
    """

    file: ManifestFile
    start: int
    stop: int
    header: int

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole member."""
        return self.start == 0 and self.stop >= self.header + self.file.size

    @property
    def content(self) -> tuple[int, int]:
        """Which bytes of the content are in it: from the first to before the second."""
        first = max(0, self.start - self.header)
        return first, max(first, min(self.stop - self.header, self.file.size))


def cut(filled: int, length: int) -> range:
    """Where a member of `length` bytes is cut if its frame already holds `filled`.

    Returns:
        The positions in the member before which a new frame begins; 0 means before the member.
    """
    if filled + length <= FRAME_BYTES:
        return range(0)
    return range(0 if filled else FRAME_BYTES, length, FRAME_BYTES)


def cut_frames(files: Iterable[ManifestFile]) -> Iterator[tuple[Piece, ...]]:
    """For each frame of a package the pieces in it, in order; no frame is empty."""
    pieces: list[Piece] = []
    filled = 0
    for item in files:
        header, size = _header_bytes(item), item.size
        length = header + size + -size % BLOCK_BYTES
        if filled + length <= FRAME_BYTES:
            pieces.append(Piece(item, 0, length, header))
            filled += length
            continue
        start = 0
        for position in cut(filled, length):
            if position:
                pieces.append(Piece(item, start, position, header))
            yield tuple(pieces)
            pieces, start, filled = [], position, 0
        pieces.append(Piece(item, start, length, header))
        filled += length - start
    if pieces:
        yield tuple(pieces)


def _header_bytes(item: ManifestFile) -> int:
    """The length of a member's header; tens of thousands need not be rendered for it."""
    path, target = item.path, item.target
    is_plain = (
        len(path) < NAME_BYTES
        and path.isascii()
        and item.size <= LARGEST_OCTAL_SIZE
        and (not target or (len(target) <= NAME_BYTES and target.isascii()))
    )
    return BLOCK_BYTES if is_plain else len(item.header(0))


def list_member(path: str, document: bytes, mtime: int) -> bytes:
    """The file list of a package as a member: the content of its frame."""
    header = Header(path=path, kind=Kind.FILE, size=len(document), executable=False, mtime=mtime)
    return render_header(header) + document + padding(len(document))


def list_member_size(path: str, size: int) -> int:
    """How many bytes of the stream a list of `size` bytes takes."""
    item = ManifestFile(path=path, type=Kind.FILE, mode="0644", size=size)
    return _header_bytes(item) + size + -size % BLOCK_BYTES


def frame_size(pieces: Iterable[Piece]) -> int:
    """How many bytes of the stream a frame of `pieces` holds."""
    return sum(piece.stop - piece.start for piece in pieces)
