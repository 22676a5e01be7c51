"""The store of a node."""

import os
import shutil
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from lading.errors import IntegrityError, PrefixError, UsageError
from lading.node.store import Store
from lading.system.beneath import Beneath
from lading.system.filesystem import no_sync
from simulators.handmade import snapshot
from simulators.stores import add, digests, filled, lists_in, package_in, stored, tarball
from simulators.versions import PLACEHOLDER, leftovers, small_disk, verified

LIMIT_SECONDS = 30


def test_an_added_package_is_held(tmp_path: Path) -> None:
    """It is kept as it is shipped, once: its files stay the same, for they are linked elsewhere."""
    store = Store(tmp_path)
    with tarball(tmp_path) as opened:
        package = package_in(opened, "tool")
        before = store.holds(package)
        add(store, opened, "tool")
        assert (False, True) == (before, store.holds(package))
        script = stored(store, package) / "tree/bin/tool"
        assert f"#!/bin/sh\necho {PLACEHOLDER}/share 1\n" == script.read_text()
        inode = script.stat().st_ino
        add(store, opened, "tool")
        assert inode == script.stat().st_ino


def test_a_frame_that_comes_twice_at_once_is_kept_once(tmp_path: Path) -> None:
    """While one is extracted the same appears: it stays, ours goes, and nobody is told."""
    store = Store(tmp_path / "store")
    with tarball(tmp_path) as opened:
        package = package_in(opened, "tool")

        def late(offset: int, length: int) -> bytes:
            with tarball(tmp_path) as again, store.in_use():
                store.add(again, [package], 1, no_sync)
            return opened.exactly(offset, length)

        with store.in_use():
            store.add(replace(opened, read=late), [package], 1, no_sync)
        assert (True, []) == (store.holds(package), leftovers(store.directory))


def test_a_damaged_package_is_not_kept(tmp_path: Path) -> None:
    """It is refused, and nothing is left of it."""
    store = Store(tmp_path / "store")
    with tarball(tmp_path) as opened:
        package = package_in(opened, "tool")
        damaged = replace(opened, read=lambda offset, length: opened.exactly(offset + 1, length))
        with pytest.raises(IntegrityError), store.in_use():
            store.add(damaged, [package], 1, no_sync)
        files = [path.name for path in store.directory.rglob("*") if path.is_file()]
        assert ([".lock"], set()) == (files, lists_in(store))


def test_a_list_is_kept_beside_the_package(tmp_path: Path) -> None:
    """So that the next tarball need not send it; it is believed only with its digest."""
    store = filled(tmp_path)
    with tarball(tmp_path) as opened:
        package = package_in(opened, "tool")
        found = store.list_of(package.package)
        place = stored(store, package) / "list.json"
        place.write_bytes(place.read_bytes().replace(b"bin/tool", b"bin/evil"))
        assert (package.document, None) == (found, store.list_of(package.package))


def test_a_linked_prefix(tmp_path: Path) -> None:
    """It is what unpacking makes, under any umask; what needs no relocation costs no room."""
    prefix = tmp_path / "prefix"
    before = os.umask(0o077)
    try:
        store = filled(tmp_path, prefix=prefix)
    finally:
        os.umask(before)
    assert () == tuple(verified(prefix))
    inodes = {path.stat().st_ino for path in store.directory.rglob("*") if path.is_file()}
    paths = ("share/base/data", "share/tool/version", "bin/tool", "lib/libbase.so.1", "var/empty")
    status = [(prefix / path).stat() for path in paths]
    assert ([True, True, False, False, False], {1_700_000_000}, 0o755) == (
        [item.st_ino in inodes for item in status],
        {item.st_mtime for item in status},
        status[2].st_mode & 0o7777,
    )


def test_relocation_leaves_the_store_alone(tmp_path: Path) -> None:
    """Two prefixes have each its own path in them, and the store has none."""
    one, other = tmp_path / "one", tmp_path / "other"
    filled(tmp_path, prefix=one)
    filled(tmp_path, prefix=other)
    assert [f"#!/bin/sh\necho {prefix}/share 1\n" for prefix in (one, other)] == [
        (prefix / "bin/tool").read_text() for prefix in (one, other)
    ]


def test_on_another_file_system_files_are_copied(tmp_path: Path) -> None:
    """Where no link can lead the prefix is the same, with files of its own."""
    filled(tmp_path, prefix=tmp_path / "here")
    with small_disk(tmp_path / "disk", kilobytes=512):
        there = tmp_path / "disk/prefix"
        filled(tmp_path, prefix=there)
        found = (
            tuple(verified(there)),
            (there / "share/base/data").stat().st_nlink,
            (there / "share/base/data").stat().st_mtime,
            snapshot(there).keys(),
        )
    assert ((), 1, 1_700_000_000, snapshot(tmp_path / "here").keys()) == found


def test_a_frame_that_was_taken_out_is_an_error(tmp_path: Path) -> None:
    """Nothing is made up for a file that is not there."""
    store = filled(tmp_path)
    with tarball(tmp_path) as opened:
        package = package_in(opened, "zother")
        shutil.rmtree(stored(store, package))
        root = tmp_path / "root"
        root.mkdir()
        with Beneath(root, mode=0o755) as place, pytest.raises(FileNotFoundError):
            store.link(package, package.files, place, b"/opt/a")


def test_a_file_that_was_changed_is_replaced(tmp_path: Path) -> None:
    """By a new one: who has the old one linked keeps it; the others stay the same files."""
    store = filled(tmp_path)
    with tarball(tmp_path) as opened:
        package = package_in(opened, "tool")
        tree = stored(store, package) / "tree"
        version, script = tree / "share/tool/version", tree / "bin/tool"
        before = (version.stat().st_ino, script.stat().st_ino)
        version.write_text("x" * 100)
        held = store.holds(package)
        (tmp_path / "link").hardlink_to(version)
        add(store, opened, "tool")
        assert (False, True, "1" * 100, "x" * 100, (False, True)) == (
            held,
            store.holds(package),
            version.read_text(),
            (tmp_path / "link").read_text(),
            (version.stat().st_ino == before[0], script.stat().st_ino == before[1]),
        )


