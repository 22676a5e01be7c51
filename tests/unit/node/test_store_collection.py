"""What a store keeps, for whom and how long; what is checked in it, and removed."""

import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from lading.errors import PrefixError
from lading.format.relocation import STATE_PATH
from lading.node.staging import staged_prefix
from lading.node.store import Changed, Collected, Store
from lading.node.store_layers import KEPT_SECONDS
from lading.system.digest import sha256_of
from lading.system.filesystem import no_sync
from lading.system.temporary import temporary_directory
from simulators.command import listing
from simulators.stores import digests, filled, lists_in, tarball
from simulators.versions import leftovers, verified

LIMIT_SECONDS = 30
NOBODY = 65534


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


def replace_prefix(root: Path) -> None:
    """Put another version where the prefix lay."""
    shutil.rmtree(root / "prefix")
    with (
        tarball(root, "2") as opened,
        staged_prefix(opened.contents(), root / "prefix", sync=no_sync),
    ):
        pass


def damage(path: Path) -> None:
    """Leave of a document its beginning."""
    path.write_bytes(path.read_bytes()[:1])


def edit(path: Path) -> None:
    """Let a bill name another platform."""
    path.write_bytes(path.read_bytes().replace(b"linux-64", b"linux-65"))


@pytest.mark.parametrize(
    "change",
    [
        replace_prefix,
        lambda root: damage(root / "prefix" / STATE_PATH),
        lambda root: damage(*root.glob("store/roots/*.json")),
        lambda root: damage(*root.glob("store/manifests/*.json")),
        lambda root: edit(*root.glob("store/manifests/*.json")),
    ],
    ids=["another bill", "no state", "no root", "no bill", "changed bill"],
)
def test_what_cannot_be_read_or_changed_is_forgotten(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    """Prefixes hold their files themselves."""
    store = filled(tmp_path, prefix=tmp_path / "prefix")
    change(tmp_path)
    assert (4, set()) == (store.collect().packages, lists_in(store))


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


@pytest.mark.parametrize(("age", "frames"), [(KEPT_SECONDS - 60, 4), (KEPT_SECONDS + 60, 0)])
def test_expected_frames_are_kept_for_a_week(tmp_path: Path, age: int, frames: int) -> None:
    """Then nobody comes any more, and note and bill go too."""
    store = expected(tmp_path, age)
    store.collect()
    notes = [*store.directory.glob("pending/*"), *store.directory.glob("manifests/*")]
    assert (frames, bool(frames)) == (len(lists_in(store)), bool(notes))


def test_expecting_again_begins_anew(tmp_path: Path) -> None:
    """Who fetches twice waits twice."""
    store = expected(tmp_path, KEPT_SECONDS + 60)
    with tarball(tmp_path) as opened:
        store.records.expect(opened.bill.document)
    assert 0 == store.collect().packages


def test_a_prefix_that_came_is_no_longer_expected(tmp_path: Path) -> None:
    """When it goes, its frames go."""
    expected(tmp_path, 0)
    store = filled(tmp_path, prefix=tmp_path / "prefix")
    shutil.rmtree(tmp_path / "prefix")
    assert 4 == store.collect().packages


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


def test_registering_again_changes_nothing(tmp_path: Path) -> None:
    """A prefix has one entry; its bill, which says what it needs, is kept under its digest."""
    store = filled(tmp_path, prefix=tmp_path / "prefix")
    [bill] = (store.directory / "manifests").iterdir()
    assert f"{sha256_of(bill.read_bytes()).hex}.json" == bill.name
    before = listing(store.directory)
    with tarball(tmp_path) as opened:
        store.records.register(tmp_path / "prefix", opened.bill.document)
    assert before == listing(store.directory)


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
