"""Open and read what another user, or a hostile tarball, may have put there.

1. A record is read from a regular file of bounded size: a named pipe or a device behind its name
   would be waited for, or read, for ever.
2. A symbolic link is not followed, neither to read nor to lock: it may lead to any file.
3. A lock file is neither truncated nor taken over from another user.
4. What is shared between users counts only if we or root own it and nobody else may write to it.
5. JSON that is nested too deeply is malformed JSON, not a crash.
"""

import errno
import fcntl
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TypeVar, cast

import msgspec

LARGEST_RECORD = 1 << 28
"""Bytes: no record of lading is larger."""

Document = TypeVar("Document")

_building = Lock()
_decoders: dict[object, msgspec.json.Decoder[object]] = {}
"""Each made by one thread: msgspec 0.22 crashes where two at once are the first to read a type."""


def open_regular(path: Path | str, *, follow: bool = False) -> int:
    """Open a regular file for reading, without waiting; return its descriptor.

    `follow` says whether `path` may be a symbolic link, as one that a user names may.

    Raises:
        OSError: It cannot be opened, or is something else.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    return descriptor


def read_regular(path: Path | str, limit: int = LARGEST_RECORD, *, follow: bool = False) -> bytes:
    """The content of a regular file.

    It may have `limit` bytes; `follow` is as of `open_regular`.

    Raises:
        OSError: It cannot be read, is something else, or is longer.
    """
    with open(open_regular(path, follow=follow), "rb", buffering=0) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > limit:
            raise OSError(errno.EFBIG, f"Longer than {limit} bytes", str(path))
        return stream.read(size)


def decode_json(data: bytes | msgspec.Raw, document: type[Document]) -> Document:
    """The document that `data` holds; safe where several threads decode it.

    Raises:
        ValueError: It holds another one, or none.
    """
    try:
        return cast("Document", _decoder(document).decode(data))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def decode_msgpack(data: bytes, document: type[Document]) -> Document:
    """The document that MessagePack `data` holds; safe where several threads decode it.

    Raises:
        ValueError: It holds another one, or none.
    """
    _decoder(document)
    return msgspec.msgpack.decode(data, type=document)


def convert(value: object, document: type[Document]) -> Document:
    """The document in `value`, the dictionaries and lists of a parser; safe for several threads.

    Raises:
        ValueError: It is another one.
    """
    _decoder(document)
    return msgspec.convert(value, document)


def _decoder(document: object) -> msgspec.json.Decoder[object]:
    """The decoder of a type; after it was made, the type can be used by every thread."""
    found = _decoders.get(document)
    if found is None:
        with _building:
            found = _decoders.setdefault(document, msgspec.json.Decoder(document))
    return found


@contextmanager
def open_lock(path: Path) -> Iterator[int]:
    """Open the file at `path` to be locked (flock), created if missing; give its descriptor.

    Raises:
        OSError: It cannot be opened, is not a regular file, or belongs to another user.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o644)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or not is_trusted_owner(status):
            owner = _name_of(status.st_uid)
            raise PermissionError(
                errno.EPERM, f"{path.name} is not a lock of ours, but belongs to {owner}"
            )
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def hold_lock(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock of `path` while the block runs, alone or with others; wait for it.

    The file is created if it is missing. The system frees the lock of a process that was killed.

    Raises:
        OSError: As of `open_lock`.
    """
    with open_lock(path) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield


def is_trusted_owner(status: os.stat_result) -> bool:
    """Whether a file belongs to this user or to root."""
    return status.st_uid in {0, os.geteuid()}


def reason_to_distrust(path: Path | str) -> str:
    """Why another user may have written to the directory at `path`; empty for no reason.

    Raises:
        OSError: It cannot be looked at.
    """
    status = os.lstat(path)
    if not is_trusted_owner(status):
        return f"it belongs to {_name_of(status.st_uid)}"
    if not stat.S_ISDIR(status.st_mode):
        return "it is not a directory"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"others than its owner {_name_of(status.st_uid)} may write to it"
    return ""


def _name_of(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
