"""Faults while an environment is installed: never a prefix that looks complete, then success."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from simulators.channel import File, Package
from simulators.command import start
from simulators.engine_project import ENGINES, HARD_PACKAGES, EngineProject
from simulators.faults import Fault, serve_faults
from simulators.launcher import Launcher
from simulators.project import ENVIRONMENT

MOMENTS = 18
# Before, the signal may come to a process that does not run lading yet.
EARLIEST_SECONDS = 0.02

engines = pytest.mark.parametrize("engine", ENGINES)
MOUNT = shutil.which("mount", path="/usr/sbin:/usr/bin:/sbin:/bin")


def files_of(project: EngineProject) -> dict[str, bytes]:
    """What a web server must hold to be the channel of `project`."""
    root = project.base.channel.root
    return {f"/{path.relative_to(root)}": path.read_bytes() for path in root.rglob("*.*")}


def assert_absent(project: EngineProject) -> None:
    """There is neither a prefix nor anything that says so."""
    assert (False, False) == (project.is_complete, project.prefix.exists())


def assert_whole(project: EngineProject) -> None:
    """The next installation succeeds, and all of it is there."""
    done = project.install()
    assert done.code == 0, done.stderr
    assert project.lading("verify", ENVIRONMENT).code == 0


@engines
@pytest.mark.parametrize(
    ("fault", "code"), [(Fault.DROP, 0), (Fault.SLOW, 0), (Fault.WRONG, 7), (Fault.HALF, 7)]
)
def test_a_server_that_misbehaves(tmp_path: Path, fault: Fault, code: int, engine: str) -> None:
    """A bad connection is overcome; wrong bytes are refused; another server puts it right."""
    project = EngineProject.of(tmp_path / "project", engine)
    files = files_of(project)
    always = None if fault is Fault.DROP else fault
    with serve_faults(files, [Fault.DROP] * 5 if fault is Fault.DROP else [], always) as server:
        project.use_mirror(server.url)
        done = project.install()
    assert code == done.code, done.stderr
    if code:
        assert done.is_plain_error
        assert_absent(project)
        with serve_faults(files) as server:
            project.use_mirror(server.url)
            assert_whole(project)


@engines
def test_a_cache_that_cannot_be_written(tmp_path: Path, engine: str) -> None:
    """Where nothing can be kept, that is said, and no prefix is left."""
    project = EngineProject.of(tmp_path / "project", engine)
    assert project.install().code == 0
    with read_only(project.base.tree.package_cache):
        done = project.lading("install", ENVIRONMENT, "--no-bytecode", "--force")
    assert (8, True) == (done.code, done.is_plain_error), done.stderr
    assert_absent(project)
    assert_whole(project)


@contextmanager
def read_only(directory: Path) -> Iterator[None]:
    """A directory that cannot be written while the block runs, not even by root."""
    if os.geteuid() != 0:
        mode = directory.stat().st_mode
        directory.chmod(0o555)
        try:
            yield
        finally:
            directory.chmod(mode)
        return
    if MOUNT is None or not mounted("--bind", directory, directory):
        pytest.skip("nothing can be mounted here")
    try:
        if not mounted("-o", "remount,ro,bind", directory):
            pytest.skip("nothing can be mounted here")
        yield
    finally:
        subprocess.run(["umount", directory], check=True)


def mounted(*arguments: object) -> bool:
    """Whether mounting succeeded."""
    return subprocess.run([MOUNT, *arguments], check=False, capture_output=True).returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A directory with a file system of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0 or MOUNT is None:
        pytest.skip("only root mounts a small disk")
    if not mounted("-t", "tmpfs", "-o", "size=24m", "tmpfs", place):
        pytest.skip("nothing can be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@engines
def test_a_disk_that_fills_up(small_disk: Path, tmp_path: Path, engine: str) -> None:
    """Wherever it is full, that is said and nothing looks complete; with room it succeeds."""
    chance = random.Random(7)
    blob = Package(name="blob", files={"lib/blob": File(chance.randbytes(1 << 20), text=True)})
    project = EngineProject.of(tmp_path / "project", engine, (*HARD_PACKAGES, blob))
    for name in ("lading.toml", "locks"):
        copy = shutil.copytree if (project.root / name).is_dir() else shutil.copy
        copy(project.root / name, small_disk / name)
    small = EngineProject(type(project.base)(small_disk, project.base.channel), project.variables)
    ballast = small_disk / "ballast"
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    codes = set()
    for room in (200_000, *(chance.randrange(300_000, 6_000_000) for _ in range(4))):
        for name in (".lading", "build"):
            shutil.rmtree(small_disk / name, ignore_errors=True)
        ballast.write_bytes(b"\1" * (free - room))
        done = small.install()
        codes.add(done.code)
        if done.code:
            assert done.is_plain_error, done.stderr
            assert_absent(small)
        ballast.unlink()
    assert_whole(small)
    assert codes & {5, 6, 8}
    assert codes <= {0, 5, 6, 7, 8}


@engines
def test_killed_at_any_moment(tmp_path: Path, engine: str) -> None:
    """After SIGKILL, SIGTERM and SIGINT at random moments nothing half done looks complete."""
    project = EngineProject.of(tmp_path / "project", engine)
    chance = random.Random(engine)
    signals = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
    command = ("install", ENVIRONMENT, "--no-bytecode")
    with Launcher.start(project.root, project.variables) as launcher:
        longest = launcher.run(*command).seconds
        for number in range(int(os.environ.get("LADING_TEST_MOMENTS", MOMENTS))):
            if number % 3 == 0:
                shutil.rmtree(project.root / ".lading", ignore_errors=True)
            if project.is_complete:
                shutil.rmtree(project.prefix.parent)
            was_there = project.prefix.exists()
            moment = chance.uniform(EARLIEST_SECONDS, 1.2 * longest)
            done = launcher.run(*command, kill_after=moment, number=signals[number % 3])
            assert "internal error" not in done.output, done.output
            if project.is_complete:
                assert launcher.run("verify", ENVIRONMENT).code == 0
            elif done.code in {143, 130}:
                # What a killed one left may be there still, if this one did not get to it.
                assert was_there or not project.prefix.exists()
            else:
                assert done.code in {-signal.SIGKILL, -signal.SIGTERM}, done.output
    assert_whole(project)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_signals_reach_the_engines_children(tmp_path: Path, number: signal.Signals) -> None:
    """What the engine started is gone when lading is."""
    project = EngineProject.of(tmp_path / "project", "embedded")
    note = tmp_path / "note"
    program = tmp_path / "micromamba"
    program.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = --version ]; then echo 2.8.1; exit; fi\n'
        f"echo $$ > {note}.part; mv {note}.part {note}\n"
        "exec sleep 60\n"
    )
    program.chmod(0o755)
    variables = {"LADING_ENGINE": "micromamba", "LADING_MICROMAMBA": str(program)}
    with start(["install", ENVIRONMENT, "--no-bytecode"], project.root, variables) as child:
        deadline = time.monotonic() + 30
        while not note.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        child.send_signal(number)
        child.communicate(timeout=30)
    process = Path(f"/proc/{note.read_text().strip()}")
    deadline = time.monotonic() + 5
    while is_alive(process) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_alive(process)
    assert not project.is_complete


def is_alive(process: Path) -> bool:
    """Whether a process runs; one that waits to be reaped does not."""
    try:
        return ") Z " not in (process / "stat").read_text()
    except OSError:
        return False
