"""Copying kept frames and blocks into an output."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lading.pack.output import HashedOutput, copy_pieces
from lading.system import CHUNK_BYTES, sha256_of

CONTENT = os.urandom(CHUNK_BYTES) + b"and the rest"


@contextmanager
def _files(directory: Path) -> Iterator[tuple[int, int]]:
    """A file with the content, and an empty one, as descriptors."""
    kept, output = directory / "kept", directory / "output"
    kept.write_bytes(CONTENT)
    with kept.open("rb", buffering=0) as source, output.open("x+b", buffering=0) as target:
        yield source.fileno(), target.fileno()


def test_pieces_lie_behind_each_other(tmp_path: Path) -> None:
    """The first bytes of a file go where they should, and their lengths are told."""
    length = len(CONTENT) - 4
    with _files(tmp_path) as (source, target):
        pieces = list(copy_pieces(source, length, target, 3))
    assert length == sum(pieces)
    assert bytes(3) + CONTENT[:length] == (tmp_path / "output").read_bytes()


def test_a_device_is_written_too(tmp_path: Path) -> None:
    """Where the system cannot copy between two files, they are read and written."""
    with _files(tmp_path) as (source, _target), Path(os.devnull).open("wb") as device:
        assert len(CONTENT) == sum(copy_pieces(source, len(CONTENT), device.fileno(), 0))


def test_a_shorter_file_is_an_error(tmp_path: Path) -> None:
    """A kept file that lost its end is told, and never waited for."""
    with (
        _files(tmp_path) as (source, target),
        pytest.raises(OSError, match="a file became shorter while it was copied"),
    ):
        list(copy_pieces(source, len(CONTENT) + 1, target, 0))


def test_what_is_copied_is_hashed(tmp_path: Path) -> None:
    """Written and copied bytes have the digest of the file that they make."""
    with _files(tmp_path) as (source, target), HashedOutput.opened(target) as output:
        output.write(b"begin")
        output.copy(source, len(CONTENT))
        digest = output.finish()
    assert sha256_of(b"begin" + CONTENT) == digest
