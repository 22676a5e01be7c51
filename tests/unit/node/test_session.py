"""Once a node: who delivers, who joins, what remains after the last and after killed ones."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lading.node.session import session_directory
from simulators.command import child_environment

PROGRAM = """
import os, sys, time
from dataclasses import dataclass
from pathlib import Path
from lading.errors import DigestMismatchError, LadingError
from lading.node.keeper import Place, Refused
from lading.node.session import join

directory, what = Path(sys.argv[1]), sys.argv[2]

@dataclass(frozen=True)
class Fake:
    name: str
    reason: str = ""
    fails: str = ""
    def check(self):
        if self.reason:
            raise Refused(self.reason)
    def deliver(self, scratch):
        with open(directory.parent / "deliveries", "a") as stream:
            stream.write(self.name + chr(10))
        time.sleep(0.05)
        if self.fails:
            raise Refused(self.fails)
        if what == "die":
            os.kill(os.getpid(), 9)
        state = scratch / "env/conda-meta/lading/state.json"
        state.parent.mkdir(parents=True)
        state.write_text("{}")
        served = ("/bin/sleep", "60") if what == "served" else ()
        return Place(prefix=scratch / "env", serve=served)
    def end(self, place):
        with open(directory.parent / "ends", "a") as stream:
            stream.write(self.name + chr(10))

def check():
    with open(directory.parent / "checks", "a") as stream:
        stream.write("x")
    if what == "bad":
        raise DigestMismatchError("another image")

ways = (Fake("closed", reason="not here"), Fake("broken", fails="tried in vain"), Fake("open"))
try:
    session = join(directory, ways[:2] if what == "hopeless" else ways, check)
except LadingError as error:
    print(error, error.details, flush=True)
    sys.exit(error.exit_code)