@pytest.mark.parametrize("kind", ["gone", "longer", "link", "directory"])
def test_whatever_became_of_a_file_it_is_replaced(tmp_path: Path, kind: str) -> None:
    """What stands in its place goes."""
    store = filled(tmp_path)
    with tarball(tmp_path) as opened:
        package = package_in(opened, "tool")
        place = stored(store, package) / "tree/share/tool/version"
        if kind == "longer":
            place.write_text("1" * 101)
        else:
            place.unlink()
        if kind == "link":
            place.symlink_to("../../bin/tool")
        if kind == "directory":
            (place / "x").mkdir(parents=True)
        add(store, opened, "tool")
        assert (True, "1" * 100) == (store.holds(package), place.read_text())


def test_many_may_use_the_store(tmp_path: Path) -> None:
    """Users do not wait for each other."""
    store = Store(tmp_path)
    order: list[str] = []

    def use(then: Callable[[], None]) -> None:
        with store.in_use():
            then()

    with store.in_use():
        other = threading.Thread(target=use, args=(partial(order.append, "other"),))
        other.start()
        other.join(LIMIT_SECONDS)
        order.append("first")
    assert ["other", "first"] == order


def test_a_store_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A file in its place, or above it, for example."""
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="it is not a directory"):
        Store(tmp_path / "file")
    with (
        pytest.raises(PrefixError, match="cannot use the store"),
        Store(tmp_path / "file/store").in_use(),
    ):
        pytest.fail("there is no store")


OTHERS = 12_345

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@needs_root
@pytest.mark.parametrize("place", ["", "packages", "packages/aa", "package", "package/tree"])
def test_what_another_user_planted_is_refused_by_his_name(tmp_path: Path, place: str) -> None:
    """Whatever is in it, under the right digest or not."""
    store = filled(tmp_path)
    with tarball(tmp_path) as opened:
        package = package_in(opened, "tool")
    path = stored(store, package)
    places = {"packages/aa": path.parent, "package": path, "package/tree": path / "tree"}
    planted = places.get(place, store.directory / place)
    os.chown(planted, OTHERS, OTHERS)
    with pytest.raises(PrefixError, match=f"it belongs to user {OTHERS}"), store.in_use():
        store.holds(package)


@pytest.mark.parametrize("mode", [0o777, 0o775])
@pytest.mark.parametrize("place", ["", "frame"])
def test_what_others_may_write_to_is_refused(tmp_path: Path, place: str, mode: int) -> None:
    """Nobody can tell what they put there."""
    store = filled(tmp_path)
    with tarball(tmp_path) as opened:
        package = package_in(opened, "tool")
    (stored(store, package) if place else store.directory).chmod(mode)
    with pytest.raises(PrefixError, match="may write to it"), store.in_use():
        store.holds(package)


@needs_root
def test_a_file_of_another_user_is_replaced(tmp_path: Path) -> None:
    """He could write into it at any time."""
    store = filled(tmp_path)
    with tarball(tmp_path) as opened:
        package = package_in(opened, "tool")
        os.chown(stored(store, package) / "tree/bin/tool", OTHERS, OTHERS)
        assert not store.holds(package)
        add(store, opened, "tool")
        assert store.holds(package)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_modes_do_not_depend_on_the_umask(tmp_path: Path, umask: int) -> None:
    """Neither may others write to a store, nor are they kept from reading it."""
    store = Store(tmp_path / "store")
    with tarball(tmp_path) as opened:
        before = os.umask(umask)
        try:
            add(store, opened)
        finally:
            os.umask(before)
    assert {0o755} == {
        path.stat().st_mode & 0o7777
        for path in (store.directory, *store.directory.glob("packages/**/*"))
        if path.is_dir() and not path.is_symlink()
    }


def test_frames_are_on_disk_before_they_get_their_names(tmp_path: Path) -> None:
    """After one call for all of them; none where nothing was extracted."""
    store = Store(tmp_path / "store")
    seen = []
    with tarball(tmp_path) as opened:
        for _ in range(2):
            with store.in_use():
                packages = opened.contents().packages
                store.add(opened, packages, 1, lambda _path: seen.append(lists_in(store)))
    assert ([set()], digests(tmp_path, "1")) == (seen, lists_in(store))


def test_frames_that_came_before_an_error_are_kept(tmp_path: Path) -> None:
    """The next attempt need not extract them again."""
    store = Store(tmp_path / "store")
    with tarball(tmp_path) as opened:
        base, tool, *_ = opened.contents().packages
        start = tool.slices[0].frame.offset

        def read(offset: int, length: int) -> bytes:
            return b"x" * length if offset >= start else opened.exactly(offset, length)

        with pytest.raises(IntegrityError), store.in_use():
            store.add(replace(opened, read=read), [base, tool], 1, no_sync)
        assert [True, False] == [store.holds(item) for item in (base, tool)]


def test_a_lock_that_somebody_planted_is_not_followed(tmp_path: Path) -> None:
    """Whatever it leads to keeps its content."""
    (tmp_path / "victim").write_text("content")
    (tmp_path / "store").mkdir()
    (tmp_path / "store/.lock").symlink_to(tmp_path / "victim")
    with (
        pytest.raises(PrefixError, match="cannot use the store"),
        Store(tmp_path / "store").in_use(),
    ):
        pass
    assert "content" == (tmp_path / "victim").read_text()
