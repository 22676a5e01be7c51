"""Once a node: one process delivers an environment, others join, the last one ends it.

A session is a directory. Who uses the environment holds a shared lock on `users`; a keeper, a small
process in the background, holds the environment in place and waits for the exclusive one. The
system lets go of a lock when its holder ends, however it ends: so the last user is noticed even if
killed, and so is a killed keeper, whose users go on while the next one delivers again.

    users    shared by everybody who uses the environment; programs inherit it
    lock     held while somebody joins or delivers
    keeper   held by the keeper
    server   held by the program that serves a FUSE file system, where there is one
"""

import fcntl
import os
import signal
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from lading.errors import PrefixError
from lading.node.keeper import (
    Delivery,
    Record,
    is_locked,
    locked,
    open_lock,
    remove_all,
    start_keeper,
    try_lock,
)
from lading.node.namespace import enter, regain_identity
from lading.system import decode_json, network_file_system


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What this process has joined; it lasts until this process and its children have ended.

    Attributes:
        prefix: Where the environment lies, for this process.
        how: Name of the delivery.
        delivered: Whether this process was the first, and had it delivered.
        refusals: Name and reason of each way that was tried before.
        wrapper: What must stand before each program, or empty.
    """

    prefix: Path
    how: str
    delivered: bool
    refusals: tuple[tuple[str, str], ...]
    wrapper: tuple[str, ...]


def session_directory(variables: Mapping[str, str], key: str) -> Path:
    """Create the directory of the session `key`, unless it exists; return it.

    Raises:
        PrefixError: This machine has no directory that only this user may write to.
    """
    reasons = []
    for base in dict.fromkeys((variables.get("TMPDIR") or "/tmp", "/tmp", "/dev/shm")):  # noqa: S108  # made private below
        own = Path(base) / f"lading-{os.geteuid()}"
        try:
            with suppress(FileExistsError):
                own.mkdir(mode=0o700)
            status = own.lstat()
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
                reasons.append(f"{own} belongs to somebody else")
            elif network_file_system(own):
                reasons.append(f"{own} lies on a network file system")
            else:
                own.chmod(0o700)
                directory = own / key
                directory.mkdir(exist_ok=True)
                return directory
        except OSError as error:
            reasons.append(f"{own}: {error.strerror}")
    raise PrefixError(
        "no directory of this machine can be shared by your processes alone",
        hint="let TMPDIR name a directory on a local disk",
        details=tuple(reasons),
    )


def join(
    directory: Path,
    deliveries: tuple[Delivery, ...],
    check: Callable[[], None] = lambda: None,
) -> Session:
    """Join the session in `directory`; the first process that does so delivers the environment.

    Afterwards this process sees the environment. It may enter namespaces for that, and so must have
    only one thread.

    Args:
        directory: See `session_directory`.
        deliveries: In the order in which they are tried.
        check: Called by the first process, before the environment is delivered.

    Raises:
        PrefixError: None of `deliveries` is possible; the details say why.
        LadingError: `check` refused it.
    """
    while True:
        with _locked_session(directory):
            users = open_lock(directory / "users")
            if try_lock(users, fcntl.LOCK_SH):
                record = _living(directory)
                delivered = record is None
                refusals: tuple[tuple[str, str], ...] = ()
                try:
                    if record is None:
                        check()
                        record, refusals = _deliver(directory, deliveries)
                except BaseException:
                    # Unless users of a keeper that was killed are left; who waits makes a new one.
                    if try_lock(users, fcntl.LOCK_EX):
                        remove_all(directory)
                    os.close(users)
                    raise
                _enter(record)
                # It outlives `exec`: whatever this process becomes, and its children, are users.
                os.set_inheritable(users, True)  # noqa: FBT003
                return Session(
                    prefix=Path(record.prefix),
                    how=record.how,
                    delivered=delivered,
                    refusals=refusals,
                    wrapper=record.wrapper,
                )
        # The keeper is about to end; when it has, its place is free.
        fcntl.flock(users, fcntl.LOCK_SH)
        os.close(users)


def _enter(record: Record) -> None:
    if record.namespace:
        uid, gid = os.geteuid(), os.getegid()
        enter(record.keeper, user=record.user)
        if record.user:
            regain_identity(uid, gid)


def _living(directory: Path) -> Record | None:
    """What the keeper says, if it and what it started are alive; else tidy up after them."""
    alive = is_locked(directory / "keeper")
    record = None
    with suppress(OSError, msgspec.DecodeError):
        record = decode_json((directory / "record").read_bytes(), Record)
    if alive and record is not None and (not record.served or is_locked(directory / "server")):
        return record
    if alive and record is not None:
        with suppress(ProcessLookupError):
            os.kill(record.keeper, signal.SIGTERM)
        with locked(directory / "keeper"):
            pass
    (directory / "record").unlink(missing_ok=True)
    return None


def _deliver(
    directory: Path, deliveries: tuple[Delivery, ...]
) -> tuple[Record, tuple[tuple[str, str], ...]]:
    refusals: list[tuple[str, str]] = []
    for delivery in deliveries:
        reason = start_keeper(directory, delivery)
        if isinstance(reason, Record):
            return reason, tuple(refusals)
        refusals.append((delivery.name, reason))
    raise PrefixError(
        "there is no way to bring the environment here",
        hint="see `lading preflight`; or unpack a tarball of the environment",
        details=tuple(f"{name}: {reason}" for name, reason in refusals),
    )


@contextmanager
def _locked_session(directory: Path) -> Iterator[None]:
    """Hold the lock of a session; the last keeper may have removed its directory meanwhile."""
    path = directory / "lock"
    while True:
        with suppress(FileNotFoundError):
            directory.mkdir(mode=0o700, exist_ok=True)
            descriptor = open_lock(path)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_at(descriptor, path):
                break
            os.close(descriptor)
    try:
        yield
    finally:
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    return False
