"""Environments from a store, mounted for real: as a user without any right, and as root."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.format.remote import TAIL_BYTES
from lading.node.store_layers import KEPT_SECONDS
from lading.pack.packer import Packed
from simulators.namespaces import forbid_user_namespaces
from simulators.rangeserver import serve_ranges
from simulators.users import Node, root_node, somebody
from simulators.versions import leftovers, versioned_tarball

SNAPSHOT = """
import hashlib, json, os, sys
found = {}
for top, directories, names in os.walk("."):
    for name in directories + names:
        path = os.path.join(top, name)
        mode = os.lstat(path).st_mode
        what = ""
        if os.path.islink(path):
            what = os.readlink(path)
        elif os.path.isfile(path):
            what = hashlib.sha256(open(path, "rb").read()).hexdigest()
        found[path] = [oct(mode), what]
json.dump(found, sys.stdout)
"""
MANY = 8


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Packed, Packed]:
    """Two versions of an environment."""
    root = tmp_path_factory.mktemp("tarballs")
    return versioned_tarball(root, "1"), versioned_tarball(root, "2")


class Stored:
    """A node with a store, and the tarballs of two versions."""

    def __init__(self, node: Node, packed: tuple[Packed, Packed]) -> None:
        """A node with an empty store."""
        self.node = node
        self.store = node.home / "store"
        self.tarballs = []
        self.bills = []
        for number, item in enumerate(packed):
            for kind, path in (("tar.zst", item.plan.tarball), ("json", item.plan.manifest)):
                place = node.home / f"{number}.{kind}"
                shutil.copyfile(path, place)
                (self.bills if kind == "json" else self.tarballs).append(place)

    def run(self, place: object, *argv: object, options: tuple[object, ...] = ()) -> str:
        """What a program wrote that ran in an environment."""
        words = ("run", "--store", self.store, *options, place, "--", *argv)
        outcome = self.node.run("-v", *words)
        assert 0 == outcome.code, outcome.stderr
        assert "by overlay" in outcome.stderr, outcome.stderr
        return outcome.stdout

    def tree(self, prefix: Path, *words: object) -> dict[str, list[str]]:
        """Path → mode, and content or target, of all that a program sees below `prefix`."""
        program = (self.node.python, "-c", SNAPSHOT)
        argv = ("env", "-C", prefix, *program)
        if words:
            found = self.run(*words, *argv, options=("--prefix", prefix))
        else:
            found = subprocess.run(
                [*map(str, argv)], capture_output=True, text=True, check=True
            ).stdout
        result = json.loads(found)
        assert isinstance(result, dict)
        return result

    def members(self, pattern: str) -> list[Path]:
        """Files of the store, whichever package has them."""
        return sorted(self.store.glob(f"packages/*/*/tree/{pattern}"))

    def make_old(self) -> None:
        """Let everything be last used more than a week ago."""
        for path in self.store.glob("*/*"):
            old = path.stat().st_mtime - KEPT_SECONDS - 60
            os.utime(path, (old, old))


def prepared(node: Node, packed: tuple[Packed, Packed]) -> Stored:
    """The node; the test is skipped where overlays are forbidden, with what the kernel says."""
    stored = Stored(node, packed)
    words = ("run", "--how", "overlay", "--store", node.home / "probe", stored.tarballs[0])
    outcome = node.run(*words, "--", "true")
    if outcome.code != 0:
        pytest.skip(f"overlays are not possible here: {outcome.stderr}")
    assert node.is_tidy()
    return stored


@pytest.fixture
def nobody(tmp_path: Path, packed: tuple[Packed, Packed]) -> Iterator[Stored]:
    """A node as a user without any right sees it; `/dev/fuse` is closed."""
    for node in somebody(tmp_path, fuse=False):
        yield prepared(node, packed)


@pytest.fixture
def root(tmp_path: Path, packed: tuple[Packed, Packed]) -> Stored:
    """The same as root sees it."""
    return prepared(root_node(tmp_path), packed)


def test_the_tree_is_what_unpacking_makes(nobody: Stored) -> None:
    """Names, modes, links and contents; the program is the same user, and nothing is left."""
    prefix = nobody.node.home / "env"
    assert 0 == nobody.node.run("unpack", nobody.tarballs[0], prefix).code
    expected = nobody.tree(prefix)
    prefix.rename(nobody.node.home / "aside")
    assert expected == nobody.tree(prefix, nobody.tarballs[0])
    found = nobody.run(
        nobody.tarballs[0], "sh", "-c", 'id -u; tool; touch "$CONDA_PREFIX/x" || true'
    )
    assert ["65534", "/opt/lading/sample/share", "1"] == found.split()
    assert (True, False) == (nobody.node.is_tidy(), prefix.exists())


def test_the_second_run_makes_nothing(nobody: Stored) -> None:
    """No file, no link, and not even the lock of the store; a bill is enough then."""
    nobody.run(nobody.tarballs[0], "tool")
    before = {path: path.lstat().st_ctime_ns for path in nobody.store.rglob("*")}
    assert "/opt/lading/sample/share 1\n" == nobody.run(nobody.bills[0], "tool")
    after = {path: path.lstat().st_ctime_ns for path in nobody.store.rglob("*")}
    changed = [path.parent.name for path in after if before.get(path) != after[path]]
    assert (["layers"], before.keys()) == (changed, after.keys())


def test_the_next_version_brings_what_changed(nobody: Stored) -> None:
    """Of a URL only the packages that the store lacks are read, each once."""
    nobody.run(nobody.tarballs[0], "true")
    before = len(nobody.members("share/*/data"))
    with serve_ranges({"/new.tar.zst": nobody.tarballs[1].read_bytes()}) as server:
        url = f"{server.url}/new.tar.zst"
        assert "/opt/lading/sample/share 2\n" == nobody.run(url, "tool")
        sent = server.sent
        assert "/opt/lading/sample/share 2\n" == nobody.run(url, "tool")
        assert server.sent - sent <= min(TAIL_BYTES, nobody.tarballs[1].stat().st_size)
    assert before == len(nobody.members("share/*/data"))


@pytest.mark.parametrize("what", ["file", "link", "unlisted", "layer", "lost"])
def test_what_was_changed_in_the_store_is_replaced(nobody: Stored, what: str) -> None:
    """Before anything is mounted; other tasks of the node see the same."""
    prefix = nobody.node.home / "env"
    expected = nobody.tree(prefix, nobody.tarballs[0])
    assert nobody.node.is_tidy()
    match what:
        case "file":
            nobody.members("share/base/data")[0].write_bytes(b"changed")
        case "link":
            [link] = nobody.members("lib/libbase.so")
            link.unlink()
            link.symlink_to("elsewhere")
        case "unlisted":
            (nobody.members("share/base")[0] / "more").touch()
        case "layer":
            nobody.members("conda-meta/lading/state.json")[0].write_text("{}")
        case _:
            shutil.rmtree(nobody.members("conda-meta/lading/state.json")[0].parents[3])
    assert expected == nobody.tree(prefix, nobody.tarballs[0])


def test_a_change_that_a_bill_cannot_undo_is_told(nobody: Stored) -> None:
    """The program does not run."""
    nobody.run(nobody.tarballs[0], "true")
    assert nobody.node.is_tidy()
    nobody.members("share/base/data")[0].write_bytes(b"changed")
    words = ("run", "--store", nobody.store, nobody.bills[0], "--", "tool")
    outcome = nobody.node.run(*words)
    assert (7, "", True) == (outcome.code, outcome.stdout, outcome.is_plain_error)


def test_many_at_once(nobody: Stored) -> None:
    """One of them fills the store and makes the layer; all run."""
    words = ("run", "--store", nobody.store, nobody.tarballs[0], "--", "tool")
    children = [nobody.node.start(*words) for _ in range(MANY)]
    assert {"/opt/lading/sample/share 1\n"} == {
        child.communicate(timeout=60)[0] for child in children
    }
    layers = nobody.members("conda-meta/lading/state.json")
    assert (1, [], True) == (len(layers), leftovers(nobody.store), nobody.node.is_tidy())


def test_what_is_used_is_not_collected(nobody: Stored) -> None:
    """Neither while a program runs, nor in the week after it; later it is."""
    words = ("run", "--store", nobody.store, nobody.tarballs[0], "--")
    child = nobody.node.start(*words, "sh", "-c", "tool; read x; tool")
    assert child.stdout is not None
    child.stdout.readline()
    nobody.make_old()
    gc = ("gc", "--store", nobody.store)
    assert 0 == nobody.node.run(*gc, "--verify").code
    [damaged] = nobody.members("share/base/data")
    damaged.write_bytes(b"changed")
    outcome = nobody.node.run(*gc, "--verify")
    assert (1, True) == (outcome.code, "as it is mounted" in outcome.stderr)
    assert "/opt/lading/sample/share 1\n" == child.communicate("\n", timeout=60)[0]
    assert nobody.node.is_tidy()
    nobody.run(nobody.tarballs[0], "true")
    assert nobody.node.is_tidy()
    assert 0 == nobody.node.run(*gc).code
    assert nobody.members("bin/tool")
    nobody.make_old()
    assert 0 == nobody.node.run(*gc).code
    assert ([], []) == (nobody.members("*"), list(nobody.store.glob("layers/*")))


def test_a_mount_for_people(root: Stored) -> None:
    """Root mounts it anywhere; the store keeps it until it is unmounted."""
    place = root.node.home / "place"
    words = ("mount", "--store", root.store, root.tarballs[0], place)
    first, second = root.node.run(*words), root.node.run(*words)
    try:
        root.make_old()
        collected = root.node.run("gc", "--store", root.store)
        tool = subprocess.run([place / "bin/tool"], capture_output=True, text=True, check=True)
        verified = root.node.run("verify", place)
    finally:
        unmounted = root.node.run("umount", place)
    assert (0, True, 0, True) == (
        first.code,
        "by overlay" in first.stderr,
        second.code,
        "already" in second.stderr,
    )
    assert (0, f"{place}/share 1\n", 0, 0, False) == (
        collected.code,
        tool.stdout,
        verified.code,
        unmounted.code,
        place.exists(),
    )
    assert 0 == root.node.run("gc", "--store", root.store).code
    assert [] == root.members("*")


def test_only_root_mounts_for_people(nobody: Stored) -> None:
    """Others see nothing of what a user mounts in a namespace."""
    words = ("mount", "--store", nobody.store, nobody.tarballs[0], nobody.node.home / "place")
    outcome = nobody.node.run(*words)
    assert (8, True) == (outcome.code, "only root may mount what others see" in outcome.stderr)


@pytest.mark.parametrize("option", ["--how=kernel", "--sha256=0", "--prefix=/"])
def test_what_does_not_fit_a_tarball(nobody: Stored, option: str) -> None:
    """It is wrong usage, of one line."""
    words = ("run", "--store", nobody.store, option, nobody.tarballs[0], "--", "true")
    outcome = nobody.node.run(*words)
    assert (2, True) == (outcome.code, outcome.is_plain_error)


def test_where_overlays_are_forbidden(nobody: Stored) -> None:
    """It is linked to a place of its own; -v and preflight say why."""
    prepare = nobody.node.preparation

    def forbidden() -> None:
        if prepare is not None:
            prepare()
        forbid_user_namespaces()

    node = Node(nobody.node.home, nobody.node.python, forbidden)
    outcome = node.run("-v", "run", "--store", nobody.store, nobody.tarballs[0], "--", "tool")
    asked = node.run("preflight", "--store", nobody.store, nobody.tarballs[0])
    assert (0, True) == (outcome.code, outcome.stdout.endswith("sample/share 1\n")), outcome.stderr
    assert "by unpack not by overlay: unshare: No space left on device" in outcome.stderr
    assert "not by overlay: unshare: No space left on device" in asked.stdout
    assert node.is_tidy()
