"""Which members go into which frame."""

from msgspec import structs

from lading.pack.frames import plan_frames
from simulators.handmade import file, payload

BLOCK = 512


def names(sizes: list[int], limit: int) -> list[list[str]]:
    """The members of each frame of a package with files of these sizes."""
    package = payload(*(file(f"{n:03}", bytes(size)) for n, size in enumerate(sizes)))
    return [[item.path for item in frame.members] for frame in plan_frames([package], limit)]


def test_a_package_is_a_frame() -> None:
    """Packages do not share frames."""
    packages = [payload(file("a"), file("b"), name="x"), payload(file("c"), name="y")]
    frames = plan_frames(packages)
    assert [("x", 0, 2), ("y", 0, 1)] == [
        (frame.payload.name, frame.part, len(frame.members)) for frame in frames
    ]


def test_a_package_without_members_has_no_frame() -> None:
    """Nothing to ship, no frame."""
    assert () == plan_frames([payload()])


def test_a_large_package_is_cut() -> None:
    """A frame ends before the member that would take it beyond the limit."""
    assert [["000", "001"], ["002"]] == names([100, 100, 100], 2 * (BLOCK + 100))


def test_a_large_file_has_a_frame_of_its_own() -> None:
    """A file beyond the limit is not cut, and nothing is put beside it."""
    assert [["000"], ["001"], ["002"]] == names([1, 5000, 1], 1200)


def test_parts_are_numbered() -> None:
    """The frames of a package count from zero."""
    package = payload(file("a", bytes(1000)), file("b", bytes(1000)))
    assert [0, 1] == [frame.part for frame in plan_frames([package], 1200)]


def test_a_size_that_is_not_known_counts_as_nothing() -> None:
    """A package that does not say the size of a file is planned all the same."""
    package = payload(structs.replace(file("a"), size=None), file("b"))
    assert [2] == [len(frame.members) for frame in plan_frames([package])]
