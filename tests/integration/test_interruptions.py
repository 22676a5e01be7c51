"""What is left when a command is interrupted, the disk is full, or two run at once."""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from simulators.channel import CANONICAL, PLACEHOLDER, File, Package
from simulators.command import Outcome, lading, listing, start
from simulators.project import ENVIRONMENT, Project

BLOB_BYTES = 12 << 20
FILES = 10_000
PATIENCE_SECONDS = 30
HALF_DONE = (".fetch-", ".lading-")


def make_packages() -> tuple[Package, ...]:
    """A package that takes a while to link, and one that takes a while to compress."""
    chance = random.Random(1)  # not for secrets
    many = {f"share/many/{n:04}": chance.randbytes(400) for n in range(FILES)}
    conf = File(b"at " + PLACEHOLDER + b"\n", text=True)
    return (
        Package(name="many", files={**many, "etc/conf": conf}),
        Package(name="blob", files={"lib/blob": chance.randbytes(BLOB_BYTES)}),
    )


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A locked project that was not installed; not to be changed."""
    root = tmp_path_factory.mktemp("origin")
    project = Project.of(root, make_packages())
    mirrors = f"[mirrors]\n{json.dumps(CANONICAL)} = [{json.dumps(project.channel.url)}]\n"
    (root / "lading.toml").write_text(mirrors)
    return project


@pytest.fixture(scope="module")
def installed(origin: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the project, installed and packed."""
    root = tmp_path_factory.mktemp("installed")
    project = copy(origin, root / "project")
    done = lading(["pack", ENVIRONMENT, "--level", "fast"], project.root)
    assert 0 == done.code, done.stderr
    return project


def copy(project: Project, root: Path) -> Project:
    """A copy of the lock and the configuration; the channel is shared."""
    root.mkdir()
    shutil.copytree(project.root / "locks", root / "locks")
    shutil.copy(project.root / "lading.toml", root)
    return Project(root, project.channel)


def tarball(project: Project) -> Path:
    """The tarball of a packed project."""
    return project.root / "dist" / f"{ENVIRONMENT}-linux-64.tar.zst"


def half_done(directory: Path) -> list[str]:
    """What lies around half done."""
    return [path for path in listing(directory) if any(mark in path for mark in HALF_DONE)]


def send(
    number: signal.Signals, arguments: list[object], directory: Path, begun: Callable[[], bool]
) -> Outcome:
    """The outcome of a command that got a signal as soon as it had `begun` its work."""
    # The one that waits for the moment must not be the one that waits for a processor.
    with start(arguments, directory, preparation=lambda: (os.nice(15), None)[1]) as child:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not begun() and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        child.send_signal(number)
        stdout, stderr = child.communicate(timeout=PATIENCE_SECONDS)
    return Outcome(child.returncode, stdout, stderr)


INTERRUPTIONS = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
MOMENTS = ("fetching", "linking", "linking")


@pytest.mark.parametrize(
    ("number", "code", "moment"),
    [(*each, moment) for each, moment in zip(INTERRUPTIONS, MOMENTS, strict=True)],
)
def test_an_interrupted_install(
    origin: Project, tmp_path: Path, number: signal.Signals, code: int, moment: str
) -> None:
    """An installation that is interrupted leaves no prefix, and the next one succeeds."""
    project = copy(origin, tmp_path / "project")

    def begun() -> bool:
        if moment == "linking":
            return (project.prefix / "share/many").is_dir()
        return any(project.tree.package_cache.glob(".fetch-*"))

    done = send(number, ["install", ENVIRONMENT], project.root, begun)
    left = [path.name for path in project.prefix.parent.iterdir()]
    again = lading(["install", ENVIRONMENT], project.root)
    assert (code, [".lock"], 0) == (done.code, left, again.code), done.stderr


