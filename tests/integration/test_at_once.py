"""Several processes at once on one frame cache and one store: nothing is lost."""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lading.conda.names import native_platform
from lading.pack.frame_cache import FrameCache
from simulators.channel import PLACEHOLDER, File, Package
from simulators.launcher import Launcher, start_worker
from simulators.project import ENVIRONMENT, Project
from simulators.versions import leftovers, verified, versioned_tarball

LIMIT_SECONDS = 120
ROUNDS = 30

# Every worker begins when it is told so, and prints what went wrong.
BEGINNING = """
import hashlib, json, os, sys
from pathlib import Path
from lading.cli.app import run

def lading(*arguments):
    code = run(["-q", *arguments])
    if code != 0:
        problems.append(f"{arguments}: {code}")

problems = []
data = os.dup(1)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
os.write(data, b"ready\\n")
sys.stdin.readline()
"""
END = """
sys.stdout.flush()
os.write(data, json.dumps(problems).encode() + b"\\n")
"""

PACKER = """
project, environment, right, rounds = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), sys.argv[4]
for _ in range(int(rounds)):
    lading("-C", project, "pack", environment)
    for name, digest in right.items():
        found = hashlib.sha256(Path(project, "dist", name).read_bytes()).hexdigest()
        if found != digest:
            problems.append(f"{name}: {found}")
"""

UNPACKER = """
store, name, rounds, tarballs = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
for number in range(int(rounds)):
    lading("unpack", "--store", store, tarballs[number % len(tarballs)], name)
    lading("verify", name)
"""

COLLECTOR = """
store, done, rounds, names = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
number = 0
while number < int(rounds) or not os.path.exists(done):
    lading("gc", "--store", store, "--keep", "0", *names)
    number += 1
"""

CLEANER = """
project, done, rounds = sys.argv[1:]
number = 0
while number < int(rounds) or not os.path.exists(done):
    lading("-C", project, "clean", "--frames")
    number += 1
"""


class Crew:
    """Processes that begin together."""

    def __init__(self, stack: ExitStack, directory: Path) -> None:
        """Nobody yet; who is hired ends with `stack`."""
        self._stack = stack
        self._directory = directory
        self._members: list[subprocess.Popen[str]] = []

    def hire(self, work: str, *arguments: object) -> "subprocess.Popen[str]":
        """A process that will do `work`."""
        member = start_worker(BEGINNING + work + END, self._directory, *arguments)
        self._members.append(self._stack.enter_context(member))
        return member

    def begin(self) -> None:
        """Wait until all have loaded what they need, and let them work."""
        for member in self._members:
            assert member.stdout is not None
            assert member.stdout.readline() == "ready\n"
        for member in self._members:
            assert member.stdin is not None
            member.stdin.write("go\n")
            member.stdin.flush()

    @staticmethod
    def problems(member: "subprocess.Popen[str]") -> list[str]:
        """What went wrong for one of them, after its end."""
        output, _ = member.communicate(timeout=LIMIT_SECONDS)
        assert member.returncode == 0
        found: list[str] = json.loads(output)
        return found


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    """Nobody yet."""
    with ExitStack() as stack:
        yield Crew(stack, tmp_path)


def project(root: Path) -> Project:
    """A small environment, installed."""
    script = File(b"#!/bin/sh\necho " + PLACEHOLDER + b"\n", mode=0o755, text=True)
    packages = [
        Package(name=name, files={f"bin/{name}": script, f"share/{name}": name.encode() * 500})
        for name in ("one", "two", "three")
    ]
    found = Project.of(root, packages)
    found.install()
    return found


