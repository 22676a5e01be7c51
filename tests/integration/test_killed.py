"""Killed at any moment: no half file under a final name, and the next run gives the right result.

Moments are drawn from seeded generators and stretched over the time that a whole run takes, so
that most of them fall into the middle of it on any machine.
"""

import hashlib
import random
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lading.conda.names import native_platform
from lading.format.contents import Contents
from lading.format.opening import open_tarball
from lading.pack.frame_cache import FrameCache
from simulators.channel import PLACEHOLDER, File, Package
from simulators.command import listing
from simulators.launcher import Launcher, start_worker
from simulators.project import ENVIRONMENT, Project
from simulators.versions import leftovers, verified

MOMENTS = 50
LEAST_KILLED = 10
PACKAGES = 3
FILES = 40
FILE_BYTES = 16_000

KEEPER = """
import hashlib, sys
from itertools import count
from pathlib import Path
from lading.pack.encode import EncodedFrame, EncodedPackage
from lading.pack.frame_cache import FrameCache
data = bytes(30_000_000)
frame = EncodedFrame(len(data), len(data), hashlib.sha256(data).hexdigest())
empty = EncodedFrame(0, 0, hashlib.sha256(b"").hexdigest())
cache = FrameCache(directory=Path(sys.argv[1]))
cache.open()
def keep(stream):
    stream.write(data)
    return EncodedPackage((frame,), empty, b"", (), ())
print("ready", flush=True)
for number in count():
    assert cache.store(f"key{number % 3}", keep)
"""


