"""`lading unpack` by processes: whatever happens to one of them, nothing half is left."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from lading.pack.packer import Packed
from simulators.command import child_environment
from simulators.handmade import file, pack, payload
from simulators.versions import leftovers, small_disk

LIMIT_SECONDS = 60
SIZE = 200 << 20


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    """A tarball with one large file."""
    return pack(tmp_path_factory.mktemp("tarball"), payload(file("lib/large", bytes(SIZE))))


@contextmanager
def unpacking(packed: Packed, place: Path, *options: object) -> "Iterator[subprocess.Popen[str]]":
    """`lading unpack` to `place/env` by three workers, in a process group of its own."""
    program = "from lading.cli.app import main; main()"
    arguments = ["-q", "unpack", "-j3", "--no-sync", *options, packed.plan.tarball, place / "env"]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        env=child_environment(place),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def workers(process: "subprocess.Popen[str]") -> list[int]:
    """The workers, as soon as there are three; none where it was faster."""
    end = time.monotonic() + LIMIT_SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text("utf-8")
        except OSError:
            break
        if len(text.split()) == 3:
            return [int(word) for word in text.split()]
        time.sleep(0.001)
    pytest.skip("it was done before its workers were seen")


def test_a_killed_worker(packed: Packed, tmp_path: Path) -> None:
    """An error that says what to do; the other workers and all files are gone."""
    with unpacking(packed, tmp_path) as process:
        found = workers(process)
        os.kill(found[1], signal.SIGKILL)
        _, errors = process.communicate(timeout=LIMIT_SECONDS)
    assert (71, True) == (process.returncode, "was killed by signal 9" in errors), errors
    assert "Traceback" not in errors
    assert [] == list(tmp_path.iterdir())
    assert not any(Path(f"/proc/{worker}").exists() for worker in found)


def test_a_killed_worker_and_a_store(packed: Packed, tmp_path: Path) -> None:
    """Neither the package nor the name appears; the next run is told nothing of it."""
    options = ("--store", tmp_path / "store")
    with unpacking(packed, tmp_path, *options) as process:
        os.kill(workers(process)[0], signal.SIGKILL)
        _, errors = process.communicate(timeout=LIMIT_SECONDS)
    assert (71, True) == (process.returncode, "was killed by signal 9" in errors), errors
    stored = [path for path in (tmp_path / "store").rglob("*") if path.is_file()]
    assert ([], False) == (
        [path for path in stored if path.stat().st_size >= SIZE],
        os.path.lexists(tmp_path / "env"),
    )
    assert [] == leftovers(tmp_path)
    with unpacking(packed, tmp_path, *options) as process:
        _, errors = process.communicate(timeout=LIMIT_SECONDS)
    assert (0, SIZE) == (process.returncode, (tmp_path / "env/lib/large").stat().st_size), errors


def test_an_interrupt(packed: Packed, tmp_path: Path) -> None:
    """Ctrl-C goes to all processes; there is one end, and nothing half."""
    with unpacking(packed, tmp_path) as process:
        found = workers(process)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=LIMIT_SECONDS)
    assert (130, False) == (process.returncode, "Traceback" in errors), errors
    assert [] == list(tmp_path.iterdir())
    assert not any(Path(f"/proc/{worker}").exists() for worker in found)


def test_a_disk_that_fills_up(packed: Packed, tmp_path: Path) -> None:
    """Exit code 8, by whichever worker meets it; there was room when it began."""
    disk = tmp_path / "disk"
    with small_disk(disk, kilobytes=220_000):
        with unpacking(packed, disk) as process:
            workers(process)
            with (disk / "other").open("wb") as other, suppress(OSError):
                while True:
                    os.posix_fallocate(other.fileno(), os.fstat(other.fileno()).st_size, 1 << 22)
            _, errors = process.communicate(timeout=LIMIT_SECONDS)
        left = [path.name for path in disk.iterdir()]
    if process.returncode == 0:
        pytest.skip("it was done before the disk was full")
    assert (8, True) == (process.returncode, "No space left on device" in errors), errors
    assert ["other"] == left
