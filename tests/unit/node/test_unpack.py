"""Unpacking where something is already, and by several processes at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lading.errors import NoSpaceError, PrefixExistsError
from lading.format.opening import open_tarball
from lading.node.staging import check_space
from lading.node.unpack import apply_unpack, plan_unpack
from lading.system.filesystem import no_sync
from lading.system.temporary import exchange, take_turns
from simulators.handmade import file, pack, payload, snapshot

OLD = "/build/" + "placeholder" * 20


def tarball(directory: Path, content: bytes = b"one") -> Path:
    """A tarball with one file."""
    conf = file("etc/conf", f"a={OLD}\n".encode(), placeholder=OLD, directory=directory / "source")
    return pack(directory / "dist", payload(conf, file("share/data", content))).plan.tarball


def unpacked(path: Path, prefix: Path, *, replacing: bool = False) -> bool:
    """Whether unpacking wrote something."""
    with open_tarball(path) as source:
        return apply_unpack(plan_unpack(source, prefix, 1, replace=replacing, sync=no_sync))


def changes(root: Path) -> dict[Path, tuple[int, int]]:
    """Path → inode and time of its last change; reading changes neither."""
    found = ((item, item.lstat()) for item in root.rglob("*"))
    return {item: (status.st_ino, status.st_ctime_ns) for item, status in found}


def test_the_same_again(tmp_path: Path) -> None:
    """Where the environment is already, nothing is written."""
    path, prefix = tarball(tmp_path), tmp_path / "env"
    first = unpacked(path, prefix)
    before = changes(tmp_path)
    assert (True, False) == (first, unpacked(path, prefix))
    assert before == changes(tmp_path)


def test_what_was_moved_is_another(tmp_path: Path) -> None:
    """An environment that names another place does not count, nor does one with another bill."""
    path, prefix = tarball(tmp_path), tmp_path / "env"
    unpacked(path, prefix)
    moved = prefix.rename(tmp_path / "moved")
    with pytest.raises(PrefixExistsError, match="holds another environment"):
        unpacked(path, moved)
    unpacked(path, prefix)
    (prefix / "conda-meta/lading/manifest.json").write_bytes(b"{}")
    with pytest.raises(PrefixExistsError, match="holds another environment"):
        unpacked(path, prefix)


def test_replacing(tmp_path: Path) -> None:
    """A new version takes the place of the old one, of which nothing is left."""
    prefix = tmp_path / "env"
    unpacked(tarball(tmp_path / "a"), prefix)
    (prefix / "more").mkdir()
    newer = tarball(tmp_path / "b", b"two")
    with pytest.raises(PrefixExistsError, match="holds another environment"):
        unpacked(newer, prefix)
    assert unpacked(newer, prefix, replacing=True)
    found = snapshot(prefix)
    unpacked(newer, tmp_path / "fresh")
    assert set(snapshot(tmp_path / "fresh")) == set(found)
    assert (b"two", f"a={prefix}\n") == (
        (prefix / "share/data").read_bytes(),
        (prefix / "etc/conf").read_text(),
    )
    assert {"a", "b", "env", "fresh"} == {path.name for path in tmp_path.iterdir()}


def test_what_is_not_an_environment_stays(tmp_path: Path) -> None:
    """A directory of something else, and a link, are not replaced."""
    path, prefix = tarball(tmp_path), tmp_path / "env"
    (prefix / "mine").mkdir(parents=True)
    (tmp_path / "link").symlink_to(prefix)
    for place in (prefix, tmp_path / "link"):
        with pytest.raises(PrefixExistsError, match="exists already"):
            unpacked(path, place, replacing=True)


def test_a_failed_replacement_keeps_the_old(tmp_path: Path) -> None:
    """Where the new version is damaged, the old one stays."""
    prefix = tmp_path / "env"
    unpacked(tarball(tmp_path / "a"), prefix)
    before = snapshot(prefix)
    newer = tarball(tmp_path / "b", os.urandom(5000))
    data = bytearray(newer.read_bytes())
    data[200] ^= 1
    newer.write_bytes(data)
    with pytest.raises(Exception, match=r".*"):
        unpacked(newer, prefix, replacing=True)
    assert (before, {"a", "b", "env"}) == (
        snapshot(prefix),
        {path.name for path in tmp_path.iterdir()},
    )


def test_many_at_once(tmp_path: Path) -> None:
    """Of several processes one writes; all find the environment, and nothing else is left."""
    path, prefix = tarball(tmp_path, os.urandom(3_000_000)), tmp_path / "node/env"
    code = "import sys; from lading.cli.app import main; sys.exit(main())"
    words = [sys.executable, "-c", code, "unpack", str(path), str(prefix)]
    children = [
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    ends = [(*child.communicate(timeout=60), child.returncode) for child in children]
    said = sorted(stderr for _, stderr, _ in ends)
    assert ({f"{prefix}\n"}, {0}) == ({end[0] for end in ends}, {end[2] for end in ends}), said
    assert 1 == sum("unpacked sample: checked and relocated" in text for text in said), said
    assert ["env"] == [item.name for item in (tmp_path / "node").iterdir()]


def test_turns(tmp_path: Path) -> None:
    """The lock is gone afterwards, and one that somebody removed is made again."""
    with take_turns(tmp_path / "env"):
        assert [".env.lading-one_turn"] == [item.name for item in tmp_path.iterdir()]
    with take_turns(tmp_path / "env"):
        pass
    assert [] == list(tmp_path.iterdir())


def test_exchanging(tmp_path: Path) -> None:
    """Two directories get each other's name, also where the system cannot do it at once."""
    for name in ("new", "old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    exchange(tmp_path / "new", tmp_path / "old")
    exchange(tmp_path / "old", tmp_path / "new")
    exchange(tmp_path / "new", tmp_path / "old")
    assert ["new"] == [item.name for item in (tmp_path / "old").iterdir()]


def test_too_little_space(tmp_path: Path) -> None:
    """Space and inodes are compared with what is free, and the numbers are told."""
    with pytest.raises(NoSpaceError, match=r"needs 1,000,000,000,000 MB, .* MB are free in "):
        check_space(tmp_path / "a/b", 10**18, 1)
    if os.statvfs(tmp_path).f_files:
        with pytest.raises(NoSpaceError, match=r"needs 1,000,000,000,000 inodes, .* are free in "):
            check_space(tmp_path / "a/b", 1, 10**12)
