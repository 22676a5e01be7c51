"""The store of a node."""

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from lading.errors import IntegrityError, PrefixError
from lading.format.contents import PackageContents
from lading.format.opening import open_tarball
from lading.format.relocation import STATE_PATH
from lading.format.tarball import TarballSource
from lading.node.staging import staged_prefix
from lading.node.store import Changed, Collected, Store
from lading.node.store_roots import PENDING_SECONDS
from lading.system.beneath import Beneath
from lading.system.digest import sha256_of
from lading.system.filesystem import no_sync
from lading.system.temporary import temporary_directory
from simulators.command import listing
from simulators.handmade import snapshot
from simulators.versions import PLACEHOLDER, leftovers, small_disk, verified, versioned_tarball

LIMIT_SECONDS = 30
NOBODY = 65534


@contextmanager
def tarball(root: Path, version: str = "1") -> Iterator[TarballSource]:
    """A version of the small environment, open."""
    with open_tarball(versioned_tarball(root / "tarballs", version).plan.tarball) as opened:
        yield opened


def package_in(opened: TarballSource, name: str) -> PackageContents:
    """One package."""
    return next(item for item in opened.contents().packages if item.package.name == name)


def add(store: Store, opened: TarballSource, *names: str) -> None:
    """Put packages into a store; all if none is named."""
    packages = opened.contents().packages
    chosen = [item for item in packages if not names or item.package.name in names]
    with store.in_use():
        store.add(opened, chosen, 1, no_sync)


def filled(root: Path, version: str = "1", prefix: Path | None = None) -> Store:
    """A store with all packages of a version, and the prefix that is named, registered."""
    store = Store(root / "store")
    with tarball(root, version) as opened:
        add(store, opened)
        if prefix is not None:
            contents = opened.contents()
            with staged_prefix(contents, prefix, sync=no_sync) as place, Beneath(place) as below:
                for package in contents.packages:
                    store.link(package, package.files, below, os.fsencode(prefix))
            store.records.register(prefix, opened.bill.document)
    return store


def lists_in(store: Store) -> set[str]:
    """The digests of the lists of the packages in a store."""
    return {path.name for path in store.directory.glob("packages/*/*")}


def digests(root: Path, *versions: str) -> set[str]:
    """The digests of all lists of some versions."""
    return {
        package.listed.sha256
        for version in versions
        for package in versioned_tarball(root / "tarballs", version).manifest.packages
    }


def stored(store: Store, package: PackageContents) -> Path:
    """Where a package lies."""
    digest = package.package.listed.sha256
    return store.directory / "packages" / digest[:2] / digest


def test_an_added_package_is_held(tmp_path: Path) -> None:
    """Before it is not."""
    store = Store(tmp_path)
    with tarball(tmp_path) as opened:
        package = package_in(opened, "tool")
        before = store.holds(package)
        add(store, opened, "tool")
        assert (False, True) == (before, store.holds(package))


def test_a_frame_is_kept_as_it_is_shipped(tmp_path: Path) -> None:
    """The placeholder stays, for prefixes at any place."""
    store = Store(tmp_path)
    with tarball(tmp_path) as opened:
        add(store, opened, "tool")
        script = (stored(store, package_in(opened, "tool")) / "tree/bin/tool").read_text()
    assert f"#!/bin/sh\necho {PLACEHOLDER}/share 1\n" == script


def test_a_frame_that_is_there_is_left_alone(tmp_path: Path) -> None:
    """Its files stay the same files: they are linked elsewhere."""
    store = Store(tmp_path)
    with tarball(tmp_path) as opened:
        add(store, opened, "tool")
        file = stored(store, package_in(opened, "tool")) / "tree/bin/tool"
        before = file.stat().st_ino
        add(store, opened, "tool")
        assert before == file.stat().st_ino


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


