"""Layers: made whole or not at all, kept while they are used, and checked."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lading.errors import PrefixTooLongError
from lading.format.opening import open_tarball
from lading.node.host import in_child
from lading.node.store import Store
from lading.node.store_layers import KEPT_SECONDS, Layer, StoreLayers
from lading.node.stored_environment import StoredEnvironment
from lading.system.filesystem import no_sync
from simulators.handmade import file, payload
from simulators.stores import lists_in, tarball
from simulators.versions import leftovers, pack_payloads

PREFIX = "/opt/lading/sample"


@contextmanager
def environment(
    root: Path, prefix: str = PREFIX, version: str = "1"
) -> Iterator[StoredEnvironment]:
    """A version of the small environment, through the store below `root`."""
    with tarball(root, version) as opened:
        store = Store(root / "store")
        yield StoredEnvironment(
            source=opened, store=store, prefix=Path(prefix), workers=2, sync=no_sync
        )


def made(root: Path, prefix: str = PREFIX) -> Path:
    """The tree of a layer, made by a process that has ended: while it lives it holds the layer."""
    with environment(root, prefix) as given:
        given.supply()
        return Path(in_child(lambda: str(given.layers()[0])))


def test_it_holds_what_names_the_prefix_and_what_no_package_has(tmp_path: Path) -> None:
    """Relocated files, lists, bill and state; nothing else."""
    tree = made(tmp_path)
    names = {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()}
    records = {"manifest.json", "state.json", "files/environment.json"}
    records |= {f"files/conda/{name}.json" for name in ("base", "tool", "zother")}
    expected = {"bin/tool", "lib/libbase.so.1"} | {f"conda-meta/lading/{name}" for name in records}
    assert (expected, f"#!/bin/sh\necho {PREFIX}/share 1\n") == (
        names,
        (tree / "bin/tool").read_text(),
    )


def test_it_is_made_once_for_a_prefix(tmp_path: Path) -> None:
    """Another prefix has a layer of its own; the packages are shared."""
    one, again, other = made(tmp_path), made(tmp_path), made(tmp_path, "/other")
    records = list((tmp_path / "store/layers").iterdir())
    assert (one, 4 + 2, 2) == (again, len(lists_in(Store(tmp_path / "store"))), len(records))
    assert one != other


def test_packages_without_files_are_one_layer(tmp_path: Path) -> None:
    """Their lists are the same, and the kernel takes no directory twice."""
    payloads = (payload(name="one"), payload(name="two"), payload(file("share/x", b"x")))
    packed = pack_payloads(tmp_path / "dist", payloads)
    with open_tarball(packed.plan.tarball) as opened:
        given = StoredEnvironment(
            source=opened, store=Store(tmp_path / "store"), prefix=Path(PREFIX), workers=1
        )
        given.supply()
        names = in_child(lambda: "\n".join(map(str, given.layers()))).split()
    assert (4, 4) == (len(names), len(set(names)))


def test_an_interruption_leaves_no_part_of_it(tmp_path: Path) -> None:
    """Killed before it is on disk: no layer, and what is left is removed by the next one."""

    def die(_place: Path) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with environment(tmp_path) as given:
        given.supply()
        before = lists_in(given.store)
        child = os.fork()
        if child == 0:
            StoredEnvironment(
                source=given.source, store=given.store, prefix=given.prefix, workers=1, sync=die
            ).layers()
            os._exit(0)
        _, status = os.waitpid(child, 0)
    layers = list((tmp_path / "store/layers").iterdir())
    left = leftovers(tmp_path / "store")
    assert (signal.SIGKILL, [], before, 1) == (
        os.WTERMSIG(status),
        layers,
        lists_in(given.store),
        len(left),
    )
    made(tmp_path)
    assert [] == leftovers(tmp_path / "store")


def test_a_prefix_that_is_too_long(tmp_path: Path) -> None:
    """It is refused before anything is brought in."""
    with environment(tmp_path, "/" + "x" * 300) as given, pytest.raises(PrefixTooLongError):
        given.supply()
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(("age", "kept"), [(KEPT_SECONDS - 60, True), (KEPT_SECONDS + 60, False)])
def test_it_is_kept_for_a_week(tmp_path: Path, age: int, *, kept: bool) -> None:
    """With the packages that it lies in front of."""
    made(tmp_path)
    [record] = (tmp_path / "store/layers").iterdir()
    os.utime(record, (time.time() - age,) * 2)
    store = Store(tmp_path / "store")
    store.collect()
    assert (5 if kept else 0, kept) == (len(lists_in(store)), record.exists())


def test_it_is_kept_while_somebody_holds_it(tmp_path: Path) -> None:
    """However long that is."""
    made(tmp_path)
    store = Store(tmp_path / "store")
    [record] = (tmp_path / "store/layers").iterdir()
    with environment(tmp_path) as given:
        held = given.hold()
    assert held is not None
    os.utime(record, (0, 0))
    store.collect()
    assert record.exists()
    os.close(held.descriptor)
    store.collect()
    assert not record.exists()


def test_a_check_finds_a_change_in_it(tmp_path: Path) -> None:
    """Even where its time was set back; it is removed, and made again."""
    path = made(tmp_path) / "bin/tool"
    before, text = path.stat(), path.read_text()
    path.write_text(text.replace("1", "2"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    store = Store(tmp_path / "store")
    assert [("", "bin/tool", True)] == [
        (item.package, item.path, item.removed) for item in store.check(1)
    ]
    assert text == (made(tmp_path) / "bin/tool").read_text()


def test_a_damaged_record_is_not_believed(tmp_path: Path) -> None:
    """It counts as none, and is written again."""
    made(tmp_path)
    [record] = (tmp_path / "store/layers").iterdir()
    for text in ("{", '{"prefix": "/elsewhere", "manifest": "", "listed": ""}'):
        record.write_text(text)
        with environment(tmp_path) as given:
            assert given.hold() is None
        assert made(tmp_path).is_dir()


def test_a_store_that_others_may_write_to(tmp_path: Path) -> None:
    """Its layers are not used."""
    made(tmp_path)
    (tmp_path / "store/layers").chmod(0o777)
    with environment(tmp_path) as given:
        assert given.hold() is None


def test_a_record_that_is_right_stays_the_same_file(tmp_path: Path) -> None:
    """Whoever locked it keeps what it stands for."""
    layer = Layer(prefix=PREFIX, manifest="0" * 64, listed="1" * 64)
    layers = StoreLayers(tmp_path)
    layers.keep(layer)
    [record] = (tmp_path / "layers").iterdir()
    before = record.stat().st_ino
    layers.keep(layer)
    assert before == record.stat().st_ino
