"""The keeper of a session: a small process that holds an environment in place for its users.

It delivers, says so, and waits for the exclusive lock on `users`, which it gets when the last user
has ended. What serves a FUSE file system is another process, outside of the keeper's namespaces.
"""

import fcntl
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Never, Protocol

import msgspec

from lading.errors import LadingError
from lading.format import STATE_PATH
from lading.system import decode_json, write_atomically

if TYPE_CHECKING:  # who joins needs none
    from socket import socket

READY_SECONDS = 120.0
"""A keeper that has not delivered by then is given up: unpacking takes seconds."""


class Refused(Exception):  # noqa: N818  # it is an answer, and nothing went wrong
    """A way of delivering is not possible here; the message is the reason."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a delivery has put the environment.

    Attributes:
        prefix: As those see it who joined.
        namespace: Whether they must enter the keeper's mount namespace for it.
        user: Whether its user namespace, too.
        serve: What to run for as long as anybody uses it, or empty; `{}` stands for `descriptor`.
        descriptor: Open file that `serve` gets.
        is_right: Says of the prefix, once something is there, whether it is what was promised.
        wrapper: What must stand before each program, which alone sees the prefix then.
    """

    prefix: Path
    namespace: bool = False
    user: bool = False
    serve: tuple[str, ...] = ()
    descriptor: int | None = None
    is_right: Callable[[Path], bool] = lambda _prefix: True
    wrapper: tuple[str, ...] = ()


class Delivery(Protocol):
    """A way of bringing an environment to its users; a keeper uses it."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    def check(self) -> None:
        """Find out cheaply that it need not be tried at all.

        Raises:
            Refused: It need not.
        """
        ...

    def deliver(self, scratch: Path) -> Place:
        """Begin to deliver, in a process of its own; `scratch` is an empty directory.

        Raises:
            OSError: It is not possible here.
            Refused: The same.
            LadingError: The image is damaged.
        """
        ...

    def end(self, place: Place) -> None:
        """Take away what would stay when every process has ended."""
        ...


class Record(msgspec.Struct, frozen=True):
    """What the keeper of a session says of it."""

    keeper: int
    how: str
    prefix: str
    namespace: bool
    user: bool
    served: bool
    wrapper: tuple[str, ...]


class _Failure(msgspec.Struct, frozen=True):
    """Why a keeper has not delivered; empty where it has."""

    error: str = ""


def start_keeper(directory: Path, delivery: Delivery) -> "Record | str":
    """Start a keeper; what it says once the environment is there, or why it will not be."""
    try:
        delivery.check()
    except Refused as refusal:
        return str(refusal)
    # Another one than that of a keeper that was killed: its users may be there still.
    import tempfile  # noqa: PLC0415  # not for who joins

    scratch = Path(tempfile.mkdtemp(prefix="scratch-", dir=directory))
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _leave(directory, scratch, delivery, writing)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as stream:
        answer = stream.read()
    if not answer:
        return _last_words(directory) or "the process that should keep it ended"
    error = decode_json(answer, _Failure).error
    if error:
        words = _last_words(directory)
        return f"{error}{f' ({words})' if words else ''}"
    return decode_json(answer, Record)


def _last_words(directory: Path) -> str:
    with suppress(OSError):
        lines = (directory / "log").read_text("utf-8", "replace").splitlines()
        return lines[-1].strip() if lines else ""
    return ""


def _leave(directory: Path, scratch: Path, delivery: Delivery, writing: int) -> Never:
    """In a child: leave the terminal, and go on as two processes that nobody waits for.

    One of them becomes the program that serves, outside of the namespaces of the other, the keeper:
    so they end with their last user, and it ends with them.
    """
    code = 1
    try:
        os.setsid()
        if os.fork() != 0:
            os._exit(0)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _forget_files(directory, writing)
        import socket  # noqa: PLC0415  # not for who joins

        ours, theirs = socket.socketpair()
        if os.fork() == 0:
            ours.close()
            _keep(directory, scratch, delivery, theirs, writing)
        theirs.close()
        os.close(writing)
        _serve(directory, ours)
        code = 0
    finally:
        os._exit(code)


def _forget_files(directory: Path, writing: int) -> None:
    """Let go of everything that was inherited but one descriptor, above all of locks."""
    log = os.open(directory / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.dup2(log, 2)
    limit = min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 1 << 20)
    os.closerange(3, writing)
    os.closerange(writing + 1, limit)
    os.chdir("/")


def _serve(directory: Path, ours: "socket") -> None:
    """Become the program that serves, once the keeper has said which."""
    import socket  # noqa: PLC0415  # not for who joins

    message, descriptors, _, _ = socket.recv_fds(ours, 1 << 16, 1)
    if not message:
        return
    lock = open_lock(directory / "server")
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.set_inheritable(lock, True)  # noqa: FBT003
    for descriptor in descriptors:
        os.set_inheritable(descriptor, True)  # noqa: FBT003
    argv = [
        item.replace("{}", str(descriptors[0])) if descriptors else item
        for item in decode_json(message, tuple[str, ...])
    ]
    ours.send(b"1")
    ours.close()
    os.execv(argv[0], argv)  # noqa: S606  # no shell on purpose


def _keep(
    directory: Path, scratch: Path, delivery: Delivery, theirs: "socket", writing: int
) -> Never:
    """Deliver, say so, wait until nobody uses it, end."""
    code = 1
    try:
        lock = open_lock(directory / "keeper")
        fcntl.flock(lock, fcntl.LOCK_EX)
        users = open_lock(directory / "users")
        try:
            place = _delivered(directory, scratch, delivery, theirs)
        except (OSError, Refused, LadingError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            os.write(writing, msgspec.json.encode(_Failure(reason)))
            remove_all(scratch)
        else:
            _hold(directory, delivery, place, writing, users)
        code = 0
    finally:
        os._exit(code)


def _delivered(directory: Path, scratch: Path, delivery: Delivery, theirs: "socket") -> Place:
    place = delivery.deliver(scratch)
    try:
        _have_served(place, theirs)
        if not place.wrapper:
            _wait_for(place.prefix / STATE_PATH, directory, place)
    except BaseException:
        with suppress(LadingError):
            delivery.end(place)
        raise
    return place


def _hold(directory: Path, delivery: Delivery, place: Place, writing: int, users: int) -> None:
    """Say where the environment is, and take it away when nobody uses it any more."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        _say(directory, delivery.name, place, writing)
        os.close(writing)
        fcntl.flock(users, fcntl.LOCK_EX)
    finally:
        with suppress(LadingError):
            delivery.end(place)
        _tidy(directory)