def test_linked_files_are_those_of_the_store(tmp_path: Path) -> None:
    """A prefix costs no room for what needs no relocation."""
    prefix = tmp_path / "prefix"
    store = filled(tmp_path, prefix=prefix)
    inodes = {path.stat().st_ino for path in store.directory.rglob("*") if path.is_file()}
    shared = {
        name: (prefix / name).stat().st_ino in inodes
        for name in ("share/base/data", "share/tool/version", "bin/tool", "lib/libbase.so.1")
    }
    assert {
        "share/base/data": True,
        "share/tool/version": True,
        "bin/tool": False,
        "lib/libbase.so.1": False,
    } == shared


def test_a_linked_prefix_verifies(tmp_path: Path) -> None:
    """It is what unpacking makes."""
    filled(tmp_path, prefix=tmp_path / "prefix")
    assert () == tuple(verified(tmp_path / "prefix"))


@pytest.mark.parametrize("path", ["bin/tool", "lib/libbase.so.1", "share/base/data", "var/empty"])
def test_linked_members_have_their_time(tmp_path: Path, path: str) -> None:
    """Relocated, linked or a directory."""
    filled(tmp_path, prefix=tmp_path / "prefix")
    assert 1_700_000_000 == (tmp_path / "prefix" / path).stat().st_mtime


def test_relocated_files_have_their_mode(tmp_path: Path) -> None:
    """They are written anew, under any umask."""
    before = os.umask(0o077)
    try:
        filled(tmp_path, prefix=tmp_path / "prefix")
    finally:
        os.umask(before)
    assert 0o755 == (tmp_path / "prefix/bin/tool").stat().st_mode & 0o7777


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
        for item in package.files:
            (root / item.path).parent.mkdir(parents=True, exist_ok=True)
        with Beneath(root) as place, pytest.raises(FileNotFoundError):
            store.link(package, package.files, place, b"/opt/a")


def test_what_a_prefix_needs_is_kept(tmp_path: Path) -> None:
    """A collection takes nothing from a registered prefix that is there."""
    store = filled(tmp_path, prefix=tmp_path / "prefix")
    assert (Collected(packages=0, size=0), digests(tmp_path, "1")) == (
        store.collect(),
        lists_in(store),
    )


def test_what_no_prefix_needs_is_removed(tmp_path: Path) -> None:
    """Of two versions, the one without prefix loses the frames that are its own."""
    filled(tmp_path, "1")
    store = filled(tmp_path, "2", prefix=tmp_path / "prefix")
    store.collect()
    assert digests(tmp_path, "2") == lists_in(store)


def test_a_collection_says_what_it_took(tmp_path: Path) -> None:
    """Frames, and the bytes of their files."""
    store = filled(tmp_path)
    files = [path for path in store.directory.rglob("packages/*/*/**/*") if path.is_file()]
    expected = sum(path.lstat().st_size for path in files)
    assert Collected(packages=4, size=expected) == store.collect()


def test_a_removed_prefix_is_forgotten(tmp_path: Path) -> None:
    """A prefix that was deleted by hand needs nothing, neither frames nor bill nor entry."""
    store = filled(tmp_path, prefix=tmp_path / "prefix")
    shutil.rmtree(tmp_path / "prefix")
    store.collect()
    assert [] == [path for path in store.directory.rglob("*") if path.suffix == ".json"]


def test_a_prefix_with_another_bill_is_forgotten(tmp_path: Path) -> None:
    """Something else lies in its place by now."""
    store = filled(tmp_path, "1", prefix=tmp_path / "prefix")
    shutil.rmtree(tmp_path / "prefix")
    with (
        tarball(tmp_path, "2") as opened,
        staged_prefix(opened.contents(), tmp_path / "prefix", sync=no_sync),
    ):
        pass
    store.collect()
    assert set() == lists_in(store)


@pytest.mark.parametrize("name", ["roots", "manifests"])
def test_a_damaged_record_is_no_end(tmp_path: Path, name: str) -> None:
    """What cannot be read is forgotten: prefixes hold their files themselves."""
    store = filled(tmp_path, prefix=tmp_path / "prefix")
    [path] = (store.directory / name).glob("*.json")
    path.write_bytes(b"{")
    store.collect()
    assert (set(), ()) == (lists_in(store), tuple(verified(tmp_path / "prefix")))


