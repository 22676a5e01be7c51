"""Open and change paths below a directory without following any symbolic link.

A check of a path and its use are two moments: between them somebody who may write into the tree
can put a link in the place of a directory. Here the kernel walks and refuses in one call, and what
is done next is done relative to the directory that it opened.

1. No part of a path is a symbolic link, at the moment when it is used; the directory itself may
   be reached through links, as the user named it.
2. No path leaves the directory: it is relative and has no `..`.

Source: openat2(2), `RESOLVE_BENEATH` and `RESOLVE_NO_SYMLINKS`, Linux 5.6. Elsewhere, and where a
sandbox refuses that call, each part is opened by itself with `O_NOFOLLOW`.
"""

import ctypes
import errno
import os
import stat
import struct
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

from lading.system.removal import remove_tree

DIRECTORY_MODE = 0o755
"""Of directories that other users may look into, whatever the umask is."""

_OPENAT2 = 437
"""The number of the call, the same on every machine that Linux still adds calls for but Alpha."""
_RESOLVE_NO_SYMLINKS = 0x04
_RESOLVE_BENEATH = 0x08
_HOW = struct.Struct("=QQQ")
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_KEPT = 64
"""Directories that are kept open: members come in the order of an archive, near their siblings."""
_TRIES = 8
"""The kernel asks to try again where something was renamed while it walked."""

Open = Callable[[int, str, int, int], int]
"""Opens a path below a directory: its descriptor, the path, flags and mode."""


class Beneath:
    """A directory, to be used by one thread; a context manager that closes it."""

    def __init__(
        self, root: Path | str, opener: Open | None = None, mode: int | None = None
    ) -> None:
        """Open the directory.

        Args:
            root: May be reached through links.
            opener: How paths below it are opened; by default the best way of this kernel.
            mode: Of directories that `above` creates where they are missing, whatever the umask
                is; None creates none.

        Raises:
            OSError: It cannot be opened, or is not a directory.
        """
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._opener = opener or best_opener()
        self._mode = mode
        self._kept = {"": self._root}

    def __enter__(self) -> Self:
        """The directory, open."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        self._forget()
        os.close(self._root)

    def open(self, path: str, flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
        """Open a path below the directory; return its descriptor, which no child inherits.

        Raises:
            OSError: With `ELOOP`, `ENOTDIR` or `EXDEV` it is, or leads through, a link.
        """
        flags |= os.O_CLOEXEC | os.O_NOFOLLOW
        # openat2 refuses a mode where nothing is created.
        return self._opener(self._root, path, flags, mode if flags & os.O_CREAT else 0)

    def above(self, path: str) -> tuple[int, str]:
        """The directory above `path`, open, and the name in it: for calls with a `dir_fd`.

        The descriptor stays valid until the next call.

        Raises:
            OSError: See `open`.
        """
        parent, _, name = path.rpartition("/")
        descriptor = self._kept.get(parent)
        if descriptor is None:
            descriptor = self._directory(parent)
            if len(self._kept) > _KEPT:
                self._forget()
            self._kept[parent] = descriptor
        return descriptor, name

    def _directory(self, path: str) -> int:
        """Open a directory; create it, and those above it, where it is missing and may be."""
        try:
            return self._opener(self._root, path, _DIRECTORY, 0)
        except FileNotFoundError:
            if self._mode is None:
                raise
        above, name = self.above(path)
        is_new = True
        try:
            os.mkdir(name, self._mode, dir_fd=above)
        except FileExistsError:
            # Another process was faster; a link would be refused below.
            is_new = False
        descriptor = self._opener(self._root, path, _DIRECTORY, 0)
        if is_new:
            os.fchmod(descriptor, self._mode)
        return descriptor

    def make_directories(self, path: str, mode: int = 0o777) -> None:
        """Create the directory `path` and those above it, where they are missing.

        Args:
            path: Empty for the directory itself.
            mode: Of those that are created, less the umask.

        Raises:
            OSError: See `open`; what is there is a file or a link.
        """
        if path in self._kept:
            return
        try:
            os.close(self._opener(self._root, path, _DIRECTORY, 0))
        except FileNotFoundError:
            self.make_directories(path.rpartition("/")[0], mode)
            above, name = self.above(path)
            os.mkdir(name, mode, dir_fd=above)

    def remove(self, path: str) -> None:
        """Remove what is at `path`: a directory with everything below it; nothing is fine too.

        Raises:
            OSError: See `open`.
        """
        try:
            above, name = self.above(path)
            mode = os.stat(name, dir_fd=above, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return
        if stat.S_ISDIR(mode):
            remove_tree(name, above)
            # One that is made again is another directory.
            self._forget()
        else:
            os.unlink(name, dir_fd=above)

    def _forget(self) -> None:
        """Close what is kept but the directory itself."""
        for path, descriptor in self._kept.items():
            if path:
                os.close(descriptor)
        self._kept = {"": self._root}


@cache
def best_opener() -> Open:
    """How this process opens paths below a directory: by the kernel if it can, else by a walk."""
    if not sys.platform.startswith("linux"):
        return walk
    here = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.close(openat2(here, ".", _DIRECTORY, 0))
    except OSError:
        # ENOSYS from an older kernel, EPERM from a container's filter of calls.
        return walk
    finally:
        os.close(here)
    return openat2


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def openat2(root: int, path: str, flags: int, mode: int) -> int:
    """Open a path below `root`, in one call of the kernel.

    Raises:
        OSError: See `Beneath.open`.
    """
    how = _HOW.pack(flags, mode, _RESOLVE_BENEATH | _RESOLVE_NO_SYMLINKS)
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
    for _ in range(_TRIES):
        descriptor = int(_libc().syscall(_OPENAT2, root, ctypes.c_char_p(encoded), how, len(how)))
        if descriptor >= 0:
            return descriptor
        if ctypes.get_errno() not in {errno.EAGAIN, errno.EINTR}:
            break
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)


def walk(root: int, path: str, flags: int, mode: int) -> int:
    """Open a path below `root`, one directory after the other.

    Raises:
        OSError: See `Beneath.open`.
    """
    *parents, name = path.split("/")
    if path.startswith("/") or ".." in (*parents, name):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
    directory = root
    try:
        for parent in parents:
            below = os.open(parent, _DIRECTORY, dir_fd=directory)
            if directory != root:
                os.close(directory)
            directory = below
        return os.open(name, flags, mode, dir_fd=directory)
    finally:
        if directory != root:
            os.close(directory)
