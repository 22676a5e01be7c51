"""The content of a large file."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lading.system.file_content import WINDOW_BYTES, FileContent


@contextmanager
def content(path: Path, data: bytes) -> Iterator[FileContent]:
    """`data` in a file."""
    path.write_bytes(data)
    with path.open("rb") as stream:
        yield FileContent(stream.fileno())


def test_it_is_as_if_it_were_in_memory(tmp_path: Path) -> None:
    """Whatever is searched or cut, and in whatever order."""
    chance = random.Random(1)
    data = chance.choices(b"ab\0", k=3 * WINDOW_BYTES)
    whole = bytes(data)
    with content(tmp_path / "file", whole) as found:
        assert len(whole) == len(found)
        for _ in range(300):
            start, end = (chance.randrange(len(whole) + 10) for _ in range(2))
            needle = bytes(chance.choices(b"ab\0", k=chance.randrange(1, 20)))
            assert whole[start : start + 50] == found[start : start + 50]
            assert whole.find(needle, start) == found.find(needle, start)
            assert whole.find(needle, start, end) == found.find(needle, start, end)


@pytest.mark.parametrize("shift", range(-4, 5))
def test_what_crosses_a_window_is_found(tmp_path: Path, shift: int) -> None:
    """Wherever the border is."""
    place = WINDOW_BYTES + shift
    data = bytes(place) + b"needle" + bytes(WINDOW_BYTES)
    with content(tmp_path / "file", data) as found:
        assert (place, -1, -1) == (
            found.find(b"needle"),
            found.find(b"needle", 0, place + 5),
            found.find(b"needle", place + 1),
        )


def test_a_file_that_shrinks_is_an_error(tmp_path: Path) -> None:
    """Its bytes are gone."""
    with content(tmp_path / "file", bytes(100)) as found:
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(OSError, match="changed while it was read"):
            found.find(b"x")
