"""The update of a node: frames fetched, linked and switched, rolled back."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from lading.format.compression import Format
from lading.format.remote import TAIL_BYTES
from simulators.command import lading, listing
from simulators.launcher import start_worker
from simulators.rangeserver import serve_ranges
from simulators.store_node import Node, digests, package_of
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
    assert output.endswith(f"fetched 1 packages: 1 frames, {size} of {total} bytes\n")


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
