"""How the stream of a package is cut into frames."""

from itertools import pairwise

import pytest

from lading.conda.paths import Kind
from lading.format.file_list import ManifestFile
from lading.format.frames import FRAME_BYTES, cut_frames, frame_size, list_member, list_member_size

BLOCK = 512


def entry(size: int, path: str = "a", kind: Kind = Kind.FILE) -> ManifestFile:
    """A member with so many bytes of content."""
    return ManifestFile(path=path, type=kind, mode="0644", size=size)


def shapes(*sizes: int) -> list[list[tuple[int, int]]]:
    """Start and stop of each piece of members of these sizes, frame by frame."""
    files = [entry(size, f"f{number}") for number, size in enumerate(sizes)]
    return [[(piece.start, piece.stop) for piece in frame] for frame in cut_frames(files)]


def test_small_members_share_a_frame() -> None:
    """Header, content and padding of each, one after the other."""
    assert [[(0, 1024), (0, 512), (0, 1024)]] == shapes(1, 0, 512)


def test_nothing_has_no_frame() -> None:
    """A package without members."""
    assert [] == shapes()


def test_a_full_frame_is_full() -> None:
    """A member that just fits stays; one byte more begins another frame."""
    rest = FRAME_BYTES - 1024 - BLOCK
    assert [1, 2] == [len(shapes(1, rest)), len(shapes(1, rest + 1))]


def test_a_large_member_begins_a_frame_and_goes_on() -> None:
    """In pieces of exactly a frame; what follows it shares the frame of its last piece."""
    size = 2 * FRAME_BYTES + 100
    assert [
        [(0, 1024)],
        [(0, FRAME_BYTES)],
        [(FRAME_BYTES, 2 * FRAME_BYTES)],
        [(2 * FRAME_BYTES, 2 * FRAME_BYTES + 1024), (0, 1024)],
    ] == shapes(5, size, 5)


def test_a_member_as_large_as_a_frame() -> None:
    """It has a frame of its own, and no piece is empty."""
    assert [[(0, FRAME_BYTES)], [(0, 512)]] == shapes(FRAME_BYTES - BLOCK, 0)


@pytest.mark.parametrize("size", [0, 1, 511, 512, FRAME_BYTES - 512, 3 * FRAME_BYTES + 7])
@pytest.mark.parametrize("path", ["a", "x" * 150, "ü" * 60])
def test_pieces_are_the_member(size: int, path: str) -> None:
    """Without a gap, each content byte once; no frame is larger than it may be."""
    frames = list(cut_frames([entry(3, "before"), entry(size, path), entry(3, "behind")]))
    pieces = [piece for frame in frames for piece in frame if piece.file.path == path]
    header = len(entry(size, path).header(0))
    assert (0, header + size + -size % 512) == (pieces[0].start, pieces[-1].stop)
    assert all(one.stop == other.start for one, other in pairwise(pieces))
    assert size == sum(last - first for first, last in (piece.content for piece in pieces))
    assert max(map(frame_size, frames)) <= FRAME_BYTES


def test_only_whole_members_are_whole() -> None:
    """A piece of a member is none."""
    frames = list(cut_frames([entry(FRAME_BYTES), entry(1, "b")]))
    assert [[False], [False, True]] == [[piece.is_whole for piece in frame] for frame in frames]


@pytest.mark.parametrize("path", ["conda-meta/lading/files/conda/a.json", "x" * 150])
def test_the_size_of_a_list_is_known(path: str) -> None:
    """Before its frame is read."""
    assert len(list_member(path, b"x" * 700, 0)) == list_member_size(path, 700)
