"""The state of what was checked, so that it is hashed once, not every time.

It is that of an extracted package, or of an archive.

As git's index does it, a file counts as unchanged if device, inode, size, owner, mode and time of
modification are those that it had when it was hashed. The time of the last change of its inode does
not count: each hard link that is made or removed moves it. A file that was modified about when it
was hashed could change once more without another time; then nothing is kept.
"""

import logging
import os
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from lading.system import decode_msgpack, make_private_directory, write_atomically

RULES = 1
"""Of the check of an extracted package; a state that other rules found sound is not used."""

RACY_NANOSECONDS = 2_000_000_000
"""The coarsest times that a file system keeps."""

_log = logging.getLogger(__name__)

Item = TypeVar("Item")

State = tuple[int, int, int, int, int, int]
"""Device, inode, mode, owner; size and time of modification, which directories have as 0."""


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    rules: int
    directory: str
    states: dict[str, State]


ABSENT: State = (0, 0, 0, 0, 0, 0)
"""Of a path that is not there."""


def places_of_states(directory: Path, names: Mapping[Item, str]) -> "dict[Item, KnownState]":
    """Where the states of items are kept in `directory`; empty where it cannot be used."""
    try:
        make_private_directory(directory)
    except OSError as error:
        _log.debug("no states are kept in %s: %s", directory, error)
        return {}
    return {item: KnownState(directory / name) for item, name in names.items()}


def state_at(path: str) -> State:
    """The state of the path itself, which may be missing.

    Raises:
        OSError: It cannot be looked at.
    """
    try:
        return state_of(os.lstat(path))
    except FileNotFoundError:
        return ABSENT


def state_of(status: os.stat_result) -> State:
    """What changes if the content of a path does."""
    is_directory = stat.S_ISDIR(status.st_mode)
    return (
        status.st_dev,
        status.st_ino,
        status.st_mode,
        status.st_uid,
        0 if is_directory else status.st_size,
        0 if is_directory else status.st_mtime_ns,
    )


@dataclass(frozen=True, slots=True)
class KnownState:
    """Where the state of one extracted package, or of one archive, is kept.

    Attributes:
        place: A file; its name has the digest of the archive.
    """

    place: Path

    def is_of(self, directory: Path) -> bool:
        """Whether `directory` is as it was when it was found sound."""
        try:
            kept = decode_msgpack(self.place.read_bytes(), _Kept)
        except (OSError, msgspec.DecodeError):
            return False
        if (kept.rules, kept.directory) != (RULES, str(directory)):
            return False
        try:
            # Text, and one look: there are tens of thousands.
            return all(
                state_at(f"{directory}/{path}" if path else str(directory)) == state
                for path, state in kept.states.items()
            )
        except OSError:
            return False

    def keep(self, directory: Path, states: Mapping[str, State], began: int) -> None:
        """Keep the states that paths of `directory` had when they were found sound.

        Paths in `states` are relative to `directory`, empty for itself. `began` is when the first
        of them was looked at, in Unix nanoseconds.
        """
        began = min(began, time.time_ns())
        if any(state[-1] > began - RACY_NANOSECONDS for state in states.values()):
            return
        try:
            kept = _Kept(RULES, str(directory), dict(states))
            write_atomically(self.place, msgspec.msgpack.encode(kept))
        except OSError as error:
            _log.debug("%s is not kept: %s", self.place, error)
