"""The update of a node: frames fetched, linked and switched, rolled back."""

import dataclasses
import json
import shutil
from pathlib import Path

from lading.format.compression import Format
from lading.format.remote import TAIL_BYTES
from simulators.command import lading, listing
from simulators.launcher import start_worker
from simulators.rangeserver import serve_ranges
from simulators.store_node import Node, digests, package_of
from simulators.versions import (
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
    total = sum(item.frames[0].length for item in node.new.manifest.packages)
    words = f"fetched 1 packages: 1 frames, {frame.length} of {total} bytes\n"
    assert fetched.output.endswith(words)
    assert (0, True, 0, node.prefix(node.new), (), ()) == (
        fetched.code,
        sent <= least + frame.length,
        unpacked.code,
        node.name.resolve(),
        tuple(verified(node.prefix(node.new))),
        tuple(verified(node.prefix(node.old))),
    )


def test_a_server_without_ranges_is_told(node: Node) -> None:
    """The whole file comes, and that is said; the frames are there either way."""
    # The bill of the plain tar is another one; what it is about is the same.
    new = versioned_tarball(node.root.parent / "plain", "2", Format.TAR)
    node = dataclasses.replace(node, new=new)
    data = node.new.plan.tarball.read_bytes()
    with serve_ranges({"/new": data}, knows_ranges=False) as server:
        output = node.update(f"{server.url}/new").output
    assert (True, digests(node.new.manifest)) == (
        "the server does not support ranges: the whole tarball was read" in output,
        node.packages() & digests(node.new.manifest),
    )


def test_an_update_is_told_to_programs(node: Node) -> None:
    """As JSON on standard output; a dry run says where the frames lie, and asks nobody."""
    frame = package_of(node.new, "tool").frames[0]
    before = node.packages()
    found = node.update("http://127.0.0.1:1/none", "--dry-run")
    assert (f"{frame.offset} {frame.length} tool\n", before) == (found.output, node.packages())
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
        "size": frame.length,
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


def test_frames_that_were_lost_are_fetched_too(node: Node) -> None:
    """A store is not a proof: what the node should have and has not is told."""
    lost = package_of(node.old, "zother").listed.sha256
    shutil.rmtree(node.store / "packages" / lost[:2] / lost)
    output = node.update(node.new.plan.tarball).output
    assert (True, True) == (
        "1 packages of" in output and "are downloaded too" in output,
        lost in node.packages(),
    )


def test_a_disk_that_is_too_small_is_told(node: Node, tmp_path: Path) -> None:
    """Exit code 8, and nothing is left there."""
    with small_disk(tmp_path / "disk", kilobytes=16):
        name = tmp_path / "disk/env"
        run = node.run("unpack", "--store", node.store, node.old.plan.manifest, name)
        found = (run.code, "No space left on device" in run.output, listing(tmp_path / "disk"))
    assert (8, True, []) == found


def test_a_full_store_is_named(node: Node, tmp_path: Path) -> None:
    """And not the prefix, which lies elsewhere."""
    with small_disk(tmp_path / "disk", kilobytes=64):
        store, prefix = tmp_path / "disk/store", tmp_path / "env"
        run = node.run("unpack", "--store", store, node.old.plan.tarball, prefix)
        found = run.code, f"cannot use the store {store}: No space left" in run.output
    assert ((8, True), []) == (found, list(tmp_path.glob("*env*"))), run.output


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


def test_what_is_refused(node: Node) -> None:
    """Each has its exit code, and the name shows what it showed."""
    taken = node.root / "opt/taken"
    taken.mkdir()
    unpack = ("unpack", "--store", node.store)
    old, new = node.old.plan, node.new.plan
    another = ("--manifest-sha256", node.old.manifest_sha256.hex)
    with serve_ranges({}) as server:
        codes = [
            node.update(f"{server.url}/new").code,
            *(
                node.run(*words).code
                for words in (
                    # Of a bill the store must have the frames.
                    (*unpack, new.manifest, node.name),
                    (*unpack, *another, new.tarball, node.name),
                    (*unpack, old.tarball, taken),
                    (*unpack, old.tarball, "/"),
                    ("rollback", "/"),
                    ("rollback", node.name),
                    # A version is a whole environment.
                    (*unpack, "--only", "tool", old.tarball, "x"),
                )
            ),
        ]
    assert ([6, 6, 7, 8, 8, 8, 8, 2], node.prefix(node.old), False) == (
        codes,
        node.name.resolve(),
        node.prefix(node.new).exists() or taken.is_symlink(),
    )


def test_a_dry_run_lists_what_the_store_lacks(node: Node) -> None:
    """And changes nothing."""
    before = listing(node.root)
    length = package_of(node.new, "tool").frames[0].length
    output = node.done(
        "unpack", "--dry-run", "--store", node.store, node.new.plan.tarball, node.name
    )
    assert (f"{length:>12} tool\n", before) == (output, listing(node.root))
