"""Generations of an environment side by side, and one name that points at the current one.

/opt/envs/NAME@<digest>    an environment, named by the first 12 digits of the digest of its bill
/opt/envs/NAME             a symbolic link, replaced by rename: it always points at a complete one
/opt/envs/.NAME.versions   the generations it pointed at, oldest first, the current one last
/opt/envs/.NAME.lock       held while any of this changes

Twelve digits are a name, not an identity: a directory counts as the generation of a bill only if
its own record holds the whole digest, and only if nobody but us and root could have written it.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from lading.errors import NotAPrefixError, PrefixError, PrefixExistsError
from lading.format import read_state
from lading.system import (
    Digest,
    is_temporary_of,
    open_lock,
    read_regular,
    reason_to_distrust,
    remove_atomically,
    remove_stale_temporaries,
    temporary_directory,
    write_atomically,
)

DIGEST_DIGITS = 12
LARGEST_HISTORY = 1 << 20

_DIGEST = re.compile(f"[0-9a-f]{{{DIGEST_DIGITS}}}")


class Generations(msgspec.Struct, frozen=True):
    """The generations of the environment called `name` (absolute path of the link)."""

    name: Path

    def __post_init__(self) -> None:
        """Refuse a path that cannot be a link.

        Raises:
            PrefixError: It is the root of the file system.
        """
        if not self.name.name:
            raise PrefixError(f"{self.name} cannot be a link", hint="choose another name")

    def prefix_of(self, manifest: Digest) -> Path:
        """Where the generation with this bill belongs."""
        return self.name.with_name(f"{self.name.name}@{manifest.hex[:DIGEST_DIGITS]}")

    def exists(self, manifest: Digest) -> bool:
        """Whether the generation with this bill is there.

        Raises:
            PrefixExistsError: Something else has its name.
        """
        prefix = self.prefix_of(manifest)
        if not os.path.lexists(prefix):
            return False
        reason = reason_to_distrust(prefix)
        if not reason:
            state = read_state(prefix)
            if state is not None and (state.manifest, state.prefix) == (manifest.hex, str(prefix)):
                return True
            reason = "it was not unpacked here from this bill"
        raise PrefixExistsError(
            f"{prefix} exists and cannot be used: {reason}",
            hint="run `lading relocate` if its directory was moved; else move it away",
        )

    def current(self) -> Path | None:
        """The generation that the name points at, or None.

        Raises:
            PrefixExistsError: The name exists and is not such a link.
        """
        if not os.path.lexists(self.name):
            return None
        # One step, unlike Path.resolve.
        target = str(self.name.readlink()) if self.name.is_symlink() else ""
        if not self._is_generation(target):
            raise PrefixExistsError(
                f"{self.name} exists and is not a link to a generation",
                hint="name another place, or move this one away",
            )
        return self.name.with_name(target)

    def switch(self, prefix: Path) -> None:
        """Point the name at `prefix`, which is beside it.

        Raises:
            PrefixExistsError: The name is taken by something else.
            NotAPrefixError: `prefix` is gone.
            PrefixError: The link cannot be written.
        """
        with self._exclusive():
            past = [item for item in self._past(self.current()) if item != prefix.name]
            if not prefix.is_dir():
                raise NotAPrefixError(f"{prefix} is gone", hint="unpack it again")
            self._point_at(prefix.name, [*past, prefix.name])

    def rollback(self) -> Path:
        """Point the name at the generation before the current one; return that generation.

        Raises:
            NotAPrefixError: There is none any more.
        """
        with self._exclusive():
            current = self.current()
            past = self._past(current)
            if current is not None:
                past.pop()
            while past and not self.name.with_name(past[-1]).is_dir():
                past.pop()
            if not past:
                raise NotAPrefixError(
                    f"{self.name} has no earlier generation", hint="unpack the one that you want"
                )
            self._point_at(past[-1], past)
            return self.name.with_name(past[-1])

    def remove_old(self, keep: int) -> tuple[Path, ...]:
        """Remove all generations but the current and the `keep` before it; return those removed.

        A generation that was rolled back from counts as old. What killed processes left of
        generations is removed as well.

        Raises:
            PrefixError: A generation cannot be removed.
        """
        with self._exclusive():
            current = self.current()
            past = [item for item in self._past(current) if self.name.with_name(item).is_dir()]
            kept = past[-(keep + 1) :]
            removed = tuple(path for path in self._generations() if path.name not in kept)
            for path in removed:
                remove_atomically(path)
            remove_stale_temporaries(self.name.parent, self._is_generation)
            self._write_history(kept)
            return removed

    def _generations(self) -> Iterator[Path]:
        for path in sorted(self.name.parent.iterdir()):
            if self._is_generation(path.name) and path.is_dir() and not path.is_symlink():
                yield path

    def _is_generation(self, name: str) -> bool:
        """Whether this is the name of a generation: `env@gpu` is not one of `env`."""
        own, _, digest = name.rpartition("@")
        return own == self.name.name and _DIGEST.fullmatch(digest) is not None

    def _past(self, current: Path | None) -> list[str]:
        """What the name pointed at, oldest first, the current one last if there is one.

        The history is written before the link changes. If a process was killed in between, the
        link is right and the history is ahead of it.
        """
        history = self._history()
        if current is None:
            return history
        if current.name in history:
            return history[: history.index(current.name) + 1]
        return [*history, current.name]

    def _point_at(self, target: str, history: list[str]) -> None:
        self._write_history(history)
        remove_stale_temporaries(self.name.parent, is_temporary_of(self.name.name))
        with temporary_directory(self.name.parent, self.name.name) as temporary:
            link = temporary / self.name.name
            link.symlink_to(target)
            link.replace(self.name)

    @property
    def _history_path(self) -> Path:
        return self.name.with_name(f".{self.name.name}.versions")

    def _history(self) -> list[str]:
        """The lines of the history that name a generation."""
        try:
            text = os.fsdecode(read_regular(self._history_path, LARGEST_HISTORY))
        except FileNotFoundError:
            return []
        return [line for line in text.splitlines() if self._is_generation(line)]

    def _write_history(self, history: list[str]) -> None:
        write_atomically(self._history_path, os.fsencode("".join(f"{item}\n" for item in history)))

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        try:
            with open_lock(self.name.with_name(f".{self.name.name}.lock")) as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise PrefixError(
                f"cannot change {self.name}: {error.strerror or error}",
                hint="allow writing to its directory",
            ) from error