def test_a_damaged_prefix_is_no_end(tmp_path: Path) -> None:
    """A prefix whose state cannot be read is forgotten."""
    store = filled(tmp_path, prefix=tmp_path / "prefix")
    (tmp_path / "prefix" / STATE_PATH).write_bytes(b"{")
    assert 4 == store.collect().packages


def test_prefixes_survive_the_collection_of_their_frames(tmp_path: Path) -> None:
    """They hold their files themselves."""
    store = filled(tmp_path, prefix=tmp_path / "prefix")
    shutil.rmtree(store.directory)
    assert () == tuple(verified(tmp_path / "prefix"))


def test_what_killed_processes_left_is_removed(tmp_path: Path) -> None:
    """Frames and records that never got a name."""
    store = filled(tmp_path, prefix=tmp_path / "prefix")
    (store.directory / ".frame.lading-abcdefgh/content").mkdir(parents=True)
    (store.directory / ".frame.lading-abcdefgh/content/file").touch()
    (store.directory / "roots/.a.json.lading-abcdefgh").touch()
    (store.directory / "manifests/.a.json.lading-abcdefgh").touch()
    store.collect()
    assert [] == leftovers(store.directory)


def test_what_killed_processes_left_goes_before_the_store_is_used(tmp_path: Path) -> None:
    """What another process is still extracting stays."""
    store = filled(tmp_path)
    left = store.directory / ".frame.lading-abcdefgh/content"
    left.mkdir(parents=True)
    with temporary_directory(store.directory, "frame") as working, store.in_use():
        assert (False, True) == (left.exists(), working.exists())


def expected(root: Path, age: float) -> Store:
    """A store with fetched frames that wait for their prefix since `age` seconds."""
    store = filled(root)
    with tarball(root) as opened:
        store.records.expect(opened.bill.document)
    [note] = (store.directory / "pending").iterdir()
    then = note.stat().st_mtime - age
    os.utime(note, (then, then))
    return store


@pytest.mark.parametrize(("age", "frames"), [(PENDING_SECONDS - 60, 4), (PENDING_SECONDS + 60, 0)])
def test_expected_frames_are_kept_for_a_week(tmp_path: Path, age: int, frames: int) -> None:
    """Then nobody comes any more, and note and bill go too."""
    store = expected(tmp_path, age)
    store.collect()
    notes = [*store.directory.glob("pending/*"), *store.directory.glob("manifests/*")]
    assert (frames, bool(frames)) == (len(lists_in(store)), bool(notes))


def test_expecting_again_begins_anew(tmp_path: Path) -> None:
    """Who fetches twice waits twice."""
    store = expected(tmp_path, PENDING_SECONDS + 60)
    with tarball(tmp_path) as opened:
        store.records.expect(opened.bill.document)
    assert 0 == store.collect().packages


def test_a_prefix_that_came_is_no_longer_expected(tmp_path: Path) -> None:
    """When it goes, its frames go."""
    expected(tmp_path, 0)
    store = filled(tmp_path, prefix=tmp_path / "prefix")
    shutil.rmtree(tmp_path / "prefix")
    assert 4 == store.collect().packages


def test_a_bill_that_was_changed_is_forgotten(tmp_path: Path) -> None:
    """It may keep what nobody needs, and not what somebody does."""
    store = filled(tmp_path, prefix=tmp_path / "prefix")
    [bill] = (store.directory / "manifests").iterdir()
    bill.write_bytes(bill.read_bytes().replace(b"linux-64", b"linux-65"))
    assert 4 == store.collect().packages


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


def change_unseen(path: Path) -> None:
    """Change a file and set its time back."""
    status = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_check_finds_what_was_changed_unseen(tmp_path: Path) -> None:
    """Through a link in a prefix; the frame goes, the others stay."""
    store = filled(tmp_path, prefix=tmp_path / "prefix")
    change_unseen(tmp_path / "prefix/share/base/data")
    before = len(lists_in(store))
    found = store.check(2)
    assert ((Changed(package="base", path="share/base/data"),), before - 1, []) == (
        found,
        len(lists_in(store)),
        leftovers(store.directory),
    )


