"""Temporaries, and what killed processes left of them."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.system.temporary import (
    AGE_SECONDS,
    is_temporary_of,
    remove_atomically,
    remove_stale_temporaries,
    temporary_directory,
    temporary_file,
    write_atomically,
)
from simulators.command import listing
from simulators.launcher import start_worker

MAKER = """
import sys, time
from pathlib import Path
from lading.system.temporary import temporary_directory, temporary_file
parent = Path(sys.argv[1])
with temporary_directory(parent, "env") as path, temporary_file(parent, "env.tar") as (_, stream):
    (path / "lib").mkdir()
    (path / "lib/file").write_text("half")
    stream.write(b"half")
    print("ready", flush=True)
    time.sleep(60)
"""


def old(path: Path, seconds: float = AGE_SECONDS + 60) -> Path:
    """A path that was changed so long ago."""
    then = time.time() - seconds
    os.utime(path, (then, then))
    return path


def left(root: Path, name: str = ".env.lading-abcdefgh") -> Path:
    """A temporary directory that nobody holds, with something in it."""
    (root / name / "lib").mkdir(parents=True)
    (root / name / "lib/file").touch()
    return root / name


def test_what_is_renamed_stays(tmp_path: Path) -> None:
    """Under its name; nothing else is left."""
    with temporary_directory(tmp_path, "env") as directory:
        directory.rename(tmp_path / "env")
    with temporary_file(tmp_path, "file") as (path, stream):
        stream.write(b"x")
        path.rename(tmp_path / "file")
    assert ["env", "file"] == listing(tmp_path)


def test_what_is_not_renamed_goes(tmp_path: Path) -> None:
    """With all that is in it."""
    with temporary_directory(tmp_path, "env") as directory, temporary_file(directory, "file"):
        before = [path.split(".lading-")[0] for path in listing(tmp_path)]
    assert ([".env", ".env"], []) == (before, listing(tmp_path))


def test_no_directory_is_made_for_a_temporary(tmp_path: Path) -> None:
    """One that is missing is an error."""
    for make in (temporary_directory, temporary_file):
        with pytest.raises(FileNotFoundError), make(tmp_path / "none", "env"):
            pass


def test_what_somebody_works_on_stays(tmp_path: Path) -> None:
    """However old it is, in this process or another."""
    with (
        temporary_directory(tmp_path, "env") as directory,
        temporary_file(tmp_path, "env") as (path, _),
    ):
        assert ((), 2) == (
            remove_stale_temporaries(old(directory).parent),
            len([item for item in (directory, old(path)) if item.exists()]),
        )


def test_what_a_killed_process_left_goes(tmp_path: Path) -> None:
    """As long as it lives it stays."""
    with start_worker(MAKER, tmp_path, tmp_path) as maker:
        assert maker.stdout is not None
        assert maker.stdout.readline() == "ready\n"
        alive = remove_stale_temporaries(tmp_path)
        maker.kill()
        maker.wait()
        before = len(listing(tmp_path))
        killed = remove_stale_temporaries(tmp_path)
    assert ((), 4, 2, []) == (alive, before, len(killed), listing(tmp_path))


@pytest.mark.parametrize(
    "name", ["env.lading-abcdefgh", ".env.lading-abc", ".env.lading-ABCDEFGH", ".lading-abcdefgh"]
)
def test_what_has_another_name_stays(tmp_path: Path, name: str) -> None:
    """It is not ours."""
    left(tmp_path, name)
    assert ((), True) == (remove_stale_temporaries(tmp_path), (tmp_path / name).exists())


def test_a_link_stays(tmp_path: Path) -> None:
    """No temporary is one; what it leads to is somebody's."""
    link = tmp_path / "a/.env.lading-abcdefgh"
    link.parent.mkdir()
    link.symlink_to(left(tmp_path, "theirs"))
    assert ((), True) == (
        remove_stale_temporaries(link.parent),
        (tmp_path / "theirs/lib/file").exists(),
    )