@pytest.mark.parametrize(("number", "code"), INTERRUPTIONS)
def test_an_interrupted_pack(
    installed: Project, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """A pack that is interrupted leaves nothing, and the next one succeeds."""
    out = tmp_path / "out"
    arguments: list[object] = ["pack", ENVIRONMENT, "-o", out, "--no-frame-cache"]
    done = send(number, arguments, installed.root, lambda: out.is_dir() and any(out.iterdir()))
    left = listing(out)
    again = lading(arguments, installed.root)
    assert (code, [], 0, 3) == (done.code, left, again.code, len(listing(out)))


@pytest.mark.parametrize(("number", "code"), INTERRUPTIONS)
def test_an_interrupted_unpack(
    installed: Project, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """An unpack that is interrupted leaves nothing and says a word; the next one succeeds."""
    place = tmp_path / "place"
    arguments: list[object] = ["unpack", tarball(installed), place / "env"]
    done = send(number, arguments, tmp_path, lambda: any(place.glob("*/share/many/1*")))
    left = listing(tmp_path)
    again = lading(arguments, tmp_path)
    assert (code, [], 0) == (done.code, left, again.code)
    assert number != signal.SIGINT or done.stderr.strip() == "interrupted"


@pytest.fixture(params=["disk", "quota"])
def small_disk(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[Path, Callable[[], None] | None]]:
    """A directory where no more than a few megabytes fit, and what to run in the child for it.

    As root that is a small file system, or a quota on one with room; otherwise a limit on the size
    of each file.
    """
    place = tmp_path / "disk"
    place.mkdir()
    is_quota = request.param == "quota"
    mounted = os.geteuid() == 0 and (
        system("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", place)
        if not is_quota
        else mount_with_quota(tmp_path / "image", place)
    )
    if is_quota and not mounted:
        pytest.skip("only root makes quotas, with btrfs (package btrfs-progs)")
    yield place, None if mounted else limit_file_size
    if mounted:
        assert system("umount", place)


def mount_with_quota(image: Path, place: Path) -> bool:
    """Mount a file system of 256 MB, of which a few may be used; whether that was possible."""
    with image.open("wb") as stream:
        stream.truncate(256 << 20)
    return (
        system("mkfs.btrfs", "-q", image)
        and system("mount", "-o", "loop", image, place)
        and system("btrfs", "quota", "enable", place)
        and system("btrfs", "qgroup", "limit", "8M", place)
    )


def make_room(place: Path) -> None:
    """Let more fit into a small disk."""
    assert system("mount", "-o", "remount,size=64m", place) or system(
        "btrfs", "qgroup", "limit", "none", place
    )


def system(*words: object) -> bool:
    """Whether a program of the system is there and succeeds."""
    found = shutil.which(str(words[0]), path="/usr/sbin:/usr/bin:/sbin:/bin")
    return found is not None and (
        subprocess.run([found, *words[1:]], check=False, capture_output=True).returncode == 0
    )


def limit_file_size() -> None:
    """Let no file grow beyond a few megabytes; the attempt is an error, not a signal."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8 << 20, 8 << 20))


def test_a_full_disk_when_unpacking(
    installed: Project, small_disk: tuple[Path, Callable[[], None] | None]
) -> None:
    """Where the environment does not fit, nothing of it stays."""
    place, preparation = small_disk
    arguments = ["unpack", tarball(installed), place / "deep/env"]
    done = lading(arguments, installed.root, preparation=preparation)
    assert (8, True, []) == (done.code, done.is_plain_error, listing(place))


def test_a_full_disk_when_packing(
    installed: Project, small_disk: tuple[Path, Callable[[], None] | None]
) -> None:
    """Where the tarball does not fit, nothing of it stays."""
    place, preparation = small_disk
    arguments = ["pack", ENVIRONMENT, "-o", place, "--no-frame-cache"]
    done = lading(arguments, installed.root, preparation=preparation)
    assert (9, True, []) == (done.code, done.is_plain_error, listing(place))


def test_a_full_disk_when_transcoding(
    installed: Project, tmp_path: Path, small_disk: tuple[Path, Callable[[], None] | None]
) -> None:
    """Where the frames do not fit, no part of them stays; where they do, the next run packs."""
    place, preparation = small_disk
    project = copy(installed, place / "project")
    output = tmp_path / "elsewhere"
    arguments = ["--pkgs-dir", installed.tree.package_cache, "pack", ENVIRONMENT, "-o", output]
    done = lading(arguments, project.root, preparation=preparation)
    assert (9, True, [], []) == (
        done.code,
        done.is_plain_error,
        half_done(place),
        list(output.glob("*.zst")),
    ), done.stderr
    if preparation is None:
        make_room(place)
    again = lading([*arguments, "--level", "fast"], project.root)
    assert 0 == again.code, again.stderr
    assert tarball(installed).read_bytes() == (output / tarball(installed).name).read_bytes()


def test_a_full_disk_when_fetching(
    origin: Project, small_disk: tuple[Path, Callable[[], None] | None]
) -> None:
    """Where the archives do not fit, no part of one stays."""
    place, preparation = small_disk
    project = copy(origin, place / "project")
    done = lading(["install", ENVIRONMENT], project.root, preparation=preparation)
    assert (6, True, [], False) == (
        done.code,
        done.is_plain_error,
        half_done(place),
        project.prefix.exists(),
    )


def together(arguments: list[list[object]], directory: Path) -> list[Outcome]:
    """The outcomes of commands that run at once."""
    children = [start(each, directory) for each in arguments]
    outcomes = []
    for child in children:
        with child:
            stdout, stderr = child.communicate(timeout=PATIENCE_SECONDS)
        outcomes.append(Outcome(child.returncode, stdout, stderr))
    return outcomes


def test_two_installs_at_once(origin: Project, tmp_path: Path) -> None:
    """Both succeed: one waits for the other and takes its result."""
    project = copy(origin, tmp_path / "project")
    outcomes = together([["install", ENVIRONMENT]] * 2, project.root)
    verified = lading(["verify", ENVIRONMENT], project.root)
    assert ([0, 0], 0) == ([each.code for each in outcomes], verified.code)


def test_two_unpacks_at_once(installed: Project, tmp_path: Path) -> None:
    """One unpacks; the other waits for it and finds it there; nothing else is left."""
    arguments: list[object] = ["unpack", tarball(installed), tmp_path / "env"]
    outcomes = together([arguments] * 2, tmp_path)
    verified = lading(["verify", tmp_path / "env"], tmp_path)
    assert ([0, 0], 0, ["env"]) == (
        sorted(each.code for each in outcomes),
        verified.code,
        [path.name for path in tmp_path.iterdir()],
    )


def test_a_command_under_nohup_goes_on(installed: Project, tmp_path: Path) -> None:
    """Who asked for a hang-up to be ignored gets the work done."""
    with start(
        ["unpack", tarball(installed), tmp_path / "env"],
        tmp_path,
        preparation=lambda: (signal.signal(signal.SIGHUP, signal.SIG_IGN), None)[1],
    ) as child:
        while not any(tmp_path.iterdir()) and child.poll() is None:
            time.sleep(0.001)
        child.send_signal(signal.SIGHUP)
        child.communicate(timeout=PATIENCE_SECONDS)
    assert 0 == child.returncode