def package(number: int, version: str = "1.0") -> Package:
    """A package of many files, half of them noise; two name the prefix."""
    name = f"package{number}"
    noise = random.Random(f"{number} {version}")
    data = {
        f"share/{name}/{index % 2}/{index}": noise.randbytes(FILE_BYTES // 2)
        + bytes(FILE_BYTES // 2)
        for index in range(FILES)
    }
    script = File(b"#!/bin/sh\necho " + PLACEHOLDER + b"\n", mode=0o755, text=True)
    library = File(b"\x7fELF" + PLACEHOLDER + b"/lib\0" + noise.randbytes(500), binary=True)
    return Package(
        name=name,
        version=version,
        files={**data, f"bin/{name}": script, f"lib/lib{name}.so": library},
    )


@dataclass(frozen=True, slots=True)
class Victim:
    """A project whose environment is installed, its right outputs, and how long commands take."""

    project: Project
    launcher: Launcher
    outputs: dict[str, bytes]
    contents: Contents

    @property
    def dist(self) -> Path:
        """Where tarballs are written."""
        return self.project.root / "dist"

    @property
    def tarball(self) -> Path:
        """The right tarball, where no pack writes to."""
        return self.project.root / "right" / f"{ENVIRONMENT}-{native_platform()}.tar.zst"

    def seconds(self, *arguments: object) -> float:
        """How long a command takes that must succeed."""
        run = self.launcher.run("-C", self.project.root, *arguments)
        assert run.code == 0, run.output
        return run.seconds

    def kill(self, moment: float, *arguments: object) -> bool:
        """Start a command and kill it some seconds later; whether it was still running."""
        run = self.launcher.run("-C", self.project.root, *arguments, kill_after=moment)
        assert run.code == 0 or run.was_killed, run.output
        return run.was_killed


def written(directory: Path) -> dict[str, bytes]:
    """Name → content of the outputs of packing that have their final names."""
    return {
        path.name: path.read_bytes()
        for path in directory.glob("*")
        if not path.name.startswith(".")
    }


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """A few megabytes of many files."""
    root = tmp_path_factory.mktemp("victim")
    project = Project.of(root, [package(number) for number in range(PACKAGES)])
    project.install()
    with Launcher.start(tmp_path_factory.mktemp("launcher")) as launcher:
        right = root / "right"
        run = launcher.run("-C", root, "pack", ENVIRONMENT, "-o", right, "--no-frame-cache")
        assert run.code == 0, run.output
        [tarball] = right.glob("*.tar.zst")
        with open_tarball(tarball) as opened:
            contents = opened.contents()
        yield Victim(project, launcher, written(right), contents)


def moments(seed: int, seconds: float, count: int = MOMENTS) -> Iterator[float]:
    """When to kill a command that takes so many seconds."""
    generator = random.Random(seed)
    return (generator.uniform(0, seconds) for _ in range(count))


def whole_packages(store: Path, contents: Contents) -> bool:
    """Whether each package that a store holds has exactly the files of its list."""
    lists = {item.package.listed.sha256: item for item in contents.packages}
    for place in store.glob("packages/*/*"):
        path = place / "tree"
        package = lists[place.name]
        assert package.document == (place / "list.json").read_bytes()
        expected = {item.path: item.sha256 for item in package.files if item.sha256 or item.target}
        found = {
            str(file.relative_to(path)): ""
            if file.is_symlink()
            else hashlib.sha256(file.read_bytes()).hexdigest()
            for file in path.rglob("*")
            if file.is_symlink() or file.is_file()
        }
        if expected != found:
            return False
    return True


def test_pack(victim: Victim) -> None:
    """What has a final name is right, what is in the cache is whole, the next pack is right."""
    cache = FrameCache(directory=victim.project.tree.frame_cache)
    seconds = victim.seconds("pack", ENVIRONMENT)
    killed = 0
    for moment in moments(1, seconds):
        shutil.rmtree(victim.dist)
        shutil.rmtree(cache.directory)
        killed += victim.kill(moment, "pack", ENVIRONMENT)
        assert victim.outputs.items() >= written(victim.dist).items()
        assert None not in [cache.find(path.stem) for path in cache.directory.rglob("*.frames")]
        victim.seconds("pack", ENVIRONMENT)
        assert victim.outputs == written(victim.dist)
        assert [] == [name for name in leftovers(victim.dist) if name != ".gitignore"]
    assert killed >= LEAST_KILLED


@pytest.mark.parametrize("options", [("-f", "sqsh"), ("--installer",)])
def test_images_and_installers(victim: Victim, options: tuple[str, ...]) -> None:
    """What has a final name is right, and the next pack takes away what is left of the others."""
    directory = victim.project.root / "other"
    arguments = ("pack", ENVIRONMENT, *options, "-o", directory)
    seconds = victim.seconds(*arguments)
    right = written(directory)
    shutil.rmtree(directory)
    killed = 0
    for moment in moments(8, seconds, 8):
        killed += victim.kill(moment, *arguments)
        assert right.items() >= written(directory).items()
    victim.seconds(*arguments)
    assert (right, [], True) == (written(directory), leftovers(directory), killed > 1)
    shutil.rmtree(directory)


def test_frame_cache(tmp_path: Path) -> None:
    """A process that does nothing but keep large frames: those that have a name are whole."""
    cache = FrameCache(directory=tmp_path / "cache")
    broken = []
    for moment in moments(7, 0.2, 10):
        with start_worker(KEEPER, tmp_path, cache.directory) as keeper:
            assert keeper.stdout is not None
            assert keeper.stdout.readline() == "ready\n"
            time.sleep(moment)
            keeper.kill()
        entries = list(cache.directory.rglob("*.frames"))
        broken += [path.name for path in entries if cache.find(path.stem) is None]
        shutil.rmtree(cache.directory, ignore_errors=True)
    assert [] == broken


def test_unpack(victim: Victim, tmp_path: Path) -> None:
    """The prefix is there and complete, or not there; then it can be unpacked."""
    prefix = tmp_path / "place/prefix"
    seconds = victim.seconds("unpack", victim.tarball, prefix)
    killed = 0
    for moment in moments(2, seconds):
        shutil.rmtree(prefix.parent)
        killed += victim.kill(moment, "unpack", victim.tarball, prefix)
        if not prefix.exists():
            victim.seconds("unpack", victim.tarball, prefix)
        assert () == tuple(verified(prefix))
        assert ["prefix"] == [path.name for path in prefix.parent.iterdir()]
    assert killed >= LEAST_KILLED


def test_unpack_from_a_pipe(victim: Victim, tmp_path: Path) -> None:
    """What is tidied up is all that was left: what came through the pipe has no name."""
    prefix = tmp_path / "place/prefix"
    prefix.parent.mkdir()
    for moment in moments(8, victim.seconds("unpack", victim.tarball, tmp_path / "other"), 10):
        victim.launcher.run("unpack", "-", prefix, kill_after=moment, stdin=victim.tarball)
        shutil.rmtree(prefix, ignore_errors=True)
        # Its workers, which the system kills with it, may live for a moment longer.
        for _ in range(50):
            victim.seconds("clean", "--leftovers", prefix.parent)
            if not listing(prefix.parent):
                break
            time.sleep(0.1)
        assert [] == listing(prefix.parent)


def test_relocate(victim: Victim, tmp_path: Path) -> None:
    """The next relocation ends it, and removes what was left in the prefix."""
    prefix = tmp_path / "a"
    victim.seconds("unpack", victim.tarball, prefix)
    prefix = prefix.rename(tmp_path / "b")
    seconds = victim.seconds("relocate", prefix)
    for number, moment in enumerate(moments(9, seconds, 10)):
        prefix = prefix.rename(tmp_path / f"prefix{number}")
        victim.kill(moment, "relocate", prefix)
        victim.seconds("relocate", prefix)
        assert () == tuple(verified(prefix))


def test_unpack_through_a_store(victim: Victim, tmp_path: Path) -> None:
    """Frames in the store are whole, the name shows a complete version or nothing, then it does."""
    store, name = tmp_path / "place/store", tmp_path / "place/env"
    command = ("unpack", "--store", store, victim.tarball, name)
    seconds = victim.seconds(*command)
    for _ in range(2):
        # A run that the machine held up would put most kills behind the end.
        shutil.rmtree(name.parent)
        seconds = min(seconds, victim.seconds(*command))
    killed = 0
    for moment in moments(3, seconds):
        shutil.rmtree(name.parent)
        killed += victim.kill(moment, *command)
        assert whole_packages(store, victim.contents)
        for path in name.parent.glob("env*"):
            assert () == tuple(verified(path))
        victim.seconds(*command)
        assert () == tuple(verified(name))
        assert [] == leftovers(name.parent)
    victim.seconds("gc", "--store", store)
    assert [] == [path.name for path in store.rglob(".*.lading-*")]
    assert killed >= LEAST_KILLED


def test_switch(victim: Victim, tmp_path: Path) -> None:
    """Rolled back or not, and switched to the new version or not: the name shows one of the two."""
    other = Project.of(tmp_path / "other", [package(0, "2.0"), *map(package, range(1, PACKAGES))])
    other.install()
    other.pack()
    [newer] = (other.root / "dist").glob("*.tar.zst")
    store, name = tmp_path / "store", tmp_path / "env"
    old = ("unpack", "--store", store, victim.tarball, name)
    new = ("unpack", "--store", store, newer, name)
    victim.seconds(*old)
    older = name.resolve()
    victim.seconds(*new)
    latest = name.resolve()
    back_seconds = victim.seconds("rollback", name)
    forth_seconds = victim.seconds(*new)
    killed = 0
    for back, forth in zip(moments(4, back_seconds), moments(5, forth_seconds), strict=True):
        killed += victim.kill(back, "rollback", name)
        assert name.resolve() in {older, latest}
        if name.resolve() == latest:
            victim.seconds("rollback", name)
        assert older == name.resolve()
        killed += victim.kill(forth, *new)
        assert name.resolve() in {older, latest}
        victim.seconds(*new)
        assert latest == name.resolve()
    assert [(), ()] == [tuple(verified(prefix)) for prefix in (older, latest)]
    assert killed >= LEAST_KILLED


def test_gc(victim: Victim, tmp_path: Path) -> None:
    """What is needed stays, what is in the store is whole, and the next collection ends it."""
    store, name = tmp_path / "store", tmp_path / "env"
    unpack = ("unpack", "--store", store, victim.tarball, name)
    collect = ("gc", "--store", store)
    victim.seconds(*unpack)
    shutil.rmtree(name.resolve())
    seconds = victim.seconds(*collect)
    killed = 0
    for moment in moments(6, seconds, 20):
        victim.seconds(*unpack)
        shutil.rmtree(name.resolve())
        killed += victim.kill(moment, *collect)
        assert whole_packages(store, victim.contents)
        victim.seconds(*collect)
        assert [] == [path for path in store.rglob("*") if path.is_file() and path.name != ".lock"]
    assert killed >= LEAST_KILLED // 2
