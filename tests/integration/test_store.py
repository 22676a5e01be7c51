"""The update of a node: frames fetched, linked and switched, rolled back and collected."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lading.format.compression import Format
from lading.format.manifest import Manifest, ManifestPackage
from lading.format.opening import open_tarball
from lading.format.remote import TAIL_BYTES
from lading.node.deploy import apply_deploy, plan_deploy
from lading.node.generations import Generations
from lading.node.store import Store
from lading.pack.packer import Packed
from lading.system.filesystem import no_sync
from simulators.command import Outcome, lading, listing, start as start_lading
from simulators.launcher import Launcher, Run, start_worker
from simulators.rangeserver import serve_ranges
from simulators.versions import (
    flip_bit,
    leftovers,
    small_disk,
    verified,
    versioned_tarball,
)

LIMIT_SECONDS = 60

READER = """
import os, sys
name, done, count = sys.argv[1:]
seen, problems = set(), set()
print("ready", flush=True)
while not os.path.exists(done):
    try:
        directory = os.open(name, os.O_RDONLY)
    except OSError as error:
        problems.add(str(error))
        continue
    files = sorted(path for _, _, names, _ in os.fwalk(dir_fd=directory) for path in names)
    with open(os.open("share/tool/version", os.O_RDONLY, dir_fd=directory)) as stream:
        version = stream.read()[:1]
    with open(os.open("bin/tool", os.O_RDONLY, dir_fd=directory)) as stream:
        script = stream.read()
    seen.add(version)
    if len(files) != int(count) or not script.endswith(f"/share {version}\\n"):
        problems.add(f"{version}: {files} {script}")
    os.close(directory)
