"""Reading what others may have put there."""

import os
from pathlib import Path

import pytest

from lading.system.documents import decode_json, open_regular, read_regular


def test_a_regular_file_is_read(tmp_path: Path) -> None:
    """Whole, up to the limit."""
    (tmp_path / "a").write_bytes(b"12345")
    assert b"12345" == read_regular(tmp_path / "a", 5)


def test_a_longer_file_is_refused(tmp_path: Path) -> None:
    """It is not read at all."""
    (tmp_path / "a").write_bytes(b"12345")
    with pytest.raises(OSError, match="Longer than 4 bytes"):
        read_regular(tmp_path / "a", 4)


@pytest.mark.parametrize("kind", ["pipe", "directory", "device"])
def test_anything_else_is_refused(tmp_path: Path, kind: str) -> None:
    """Nobody may ever write into a pipe, and a device may never end."""
    path = Path("/dev/zero") if kind == "device" else tmp_path / "a"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    with pytest.raises(OSError, match="Not a regular file"):
        read_regular(path)


def test_a_link_is_followed_only_where_it_may_be(tmp_path: Path) -> None:
    """A user may name one; in an environment it leads to a file that nobody meant."""
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("file")
    os.close(open_regular(tmp_path / "link", follow=True))
    with pytest.raises(OSError, match="symbolic links"):
        open_regular(tmp_path / "link")


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"\xff", b"[" * 100_000 + b"]" * 100_000, b'["a"]', b"[" + b"9" * 5000 + b"]"],
    ids=["nothing", "cut off", "no text", "deep", "another type", "long integer"],
)
def test_another_document_is_a_wrong_value(data: bytes) -> None:
    """However it is wrong: a reader has one error to catch."""
    with pytest.raises(ValueError, match=r"nested too deeply|Expected|malformed|truncated|range"):
        decode_json(data, list[object] if data.startswith(b"[[") else list[int])
