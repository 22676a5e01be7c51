"""`lading gc`: what a store keeps, what it loses, and who waits for whom."""

import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from lading.format.opening import open_tarball
from lading.node.deploy import apply_deploy, plan_deploy
from lading.node.generations import Generations
from lading.node.store import Store
from lading.system.filesystem import no_sync
from simulators.command import lading, start as start_lading
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
    """With two versions side by side, everything."""
    node.unpack(node.new.plan.tarball)
    node.done("gc", "--store", node.store)
    assert digests(node.old.manifest) | digests(node.new.manifest) == node.packages()


def test_a_collection_removes_old_versions(node: Node) -> None:
    """Those of the names that it is given, and the frames that were theirs alone."""
    node.unpack(node.new.plan.tarball)
    node.done("gc", "--store", node.store, node.name, "--keep", 0)
    assert (False, digests(node.new.manifest), ()) == (
        node.prefix(node.old).exists(),
        node.packages(),
        tuple(verified(node.name)),
    )


def test_a_collection_forgets_prefixes_that_are_gone(node: Node) -> None:
    """Whoever deleted them."""
    shutil.rmtree(node.prefix(node.old))
    node.done("gc", "--store", node.store)
    assert set() == node.packages()


def test_a_collection_is_told_to_programs(node: Node) -> None:
    """As JSON on standard output."""
    shutil.rmtree(node.prefix(node.old))
    outcome = lading(["--json", "gc", "--store", node.store], node.root)
    found = json.loads(outcome.stdout)
    assert ("lading.gc/1", 4, True) == (found["schema"], found["packages"], found["size"] > 7000)


def waiters(lock: Path) -> list[str]:
    """The processes that hold the lock of a store or, after `->`, wait for it."""
    inode = f":{lock.stat().st_ino} "
    lines = Path("/proc/locks").read_text("utf-8").splitlines()
    return ["waits" if "->" in line else "holds" for line in lines if inode in line]


def wait_until(condition: Callable[[], bool]) -> None:
    """Return when `condition` holds; fail where it never does."""
    end = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


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


def test_a_collection_waits_for_an_unpack(node: Node) -> None:
    """Nothing of a frame has come when the collector begins; it takes nothing away."""
    lock = node.store / ".lock"
    arrived = threading.Event()
    with open_tarball(node.new.plan.tarball) as opened:

        def read(offset: int, length: int) -> bytes:
            assert arrived.wait(LIMIT_SECONDS)
            return opened.exactly(offset, length)

        plan = plan_deploy(opened, Store(node.store), Generations(node.name), 1, no_sync)
        slow = replace(plan, source=replace(opened, read=read))
        unpack = threading.Thread(target=apply_deploy, args=(slow,))
        unpack.start()
        wait_until(lambda: waiters(lock) == ["holds"])
        with start_lading(["gc", "--store", node.store], node.root) as collector:
            wait_until(lambda: sorted(waiters(lock)) == ["holds", "waits"])
            arrived.set()
            code = collector.wait(LIMIT_SECONDS)
        unpack.join(LIMIT_SECONDS)
    everything = digests(node.old.manifest) | digests(node.new.manifest)
    assert (0, everything, ()) == (code, node.packages(), tuple(verified(node.name)))