print(sorted(seen), sorted(problems))
"""


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


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    """The command, loaded once."""
    with Launcher.start(tmp_path_factory.mktemp("launcher")) as found:
        yield found


@dataclass(frozen=True, slots=True)
class Node:
    """A node with a store and an environment called `env`, and two versions to put there."""

    root: Path
    old: Packed
    new: Packed
    launcher: Launcher

    @property
    def name(self) -> Path:
        """The link."""
        return self.root / "opt/env"

    @property
    def store(self) -> Path:
        """The store."""
        return self.root / "store"

    def run(self, *arguments: object) -> Run:
        """How a command ended."""
        return self.launcher.run("-C", self.root, *arguments)

    def done(self, *arguments: object) -> str:
        """What a command wrote that must succeed."""
        found = self.run(*arguments)
        assert found.code == 0, found.output
        return found.output

    def unpack(self, source: Path) -> Run:
        """Unpack a tarball, or a bill, through the store."""
        return self.run("unpack", "--store", self.store, source, self.name)

    def update(self, source: object, *options: object) -> Run:
        """Fetch the packages of the new version that the store lacks."""
        return self.run(
            "fetch-frames",
            self.old.plan.manifest,
            self.new.plan.manifest,
            source,
            "--store",
            self.store,
            *options,
        )

    def prefix(self, packed: Packed) -> Path:
        """Where a version lies."""
        return self.name.with_name(f"env@{packed.manifest_sha256.hex[:12]}")

    def packages(self) -> set[str]:
        """The digests in the store."""
        return {path.name for path in self.store.glob("packages/*/*")}


@pytest.fixture
def node(tmp_path: Path, launcher: Launcher) -> Node:
    """A node that runs the old version."""
    found = Node(
        tmp_path / "node",
        versioned_tarball(tmp_path / "tarballs", "1"),
        versioned_tarball(tmp_path / "tarballs", "2"),
        launcher,
    )
    (found.root / "opt").mkdir(parents=True)
    assert found.unpack(found.old.plan.tarball).code == 0
    return found


def digests(manifest: Manifest) -> set[str]:
    """Of the lists of all packages."""
    return {item.listed.sha256 for item in manifest.packages}


def package_of(packed: Packed, name: str) -> ManifestPackage:
    """A package on the bill; it has one frame."""
    [found] = [item for item in packed.manifest.packages if item.name == name]
    assert len(found.frames) == 1
    return found


def test_an_update_reads_only_the_missing_ranges(node: Node) -> None:
    """Then the bill is enough: the name shows the new version, the old one is beside it."""
    frame = package_of(node.new, "tool").frames[0]
    with serve_ranges({"/new": node.new.plan.tarball.read_bytes()}) as server:
        fetched = node.update(f"{server.url}/new")
        sent = server.sent
    unpacked = node.unpack(node.new.plan.manifest)
    # The end of the tarball, with bill and lists, is less than is read at once.
    least = min(TAIL_BYTES, node.new.size)
    assert (0, True, 0, node.prefix(node.new), (), ()) == (
        fetched.code,
        sent <= least + frame.length,
        unpacked.code,
        node.name.resolve(),
        tuple(verified(node.prefix(node.new))),
        tuple(verified(node.prefix(node.old))),
    )


def test_an_update_says_what_it_fetched(node: Node) -> None:
    """Frames, and bytes of how many."""
    size = package_of(node.new, "tool").frames[0].length
    total = sum(item.frames[0].length for item in node.new.manifest.packages)
    output = node.update(node.new.plan.tarball).output
    assert f"fetched 1 packages: 1 frames, {size} of {total} bytes\n" == output


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_server_without_ranges_is_told(node: Node, *, knows_ranges: bool) -> None:
    """The whole file comes, and that is said; the frames are there either way."""
    # The bill of the plain tar is another one; what it is about is the same.
    new = versioned_tarball(node.root.parent / "plain", "2", Format.TAR)
    node = dataclasses.replace(node, new=new)
    data = node.new.plan.tarball.read_bytes()
    with serve_ranges({"/new": data}, knows_ranges=knows_ranges) as server:
        output = node.update(f"{server.url}/new").output
    assert (not knows_ranges, digests(node.new.manifest)) == (
        "the server does not support ranges: the whole tarball was read" in output,
        node.packages() & digests(node.new.manifest),
    )


def test_an_update_is_told_to_programs(node: Node) -> None:
    """As JSON on standard output."""
    outcome = lading(
        [
            *("--json", "fetch-frames", node.old.plan.manifest, node.new.plan.manifest),
            *(node.new.plan.tarball, "--store", node.store),
        ],
        node.root,
    )
    assert {
        "schema": "lading.fetch-frames/1",
        "packages": 1,
        "frames": 1,
        "size": package_of(node.new, "tool").frames[0].length,
        "read_whole": False,
    } == json.loads(outcome.stdout)


def test_an_update_goes_by_way_of_the_proxy(node: Node) -> None:
    """The one that the environment names; the host of the URL is nowhere."""
    url = "http://tarballs.invalid/new"
    bills = [node.old.plan.manifest, node.new.plan.manifest]
    with serve_ranges({url: node.new.plan.tarball.read_bytes()}) as proxy:
        arguments = ["fetch-frames", *bills, url, "--store", node.store]
        outcome = lading(arguments, node.root, {"http_proxy": proxy.url})
        sent = proxy.sent
    assert (0, True) == (outcome.code, sent >= package_of(node.new, "tool").frames[0].length)


def test_a_wrong_byte_from_the_server_is_refused(node: Node) -> None:
    """Exit code 7, and the store is as it was."""
    before = node.packages()
    frame = package_of(node.new, "tool").frames[0]
    damaged = flip_bit(node.new.plan.tarball.read_bytes(), 8 * (frame.offset + 30))
    with serve_ranges({"/new": damaged}) as server:
        code = node.update(f"{server.url}/new").code
    assert (7, before, []) == (code, node.packages(), leftovers(node.store))


def test_no_server_is_told(node: Node) -> None:
    """Exit code 6."""
    with serve_ranges({}) as server:
        assert 6 == node.update(f"{server.url}/new").code


def test_a_dry_run_fetches_nothing(node: Node) -> None:
    """It says where the frames lie, and asks nobody."""
    frame = package_of(node.new, "tool").frames[0]
    before = node.packages()
    found = node.update("http://127.0.0.1:1/none", "--dry-run")
    assert (f"{frame.offset} {frame.length} tool\n", before) == (found.output, node.packages())


def test_frames_that_were_lost_are_fetched_too(node: Node) -> None:
    """A store is not a proof: what the node should have and has not is told."""
    lost = package_of(node.old, "zother").listed.sha256
    shutil.rmtree(node.store / "packages" / lost[:2] / lost)
    output = node.update(node.new.plan.tarball).output
    assert (True, True) == (
        "1 packages of" in output and "are downloaded too" in output,
        lost in node.packages(),
    )


def test_a_bill_without_its_frames_is_not_enough(node: Node) -> None:
    """Exit code 6, and the name shows what it showed."""
    assert (6, node.prefix(node.old), False) == (
        node.unpack(node.new.plan.manifest).code,
        node.name.resolve(),
        node.prefix(node.new).exists(),
    )


def test_files_are_shared_with_the_store(node: Node) -> None:
    """All but those that name the prefix."""
    inodes = {path.stat().st_ino for path in node.store.rglob("packages/**/*") if path.is_file()}
    own = {
        path
        for path in listing(node.name)
        if (node.name / path).is_file()
        and not (node.name / path).is_symlink()
        and (node.name / path).stat().st_ino not in inodes
    }
    assert {
        "bin/tool",
        "lib/libbase.so.1",
        "conda-meta/lading/manifest.json",
        "conda-meta/lading/state.json",
        *node.old.manifest.own_paths,
    } == own


def test_on_another_file_system_files_are_copied(node: Node, tmp_path: Path) -> None:
    """Where no link leads, and it verifies there."""
    with small_disk(tmp_path / "disk", kilobytes=2048):
        name = tmp_path / "disk/env"
        code = node.run("unpack", "--store", node.store, node.old.plan.manifest, name).code
        found = (
            code,
            tuple(verified(name)),
            {path.stat().st_nlink for path in name.resolve().rglob("*") if path.is_file()},
        )
    assert (0, (), {1}) == found


def test_a_disk_that_is_too_small_is_told(node: Node, tmp_path: Path) -> None:
    """Exit code 8, and nothing is left there."""
    with small_disk(tmp_path / "disk", kilobytes=16):
        name = tmp_path / "disk/env"
        run = node.run("unpack", "--store", node.store, node.old.plan.manifest, name)
        found = (run.code, "No space left on device" in run.output, listing(tmp_path / "disk"))
    assert (8, True, []) == found


def test_rolling_back_shows_the_old_version(node: Node) -> None:
    """Unpacking the new one again shows it again, without extracting anything."""
    node.unpack(node.new.plan.tarball)
    back = node.done("rollback", node.name)
    old = node.name.resolve()
    forward = node.unpack(node.new.plan.tarball).output
    assert (f"{node.prefix(node.old)}\n", node.prefix(node.old), True, node.prefix(node.new)) == (
        back.splitlines(keepends=True)[-1],
        old,
        "was there already" in forward,
        node.name.resolve(),
    )


def test_without_an_earlier_version_nothing_is_rolled_back(node: Node) -> None:
    """Exit code 8, and the name stays."""
    outcome = lading(["rollback", node.name], node.root)
    assert (8, True, node.prefix(node.old)) == (
        outcome.code,
        outcome.is_plain_error,
        node.name.resolve(),
    )


def test_readers_always_see_a_whole_version(node: Node, tmp_path: Path) -> None:
    """Another process looks all the time: the name is never missing, never half."""
    done = tmp_path / "done"
    count = sum(not path.is_dir() for path in node.prefix(node.old).rglob("*"))
    with start_worker(READER, tmp_path, node.name, done, count) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        for _ in range(20):
            assert node.unpack(node.new.plan.tarball).code == 0
            assert node.run("rollback", node.name).code == 0
        done.touch()
        output, _ = reader.communicate(timeout=LIMIT_SECONDS)
    assert "['1', '2'] []\n" == output


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
    assert (1, [{"package": "zother", "path": "share/other/data"}], 0, ()) == (
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
        slow = dataclasses.replace(plan, source=dataclasses.replace(opened, read=read))
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


def test_a_name_that_is_taken_is_left_alone(node: Node) -> None:
    """Exit code 8: a directory is not a link to a version."""
    taken = node.root / "opt/taken"
    taken.mkdir()
    run = node.run("unpack", "--store", node.store, node.old.plan.tarball, taken)
    assert (8, True) == (run.code, taken.is_dir() and not taken.is_symlink())


def test_the_root_is_no_name(node: Node) -> None:
    """Exit code 8, as for any other name that cannot be."""
    assert [8, 8] == [
        node.run("unpack", "--store", node.store, node.old.plan.tarball, "/").code,
        node.run("rollback", "/").code,
    ]


def piped(packed: Packed, root: Path, *options: object, cut: str = "") -> Outcome:
    """What `cat TARBALL | lading unpack - PREFIX` did; its code is 141 where `cat` fell silent."""
    program = f'"{sys.executable}" -c "from lading.cli.app import main; main()"'
    words = " ".join(f'"{item}"' for item in options)
    pipeline = f'set -o pipefail; cat "$0" {cut} | {program} unpack {words} - place/prefix'
    done = subprocess.run(
        ["bash", "-c", pipeline, str(packed.plan.tarball)],
        cwd=root,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("format_", list(Format))
@pytest.mark.parametrize("has_manifest", [True, False])
def test_a_tarball_may_come_through_a_pipe(
    tmp_path: Path, format_: Format, *, has_manifest: bool
) -> None:
    """With its bill at hand, or inside."""
    packed = versioned_tarball(tmp_path / "tarballs", format_=format_)
    options = ["--manifest", packed.plan.manifest] if has_manifest else []
    outcome = piped(packed, tmp_path, *options)
    prefix = tmp_path / "place/prefix"
    assert (0, [], []) == (outcome.code, list(verified(prefix)), leftovers(tmp_path))


@pytest.mark.parametrize("has_manifest", [True, False])
@pytest.mark.parametrize("size", [0, 100, 5000, 8000])
def test_a_pipe_that_is_cut_off_is_refused(
    tmp_path: Path, size: int, *, has_manifest: bool
) -> None:
    """Exit code 7; neither prefix nor anything beside it is left."""
    packed = versioned_tarball(tmp_path / "tarballs")
    options = ["--manifest", packed.plan.manifest] if has_manifest else []
    before = listing(tmp_path)
    outcome = piped(packed, tmp_path, *options, cut=f"| head -c {size}")
    assert (7, True, before) == (outcome.code, outcome.is_plain_error, listing(tmp_path))


def test_a_pipe_with_no_room_for_it_is_told(tmp_path: Path) -> None:
    """Exit code 8: the pipe is kept as a file until its end has come."""
    packed = versioned_tarball(tmp_path / "tarballs")
    with small_disk(tmp_path / "disk", kilobytes=4):
        outcome = piped(packed, tmp_path / "disk")
        found = (outcome.code, outcome.is_plain_error, listing(tmp_path / "disk"))
    assert (8, True, []) == found


def test_one_package_is_unpacked(tmp_path: Path, launcher: Launcher) -> None:
    """Its files, relocated, and nothing else."""
    packed = versioned_tarball(tmp_path / "tarballs")
    launcher.run("unpack", "--only", "tool", packed.plan.tarball, tmp_path / "p")
    assert (
        ["bin", "bin/tool", "share", "share/tool", "share/tool/version"],
        f"#!/bin/sh\necho {tmp_path}/p/share 1\n",
    ) == (listing(tmp_path / "p"), (tmp_path / "p/bin/tool").read_text())


def test_several_packages_are_unpacked(tmp_path: Path, launcher: Launcher) -> None:
    """Each that is named."""
    packed = versioned_tarball(tmp_path / "tarballs")
    options = ["--only", "tool", "--only", "zother"]
    launcher.run("unpack", *options, packed.plan.tarball, tmp_path / "p")
    assert ["bin", "share", "share/other", "share/tool"] == [
        path for path in listing(tmp_path / "p") if (tmp_path / "p" / path).is_dir()
    ]


def test_one_package_is_read_alone(tmp_path: Path, launcher: Launcher) -> None:
    """Damage elsewhere in the tarball does not matter to it."""
    packed = versioned_tarball(tmp_path / "tarballs")
    frame = package_of(packed, "zother").frames[0]
    damaged = flip_bit(packed.plan.tarball.read_bytes(), 8 * (frame.offset + 30))
    packed.plan.tarball.write_bytes(damaged)
    codes = [
        launcher.run("unpack", "--only", name, packed.plan.tarball, tmp_path / name).code
        for name in ("tool", "zother")
    ]
    assert [0, 7] == codes


def test_an_unknown_package_is_told(tmp_path: Path) -> None:
    """Exit code 2, and nothing is written."""
    packed = versioned_tarball(tmp_path / "tarballs")
    outcome = lading(["unpack", "--only", "none", packed.plan.tarball, "p"], tmp_path)
    assert (2, True, False) == (outcome.code, outcome.is_plain_error, (tmp_path / "p").exists())


def test_a_part_goes_through_no_store(node: Node) -> None:
    """Exit code 2: a version is a whole environment."""
    run = node.run("unpack", "--only", "tool", "--store", "s", node.old.plan.tarball, "x")
    assert 2 == run.code


def test_a_dry_run_lists_what_the_store_lacks(node: Node) -> None:
    """And changes nothing."""
    before = listing(node.root)
    length = package_of(node.new, "tool").frames[0].length
    output = node.done(
        "unpack", "--dry-run", "--store", node.store, node.new.plan.tarball, node.name
    )
    assert (f"{length:>12} tool\n", before) == (output, listing(node.root))


def test_another_bill_is_refused(node: Node) -> None:
    """Exit code 7: the digest that was asked for is that of another one."""
    digest = node.old.manifest_sha256.hex
    arguments = ["--manifest-sha256", digest, "--store", node.store]
    run = node.run("unpack", *arguments, node.new.plan.tarball, node.name)
    assert (7, node.prefix(node.old)) == (run.code, node.name.resolve())


@pytest.mark.parametrize("is_there", [True, False])
def test_a_pipe_is_read_to_its_end(tmp_path: Path, *, is_there: bool) -> None:
    """What nobody needs is read too, so that the program that writes into the pipe ends well."""
    packed = versioned_tarball(tmp_path / "tarballs")
    options = ["--manifest", packed.plan.manifest, "--store", "store"]
    if is_there:
        assert 0 == piped(packed, tmp_path, *options).code
    else:
        options.append("--dry-run")
    found = piped(packed, tmp_path, *options)
    assert 0 == found.code
    # What follows the tarball is read, and refused.
    more = "| { cat; head -c 1000000 /dev/zero; }"
    assert 7 == piped(packed, tmp_path, *options, cut=more).code


def test_cleaning_removes_frames(tmp_path: Path, launcher: Launcher) -> None:
    """And says how much; other caches stay."""
    for name in ("frames/ab/abc.frames", "bytecode/x", "pkgs/x", "wheels/x"):
        path = tmp_path / ".lading" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(2_000_000))
    run = launcher.run("-C", tmp_path, "clean", "--frames")
    left = sorted(path.parent.name for path in tmp_path.rglob("*") if path.is_file())
    assert (0, "removed 2.0 MB of frames\n", ["bytecode", "pkgs", "wheels"]) == (
        run.code,
        run.output,
        left,
    )


def test_cleaning_what_is_not_there_is_no_error(tmp_path: Path, launcher: Launcher) -> None:
    """A fresh project has no caches."""
    run = launcher.run("-C", tmp_path, "clean", "--frames", "--bytecode", "--packages")
    assert (0, "removed 0.0 MB of frames\n") == (run.code, run.output)


def test_cleaning_nothing_is_told(tmp_path: Path) -> None:
    """Exit code 2."""
    outcome = lading(["clean"], tmp_path)
    assert (2, True) == (outcome.code, outcome.is_plain_error)