def outputs(directory: Path) -> dict[str, str]:
    """Name → SHA-256 of what packing wrote."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.iterdir())
    }


def test_everything_at_once(tmp_path: Path, crew: Crew) -> None:
    """Two pack, one empties their cache, two unpack into one store, one collects: thirty times.

    Every command succeeds, every tarball has the right bytes, every prefix verifies each time, and
    at the end the store holds what the prefixes need, and nothing else.
    """
    packing = project(tmp_path / "project")
    packing.pack(level="default")
    right = outputs(packing.root / "dist")
    # The checksums are taken away while another process writes.
    compared = {name: digest for name, digest in right.items() if not name.endswith(".sha256")}
    packs = [versioned_tarball(tmp_path / "tarballs", version) for version in ("1", "2")]
    tarballs = [packed.plan.tarball for packed in packs]
    store, names = tmp_path / "store", [tmp_path / "opt/a", tmp_path / "opt/b"]
    # `gc` refuses a place that is not a store yet.
    (store / "packages").mkdir(parents=True)
    names[0].parent.mkdir()
    done = tmp_path / "done"
    root = packing.root
    working = [
        crew.hire(PACKER, root, ENVIRONMENT, json.dumps(compared), ROUNDS),
        crew.hire(PACKER, root, ENVIRONMENT, json.dumps(compared), ROUNDS),
        crew.hire(UNPACKER, store, names[0], ROUNDS, *tarballs),
        crew.hire(UNPACKER, store, names[1], ROUNDS, *tarballs[::-1]),
    ]
    tidying = [
        crew.hire(COLLECTOR, store, done, ROUNDS, *names),
        crew.hire(CLEANER, root, done, ROUNDS),
    ]
    crew.begin()
    problems = [crew.problems(member) for member in working]
    done.touch()
    problems += [crew.problems(member) for member in tidying]
    assert [[]] * 6 == problems
    assert right == outputs(packing.root / "dist")
    assert [(), ()] == [tuple(verified(name)) for name in names]
    needed = {item.listed.sha256 for packed in packs for item in packed.manifest.packages}
    assert (needed, []) == (
        {path.name for path in store.glob("packages/*/*")},
        leftovers(store) + leftovers(names[0].parent),
    )


def test_two_packs_share_a_cache(tmp_path: Path, crew: Crew) -> None:
    """Both write right bytes, and what they leave in the cache is whole."""
    packing = project(tmp_path / "project")
    packing.pack(level="default")
    right = outputs(packing.root / "dist")
    compared = {name: digest for name, digest in right.items() if not name.endswith(".sha256")}
    arguments = (packing.root, ENVIRONMENT, json.dumps(compared), 10)
    working = [crew.hire(PACKER, *arguments) for _ in range(2)]
    crew.begin()
    problems = [crew.problems(member) for member in working]
    cache = FrameCache(directory=packing.tree.frame_cache)
    entries = [cache.find(path.stem) for path in cache.directory.rglob("*.frames")]
    assert ([[], []], 3, False) == (problems, len(entries), None in entries)


def test_two_unpack_the_same(tmp_path: Path, crew: Crew) -> None:
    """To one name, through one store: both succeed, whoever was faster."""
    tarballs = [
        versioned_tarball(tmp_path / "tarballs", str(version)).plan.tarball for version in range(10)
    ]
    store, name = tmp_path / "store", tmp_path / "env"
    working = [crew.hire(UNPACKER, store, name, 10, *tarballs) for _ in range(2)]
    crew.begin()
    problems = [crew.problems(member) for member in working]
    versions = sorted(tmp_path.glob("env@*"))
    assert ([[], []], 10, []) == (
        problems,
        len(versions),
        [finding for path in versions for finding in verified(path)],
    )


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_workers_change_no_byte(tmp_path: Path, workers: int) -> None:
    """The command packs the same tarball, bill and checksums, without cache, cold and warm."""
    packing = project(tmp_path / "project")
    packing.pack(level="default", workers=1)
    right = outputs(packing.root / "dist")
    found = []
    with Launcher.start(tmp_path) as launcher:
        for option in ("--no-frame-cache", "--frame-cache", "--frame-cache"):
            arguments = ("pack", ENVIRONMENT, option, "-j", workers, "-o", "out")
            launcher.run("-C", packing.root, *arguments)
            found.append(outputs(packing.root / "out"))
    assert [right] * 3 == found


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_workers_change_no_file(tmp_path: Path, workers: int) -> None:
    """Unpacked straight, through a store and verified: the same answer with any number."""
    tarball = versioned_tarball(tmp_path / "tarballs").plan.tarball
    with Launcher.start(tmp_path) as launcher:
        codes = [
            launcher.run(*arguments, "-j", workers).code
            for arguments in (
                ("unpack", tarball, tmp_path / "a"),
                ("unpack", "--store", tmp_path / "store", tarball, tmp_path / "b"),
                ("verify", tarball),
                ("verify", tmp_path / "a"),
                ("verify", "--quick", tmp_path / "b"),
            )
        ]
    assert ([0] * 5, [(), ()]) == (
        codes,
        [tuple(verified(tmp_path / name)) for name in ("a", "b")],
    )


def test_the_platform_is_in_the_name(tmp_path: Path) -> None:
    """What the tests above compare is what packing writes: three files of one stem."""
    packing = project(tmp_path / "project")
    packing.pack()
    stem = f"{ENVIRONMENT}-{native_platform()}"
    assert [f"{stem}.manifest.json", f"{stem}.sha256", f"{stem}.tar.zst"] == [
        *outputs(packing.root / "dist")
    ]