def test_what_belongs_to_another_target_stays(tmp_path: Path) -> None:
    """Only what would have got one of the names goes."""
    ours, theirs = left(tmp_path), left(tmp_path, ".env2.lading-abcdefgh")
    found = remove_stale_temporaries(tmp_path, is_temporary_of("env", "other"))
    assert ((ours,), True) == (found, theirs.exists())


def test_leftovers_of_long_names_are_known(tmp_path: Path) -> None:
    """Of the name only its first 100 bytes are in them."""
    name = "ä" * 100
    with temporary_directory(tmp_path, name) as directory:
        stem = directory.name
    path = left(tmp_path, stem)
    assert (path,) == remove_stale_temporaries(tmp_path, is_temporary_of(name))


@pytest.mark.parametrize(("seconds", "goes"), [(AGE_SECONDS - 60, False), (AGE_SECONDS + 60, True)])
def test_on_a_network_file_system_only_what_is_old_goes(
    tmp_path: Path, seconds: int, *, goes: bool
) -> None:
    """The lock of another machine may not reach this one."""
    path = old(left(tmp_path), seconds)
    found = remove_stale_temporaries(tmp_path, network=lambda _directory: "NFS")
    assert (goes, not goes) == (path in found, path.exists())


def test_where_nothing_can_be_listed_nothing_goes(tmp_path: Path) -> None:
    """A directory that is not there is tidy."""
    assert () == remove_stale_temporaries(tmp_path / "none")


def test_an_atomic_write_replaces_what_is_there(tmp_path: Path) -> None:
    """Its mode is as asked, whatever the umask; a hard link elsewhere keeps the old content."""
    path = tmp_path / "a/file"
    write_atomically(path, b"old")
    os.link(path, tmp_path / "other")
    umask = os.umask(0o077)
    try:
        write_atomically(path, [b"ne", b"w"], mode=0o755, sync=True)
    finally:
        os.umask(umask)
    assert (b"new", 0o755) == (path.read_bytes(), path.stat().st_mode & 0o777)
    assert (b"old", 0o644) == (
        (tmp_path / "other").read_bytes(),
        (tmp_path / "other").stat().st_mode & 0o777,
    )


def test_an_atomic_write_follows_no_link(tmp_path: Path) -> None:
    """The link is replaced, the file that it leads to stays as it is."""
    (tmp_path / "victim").write_bytes(b"theirs")
    (tmp_path / "file").symlink_to("victim")
    write_atomically(tmp_path / "file", b"ours")
    assert (b"theirs", b"ours", False) == (
        (tmp_path / "victim").read_bytes(),
        (tmp_path / "file").read_bytes(),
        (tmp_path / "file").is_symlink(),
    )


def test_an_atomic_write_that_fails_changes_nothing(tmp_path: Path) -> None:
    """The old content stays, and no temporary."""

    def pieces() -> Iterator[bytes]:
        yield b"half"
        raise OSError("disk full")

    write_atomically(tmp_path / "file", b"old")
    with pytest.raises(OSError, match="disk full"):
        write_atomically(tmp_path / "file", pieces())
    assert (["file"], b"old") == (listing(tmp_path), (tmp_path / "file").read_bytes())


def test_an_atomic_write_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    """Of the same path; temporaries of others are not its business."""
    for name in (".file.lading-abcdefgh", ".other.lading-abcdefgh"):
        (tmp_path / name).touch()
    write_atomically(tmp_path / "file", b"")
    assert [".other.lading-abcdefgh", "file"] == listing(tmp_path)


def test_a_tree_is_removed_as_a_whole(tmp_path: Path) -> None:
    """Also by way of another directory; what cannot be removed is an error."""
    for name in ("a", "b"):
        left(tmp_path, name)
    (tmp_path / "aside").mkdir()
    remove_atomically(tmp_path / "a")
    remove_atomically(tmp_path / "b", tmp_path / "aside")
    assert ["aside"] == listing(tmp_path)
    with pytest.raises(FileNotFoundError):
        remove_atomically(tmp_path / "a")
    assert ["aside"] == listing(tmp_path)