print(session.how, session.delivered, session.refusals, (session.prefix / "conda-meta").is_dir())
sys.stdout.flush()
os.execv("/bin/cat", ["cat"])
"""


class Users:
    """Processes that join one session, and end when they are told to."""

    def __init__(self, root: Path, stack: ExitStack) -> None:
        """No user yet; the session lies below `root`."""
        self.directory = root / "session"
        self.root = root
        self._stack = stack

    def start(self, what: str = "") -> "subprocess.Popen[str]":
        """A process that joins, then becomes a program that reads its standard input."""
        child = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, self.directory, what],
            env=child_environment(self.root),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._stack.callback(end, child)
        return child

    def joined(self, what: str = "") -> "tuple[subprocess.Popen[str], str]":
        """A process that has joined, and what it said."""
        child = self.start(what)
        return child, said(child)

    def lines(self, name: str) -> int:
        """How often something was noted."""
        path = self.root / name
        return len(path.read_text().split()) if path.exists() else 0

    def record(self) -> dict[str, object]:
        """What the keeper says."""
        found = json.loads((self.directory / "record").read_text())
        assert isinstance(found, dict)
        return found


def said(child: "subprocess.Popen[str]") -> str:
    """The first line of a process."""
    assert child.stdout is not None
    return child.stdout.readline().strip()


def end(child: "subprocess.Popen[str]") -> None:
    """End a process in peace, as one that has done its work."""
    for stream in (child.stdin, child.stdout):
        if stream is not None and not stream.closed:
            stream.close()
    child.wait(timeout=30)


def until(holds: Callable[[], bool]) -> bool:
    """Whether something comes true within seconds."""
    limit = time.monotonic() + 20
    while not holds() and time.monotonic() < limit:
        time.sleep(0.01)
    return holds()


@pytest.fixture
def users(tmp_path: Path) -> Iterator[Users]:
    """Users of a session, all of which end with the test."""
    with ExitStack() as stack:
        yield Users(tmp_path, stack)


def test_the_first_delivers(users: Users) -> None:
    """What is not possible is passed over, and told."""
    _, line = users.joined()
    refusals = "(('closed', 'not here'), ('broken', 'tried in vain'))"
    assert f"open True {refusals} True" == line


def test_the_second_joins(users: Users) -> None:
    """Nothing is delivered, or checked, a second time."""
    users.joined()
    _, line = users.joined()
    assert ("open False () True", 2, 1) == (line, users.lines("deliveries"), users.lines("checks"))


def test_the_last_one_ends_it(users: Users) -> None:
    """With its last user the session is gone, whoever began it."""
    first, _ = users.joined()
    second, _ = users.joined()
    end(first)
    time.sleep(0.1)
    assert (True, 0) == ((users.directory / "record").exists(), users.lines("ends"))
    end(second)
    assert until(lambda: not users.directory.exists())
    assert 1 == users.lines("ends")


def test_many_at_once(users: Users) -> None:
    """Of 64 ranks at once one delivers; all see the environment."""
    children = [users.start() for _ in range(64)]
    lines = [said(child) for child in children]
    assert (64, 1, 1) == (
        sum(line.startswith("open") and line.endswith("True") for line in lines),
        sum("open True" in line for line in lines),
        users.lines("checks"),
    )


def test_a_killed_user(users: Users) -> None:
    """A user that is killed counts no more; the one who came first is no other than the rest."""
    first, _ = users.joined()
    second, _ = users.joined()
    first.kill()
    first.wait()
    third, line = users.joined()
    assert "open False () True" == line
    for child in (second, third):
        child.kill()
        child.wait()
    assert until(lambda: not users.directory.exists())


def test_a_killed_keeper(users: Users) -> None:
    """The next one notices and delivers again; who was there before is not disturbed."""
    first, _ = users.joined()
    before = users.record()
    os.kill(int(str(before["keeper"])), signal.SIGKILL)
    time.sleep(0.2)
    second, line = users.joined()
    assert ("open True" in line, True) == (True, Path(str(before["prefix"]), "conda-meta").is_dir())
    for child in (first, second):
        end(child)
    assert until(lambda: not users.directory.exists())


def test_a_killed_server(users: Users) -> None:
    """A keeper whose file system is served no more is replaced."""
    users.joined("served")
    with (users.directory / "server").open() as lock:
        found = [
            int(line.split()[4])
            for line in Path("/proc/locks").read_text().splitlines()
            if line.split()[5].endswith(f":{os.fstat(lock.fileno()).st_ino}")
        ]
    for process in found:
        os.kill(process, signal.SIGKILL)
    assert found
    _, line = users.joined("served")
    assert "open True" in line


def test_a_delivery_that_dies(users: Users) -> None:
    """A keeper that is killed while it delivers is a way that was not possible."""
    child, line = users.joined("die")
    assert (8, True) == (child.wait(timeout=30), "the process that should keep it ended" in line)


def test_no_way(users: Users) -> None:
    """Where nothing is possible every reason is told, and nothing remains."""
    child, line = users.joined("hopeless")
    assert (8, True, True, False) == (
        child.wait(timeout=30),
        "closed: not here" in line,
        "broken: tried in vain" in line,
        users.directory.exists(),
    )


def test_a_check_that_fails(users: Users) -> None:
    """What was asked for is compared before anything is delivered."""
    child, _ = users.joined("bad")
    assert (7, 0) == (child.wait(timeout=30), users.lines("deliveries"))
    assert "open True" in users.joined()[1]


def test_a_user_that_comes_while_it_ends(users: Users) -> None:
    """Whoever comes when the keeper is about to end waits for that, and begins a new session."""
    users.directory.mkdir()
    with (users.directory / "users").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        child = users.start()
        time.sleep(0.3)
        assert 0 == users.lines("deliveries")
    assert "open True" in said(child)


def test_the_directory_is_private(tmp_path: Path) -> None:
    """It lies below a directory of the user's own that nobody else can enter."""
    directory = session_directory({"TMPDIR": str(tmp_path)}, "key")
    assert (tmp_path / f"lading-{os.geteuid()}/key", 0o700) == (
        directory,
        directory.parent.stat().st_mode & 0o777,
    )


def test_a_directory_that_was_planted(tmp_path: Path) -> None:
    """A link in its place is passed by: somebody else may have put it there."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"lading-{os.geteuid()}").symlink_to(tmp_path / "elsewhere")
    directory = session_directory({"TMPDIR": str(tmp_path)}, "key-of-a-test")
    assert not directory.is_relative_to(tmp_path)
    directory.rmdir()