def _have_served(place: Place, theirs: "socket") -> None:
    if place.serve:
        descriptors = [place.descriptor] if place.descriptor is not None else []
        import socket  # noqa: PLC0415  # not for who joins

        socket.send_fds(theirs, [msgspec.json.encode(place.serve)], descriptors)
        theirs.recv(1)
    theirs.close()
    if place.descriptor is not None:
        # The last copy belongs to the program: when it ends, the mount says so.
        os.close(place.descriptor)


def _wait_for(path: Path, directory: Path, place: Place) -> None:
    """Wait until the environment is there.

    Raises:
        Refused: The program that should serve it has ended, or takes too long; or it is another.
        OSError: It cannot be looked at.
    """
    until = time.monotonic() + READY_SECONDS
    while not path.is_file():
        if place.serve and not is_locked(directory / "server"):
            raise Refused(f"{Path(place.serve[0]).name} ended")
        if not place.serve or time.monotonic() > until:
            raise Refused(f"{path} did not appear")
        time.sleep(0.002)
    if not place.is_right(place.prefix):
        raise Refused("another environment was there than the one that was asked for")


def _say(directory: Path, how: str, place: Place, writing: int) -> None:
    record = Record(
        keeper=os.getpid(),
        how=how,
        prefix=str(place.prefix),
        namespace=place.namespace,
        user=place.user,
        served=bool(place.serve),
        wrapper=place.wrapper,
    )
    document = msgspec.json.encode(record)
    write_atomically(directory / "record", document)
    os.write(writing, document)


def remove_all(directory: Path) -> None:
    """Remove a directory, as far as that is possible."""
    import shutil  # noqa: PLC0415  # not for who joins

    shutil.rmtree(directory, ignore_errors=True)


def open_lock(path: Path) -> int:
    """Open the file that a lock is on, made where it is missing."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def try_lock(descriptor: int, kind: int) -> bool:
    """Get a lock if that is possible at once; whether it was."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_locked(path: Path) -> bool:
    """Whether some process holds the lock on `path`."""
    descriptor = open_lock(path)
    try:
        return not try_lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _tidy(directory: Path) -> None:
    """Remove the session, unless somebody is about to begin another in its directory."""
    (directory / "record").unlink(missing_ok=True)
    for scratch in directory.glob("scratch-*"):
        remove_all(scratch)
    descriptor = open_lock(directory / "lock")
    if try_lock(descriptor, fcntl.LOCK_EX):
        remove_all(directory)
    os.close(descriptor)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the exclusive lock on `path`, waited for."""
    descriptor = open_lock(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
