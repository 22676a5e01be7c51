"""Reading what others may have put there: regular files of bounded size, JSON of any depth.

A named pipe or a device behind the name of a record would be waited for, or read, for ever; a
symbolic link would lead to a file that nobody meant.
"""

import errno
import os
import stat
from pathlib import Path
from typing import TypeVar

import msgspec

__all__ = ["LARGEST_RECORD", "decode_json", "open_regular", "read_regular"]

LARGEST_RECORD = 1 << 28
"""Bytes: no record of lading is larger."""

Document = TypeVar("Document")


def open_regular(path: Path | str, *, follow: bool = False) -> int:
    """Open a regular file for reading, without waiting; return its descriptor.

    Args:
        path: The file.
        follow: Whether `path` may be a symbolic link, as one that a user names may.

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

    Args:
        path: The file.
        limit: The most bytes that it may have.
        follow: See `open_regular`.

    Raises:
        OSError: It cannot be read, is something else, or is longer.
    """
    with open(open_regular(path, follow=follow), "rb", buffering=0) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > limit:
            raise OSError(errno.EFBIG, f"Longer than {limit} bytes", str(path))
        return stream.read(size)


def decode_json(data: bytes, document: type[Document]) -> Document:
    """The document that `data` holds.

    Raises:
        ValueError: It holds another one, or none.
    """
    try:
        return msgspec.json.decode(data, type=document)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
