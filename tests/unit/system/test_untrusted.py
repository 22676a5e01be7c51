"""Open and read what another user may have put there."""

import os
from pathlib import Path

import pytest

from lading.system.untrusted import (
    decode_json,
    open_lock,
    open_regular,
    read_regular,
    reason_to_distrust,
)


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


def test_a_lock_is_created_and_keeps_its_content(tmp_path: Path) -> None:
    """Opening it truncates nothing."""
    path = tmp_path / "lock"
    with open_lock(path):
        assert path.is_file()
    path.write_text("content")
    with open_lock(path):
        pass
    assert "content" == path.read_text()


@pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
def test_a_lock_is_a_regular_file(tmp_path: Path, kind: str) -> None:
    """A link that somebody put there is not followed, nor is its target created."""
    path = tmp_path / "lock"
    {
        "link": lambda: path.symlink_to("victim"),
        "pipe": lambda: os.mkfifo(path),
        "directory": path.mkdir,
    }[kind]()
    with (
        pytest.raises(OSError, match=r"symbolic links|not a lock of ours|directory"),
        open_lock(path),
    ):
        pass
    assert not (tmp_path / "victim").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_belongs_to_others_is_not_trusted(tmp_path: Path) -> None:
    """Neither a lock nor a directory; its owner is named."""
    path = tmp_path / "lock"
    path.touch()
    os.chown(path, 65_534, 65_534)
    with pytest.raises(PermissionError, match="belongs to nobody"), open_lock(path):
        pass
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", 12_345, 0)
    assert "it belongs to user 12345" == reason_to_distrust(tmp_path / "theirs")


@pytest.mark.parametrize("mode", [0o755, 0o700, 0o775, 0o757, 0o1777])
def test_a_directory_that_others_may_write_to_is_not_trusted(tmp_path: Path, mode: int) -> None:
    """Whoever they are."""
    tmp_path.chmod(mode)
    assert bool(mode & 0o022) == ("may write to it" in reason_to_distrust(tmp_path))


def test_a_link_to_a_directory_is_not_trusted(tmp_path: Path) -> None:
    """It can be changed to lead elsewhere."""
    (tmp_path / "link").symlink_to("/")
    assert "it is not a directory" == reason_to_distrust(tmp_path / "link")
