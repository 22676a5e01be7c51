"""Jobs done by processes, or by threads where no process can be forked."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import lading
from lading.errors import DigestMismatchError
from lading.system.workers import Job, can_fork, run_jobs, spread

PRELUDE = """
import os, signal, sys, time
from pathlib import Path
from lading.errors import DigestMismatchError, LadingError
from lading.system import run_jobs, spread
from lading.system.workers import can_fork
assert can_fork()
"""


def run(program: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """A process without threads, as the command is one: these tests run where there are some."""
    return subprocess.run(
        [sys.executable, "-c", PRELUDE + program, *map(str, arguments)],
        env={"PYTHONPATH": str(Path(lading.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def said(program: str, *arguments: object) -> str:
    """What a program wrote that must succeed."""
    done = run(program, *arguments)
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_every_item_is_worked_on_once(workers: int) -> None:
    """Results come in any order."""
    found: list[int] = []
    spread(lambda item: item * item, range(50), workers, found.append)
    assert [item * item for item in range(50)] == sorted(found)


def test_items_are_worked_on_by_processes() -> None:
    """By as many as were asked for, none of them this one; none is left behind."""
    program = """
found = []
spread(lambda item: (time.sleep(0.05), os.getpid())[1], range(12), 3, found.append)
print(len(found), len(set(found)), os.getpid() in found)
try:
    os.waitpid(-1, 0)
except ChildProcessError:
    print("none left")
"""
    assert "12 3 False\nnone left\n" == said(program)


def test_no_more_workers_start_than_there_are_jobs_for() -> None:
    """One job needs one."""
    program = """
found = []
spread(lambda item: os.getpid(), range(1), 8, found.append)
print(found == [os.getpid()])
"""
    assert "True\n" == said(program)


def test_where_there_are_threads_nothing_is_forked() -> None:
    """A lock that another thread holds would stay locked in a child."""
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    found: list[int] = []
    try:
        assert not can_fork()
        spread(lambda _item: os.getpid(), range(4), 2, found.append)
    finally:
        stop.set()
        thread.join()
    assert {os.getpid()} == set(found)


@pytest.mark.parametrize("workers", [1, 3])
def test_jobs_may_follow_from_results(workers: int) -> None:
    """Each result makes another job until there are enough; bytes go with them."""
    waiting: list[Job] = [(1, b"a"), (2, b"b")]
    done: list[tuple[int, bytes]] = []

    def told(number: int, data: bytes) -> None:
        done.append((number, data))
        if number < 10:
            waiting.append((number + 2, data + data[:1]))

    run_jobs(
        lambda _number, data: data * 2, lambda: waiting.pop() if waiting else None, told, workers
    )
    assert list(range(1, 12)) == sorted(number for number, _ in done if number < 12)


def test_large_data_goes_to_a_worker() -> None:
    """More than a pipe holds."""
    program = """
jobs = [(number, bytes([number]) * 9_000_000) for number in range(4)]
found = []
run_jobs(
    lambda number, data: (number, len(data), data[:1] == data[-1:] == bytes([number])),
    lambda: jobs.pop() if jobs else None,
    lambda number, result: found.append(result),
    2,
)
print(sorted(found))
"""
    assert str([(number, 9_000_000, True) for number in range(4)]) + "\n" == said(program)


def test_an_error_arrives_with_all_its_parts() -> None:
    """As if it had been raised here; the other workers are gone."""
    program = """
def work(item):
    if item == 3:
        raise DigestMismatchError("bad", hint="do it", expected="a", actual="b")
    time.sleep(30 if item == 4 else 0)
try:
    spread(work, range(20), 2, lambda _: None)
except DigestMismatchError as error:
    print(error, error.hint, error.expected, error.actual)
try:
    os.waitpid(-1, 0)
except ChildProcessError:
    print("none left")
"""
    assert "bad do it a b\nnone left\n" == said(program)


def test_an_error_of_the_system_arrives() -> None:
    """With its number and the file."""
    program = """
try:
    spread(lambda item: os.mkdir("/proc/x"), range(4), 2, lambda _: None)
except OSError as error:
    print(type(error).__name__, error.filename)
"""
    assert "FileNotFoundError /proc/x\n" == said(program)


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV", "SIGTERM"])
def test_a_killed_worker_is_told(name: str) -> None:
    """Most likely there was too little memory."""
    program = f"""
def work(item):
    if item == 5:
        os.kill(os.getpid(), signal.{name})
try:
    spread(work, range(10), 2, lambda _: None)
except LadingError as error:
    print(error.exit_code, str(error).rpartition(" ")[0], error.hint)
"""
    words = "use fewer workers (-j 1), or raise the memory limit"
    assert f"71 a worker process was killed by signal {words}\n" == said(program)


def test_an_interrupt_ends_the_workers() -> None:
    """Ctrl-C reaches all of them; only this process makes an error of it."""
    program = """
def work(item):
    time.sleep(30)
begin = time.monotonic()
if os.fork() == 0:
    time.sleep(0.5)
    os.kill(os.getppid(), signal.SIGINT)
    os._exit(0)
try:
    spread(work, range(10), 2, lambda _: None)
except KeyboardInterrupt:
    print("interrupted", time.monotonic() - begin < 20)
"""
    assert "interrupted True\n" == said(program)


def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    """However it ends: the system kills them."""
    program = """
def work(item):
    Path(sys.argv[1], str(os.getpid())).touch()
    time.sleep(60)
import threading
signal.setitimer(signal.ITIMER_REAL, 1)
signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
spread(work, range(10), 2, lambda _: None)
"""
    assert -9 == run(program, tmp_path).returncode
    workers = [path.name for path in tmp_path.iterdir()]
    assert 2 == len(workers)
    for _ in range(100):
        living = [name for name in workers if _state(name) not in {"", "Z"}]
        if not living:
            break
        threading.Event().wait(0.05)
    assert [] == living


def _state(process: str) -> str:
    """The letter of a process's state; empty where there is none."""
    try:
        text = Path(f"/proc/{process}/stat").read_text("utf-8")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[0]


def test_an_error_that_cannot_be_sent_is_told() -> None:
    """A mistake in the program, and no riddle."""
    program = """
class Odd(Exception):
    def __reduce__(self):
        raise ValueError
def work(item):
    raise Odd("what")
try:
    spread(work, range(4), 2, lambda _: None)
except RuntimeError as error:
    print(error)
"""
    assert "Odd('what')\n" == said(program)


def test_an_error_in_a_thread_is_raised() -> None:
    """Where nothing can be forked, too."""

    def work(item: int) -> None:
        if item == 2:
            raise DigestMismatchError("bad")

    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        with pytest.raises(DigestMismatchError):
            spread(work, range(8), 2, lambda _: None)
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_while_a_worker_starts(name: str) -> None:
    """A signal that comes within a fork ends the work, and is not forgotten."""
    program = """
number = getattr(signal, sys.argv[1])
def ended(*_):
    raise SystemExit(128 + number)
signal.signal(number, ended)
os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), number))
spread(lambda item: time.sleep(30), range(2), 2, print)
"""
    done = run(program, name)
    assert (128 + signal.Signals[name], "", "") == (done.returncode, done.stdout, done.stderr)
