"""`lading gc`: what a store keeps, what it loses, and who waits for whom."""

import json
import os
import shutil
from pathlib import Path

from simulators.command import lading
from simulators.launcher import start_worker
from simulators.store_node import Node, digests
from simulators.versions import (
    leftovers,
    verified,
)

LIMIT_SECONDS = 60

COLLECTOR = """
import sys
from pathlib import Path
from lading.node.store import Store
from lading.system.filesystem import no_sync
store, done = Store(Path(sys.argv[1])), Path(sys.argv[2])
rounds = 0
print("ready", flush=True)
while not done.exists():
    store.collect()
    rounds += 1
print(rounds)
"""


def test_a_collection_keeps_what_prefixes_need(node: Node) -> None:
    """Two versions side by side; the new one alone; nothing, whoever deleted the prefix."""
    old, new = node.old.manifest, node.new.manifest
    node.unpack(node.new.plan.tarball)
    node.done("gc", "--store", node.store)
    assert digests(old) | digests(new) == node.packages()
    node.done("gc", "--store", node.store, node.name, "--keep", 0)
    assert (False, digests(new), ()) == (
        node.prefix(node.old).exists(),
        node.packages(),
        tuple(verified(node.name)),
    )
    shutil.rmtree(node.prefix(node.new))
    found = json.loads(lading(["--json", "gc", "--store", node.store], node.root).stdout)
    assert ("lading.gc/1", 4, True) == (found["schema"], found["packages"], found["size"] > 7000)
    assert set() == node.packages()


def test_a_collection_keeps_what_was_fetched(node: Node) -> None:
    """For the version to come: until it is unpacked, or for a week."""
    node.update(node.new.plan.tarball)
    node.done("gc", "--store", node.store, node.name, "--keep", 0)
    assert 0 == node.unpack(node.new.plan.manifest).code
    node.done("gc", "--store", node.store, node.name, "--keep", 0)
    assert (digests(node.new.manifest), []) == (
        node.packages(),
        list(node.store.glob("pending/*")),
    )


def test_collecting_all_the_time_takes_nothing_that_was_fetched(node: Node, tmp_path: Path) -> None:
    """Between the commands and in the middle of them: the bill is always enough afterwards."""
    done = tmp_path / "done"
    with start_worker(COLLECTOR, tmp_path, node.store, done) as collector:
        assert collector.stdout is not None
        assert collector.stdout.readline() == "ready\n"
        codes = []
        for packed in (node.new, node.old) * 4:
            shutil.rmtree(node.name.parent)
            node.name.parent.mkdir()
            bill, tarball = packed.plan.manifest, packed.plan.tarball
            fetch = ("fetch-frames", bill, bill, tarball, "--store", node.store)
            codes += [node.run(*fetch).code, node.unpack(bill).code]
        done.touch()
        rounds = int(collector.communicate(timeout=LIMIT_SECONDS)[0])
    assert ([0] * 16, True) == (codes, rounds > 8)


def test_a_collection_may_check_the_store(node: Node) -> None:
    """A file changed through a prefix, its time set back: exit code 1, then all is well again."""
    path = node.name / "share/other/data"
    status = path.stat()
    path.write_bytes(b"OTHER" * 2000)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    first = node.run("--json", "gc", "--store", node.store, "--verify")
    node.unpack(node.new.plan.tarball)
    second = node.run("gc", "--store", node.store, "--verify")
    found = {"package": "zother", "path": "share/other/data", "removed": True}
    assert (1, [found], 0, ()) == (
        first.code,
        json.loads(first.output.splitlines()[-1])["changed"],
        second.code,
        tuple(verified(node.name)),
    )


def test_a_collection_tidies_beside_the_names(node: Node) -> None:
    """What a killed process left of a version goes; what is not of the name stays."""
    left = node.prefix(node.new)
    for name in (f".{left.name}.lading-abcdefgh", f".x{left.name}.lading-abcdefgh"):
        (left.parent / name / "lib").mkdir(parents=True)
    node.done("gc", "--store", node.store, node.name)
    assert [f".x{left.name}.lading-abcdefgh"] == leftovers(left.parent)[:1]