def test_a_check_of_a_store_that_is_whole_removes_nothing(tmp_path: Path) -> None:
    """Nor does one of a store without bills."""
    store = filled(tmp_path, prefix=tmp_path / "prefix")
    assert ((), (), digests(tmp_path, "1")) == (
        store.check(1),
        Store(tmp_path / "other").check(1),
        lists_in(store),
    )


def test_a_collection_that_was_killed_is_finished(tmp_path: Path) -> None:
    """A frame that had lost its name came back since: both go."""
    store = filled(tmp_path)
    for digest in lists_in(store):
        (store.directory / f".{digest}.lading-abcdefgh/half").mkdir(parents=True)
    store.collect()
    assert (set(), []) == (lists_in(store), leftovers(store.directory))


def test_a_collection_waits_for_those_who_use_the_store(tmp_path: Path) -> None:
    """Frames that are there when an unpack looks are there when it links."""
    store = filled(tmp_path)
    order: list[str] = []
    collector = threading.Thread(target=store.collect, args=(partial(order.append, "collected"),))
    with store.in_use():
        collector.start()
        # Without a lock it would be done by then; with one, time changes nothing.
        collector.join(0.3)
        order.append("used")
    collector.join(LIMIT_SECONDS)
    assert ["used", "collected"] == order


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


def test_a_bill_is_kept_under_its_digest(tmp_path: Path) -> None:
    """It says which frames the prefix needs."""
    store = filled(tmp_path, prefix=tmp_path / "prefix")
    [bill] = (store.directory / "manifests").iterdir()
    assert f"{sha256_of(bill.read_bytes()).hex}.json" == bill.name


def test_registering_again_changes_nothing(tmp_path: Path) -> None:
    """A prefix has one entry."""
    filled(tmp_path, prefix=tmp_path / "prefix")
    store = Store(tmp_path / "store")
    before = listing(store.directory)
    with tarball(tmp_path) as opened:
        store.records.register(tmp_path / "prefix", opened.bill.document)
    assert before == listing(store.directory)


def test_a_store_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A file in its place, for example."""
    (tmp_path / "store").touch()
    with (
        pytest.raises(PrefixError, match="it is not a directory"),
        Store(tmp_path / "store").in_use(),
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


def test_a_pipe_among_the_records_is_not_waited_for(tmp_path: Path) -> None:
    """A collection ends, with an error of the store."""
    store = filled(tmp_path, prefix=tmp_path / "prefix")
    [root] = store.directory.glob("roots/*")
    root.unlink()
    os.mkfifo(root)
    with pytest.raises(PrefixError, match="Not a regular file"):
        store.collect()


def test_a_prefix_that_cannot_be_looked_at_counts_as_living(tmp_path: Path) -> None:
    """It may lie behind a directory of another user; here its state is a link to itself."""
    store = filled(tmp_path, prefix=tmp_path / "prefix")
    state = tmp_path / "prefix/conda-meta/lading/state.json"
    state.unlink()
    state.symlink_to(state.name)
    store.collect()
    assert digests(tmp_path, "1") == lists_in(store)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_a_prefix_of_another_user_counts_as_living(tmp_path: Path) -> None:
    """It lies behind a directory of mode 0700 of another one than the one who collects."""
    # What pytest makes is private, and the other user must reach the store.
    with tempfile.TemporaryDirectory(prefix="shared-") as shared:
        Path(shared).chmod(0o755)
        private = Path(shared, "private")
        private.mkdir(mode=0o700)
        store = filled(Path(shared), prefix=private / "prefix")
        for path in (store.directory, *store.directory.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        assert (0, digests(tmp_path, "1")) == (collected_by_nobody(store), lists_in(store))
        shutil.rmtree(private)
        assert (len(digests(tmp_path, "1")), set()) == (collected_by_nobody(store), lists_in(store))


def collected_by_nobody(store: Store) -> int:
    """How many packages a process of another user collects from its store."""
    child = os.fork()
    if child == 0:
        code = 100
        with suppress(BaseException):
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            code = store.collect().packages
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
