"""Generations of an environment side by side, and one name that points at the present one.

/opt/envs/NAME@<digest>    an environment, by the digest of its bill
/opt/envs/NAME             a symbolic link, changed by rename: there is always a whole one
/opt/envs/.NAME.versions   what the link pointed at, oldest first, the present one last
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lading.errors import NotAPrefixError, PrefixError, PrefixExistsError
from lading.system import (
    Digest,
    is_temporary_of,
    remove_atomically,
    remove_stale_temporaries,
    temporary_directory,
    write_atomically,
)

__all__ = ["Generations"]

DIGEST_DIGITS = 12

_DIGEST = re.compile(f"[0-9a-f]{{{DIGEST_DIGITS}}}")


@dataclass(frozen=True, slots=True)
class Generations:
    """The versions of the environment that is called `name` (absolute path of the link)."""

    name: Path

    def __post_init__(self) -> None:
        """Refuse what is no name.

        Raises:
            PrefixError: It is the root of the file system.
        """
        if not self.name.name:
            raise PrefixError(f"{self.name} cannot be a link", hint="choose another name")

    def prefix_of(self, manifest: Digest) -> Path:
        """Where the version with this bill lies."""
        return self.name.with_name(f"{self.name.name}@{manifest.hex[:DIGEST_DIGITS]}")

    def current(self) -> Path | None:
        """The version that the name points at, or None.

        Raises:
            PrefixExistsError: The name is that of something else than such a link.
        """
        if not os.path.lexists(self.name):
            return None
        # One step, not all that Path.resolve would go.
        target = str(self.name.readlink()) if self.name.is_symlink() else ""
        if not self._is_version(target):
            raise PrefixExistsError(
                f"{self.name} exists and is no link to a version",
                hint="name another place, or move this one away",
            )
        return self.name.with_name(target)

    def switch(self, prefix: Path) -> None:
        """Let the name point at `prefix`, which lies beside it.

        Raises:
            PrefixExistsError: The name is that of something else.
            NotAPrefixError: `prefix` is gone.
            PrefixError: The link cannot be written.
        """
        with self._exclusive():
            past = [item for item in self._past(self.current()) if item != prefix.name]
            if not prefix.is_dir():
                raise NotAPrefixError(f"{prefix} is gone", hint="unpack it again")
            self._point_at(prefix.name, [*past, prefix.name])

    def rollback(self) -> Path:
        """Let the name point at the version before the present one; that version.

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
                    f"{self.name} has no earlier version", hint="unpack the one that you want"
                )
            self._point_at(past[-1], past)
            return self.name.with_name(past[-1])

    def remove_old(self, keep: int) -> tuple[Path, ...]:
        """Remove all versions but the present one and the `keep` before it; those removed.

        A version that was rolled back from counts as old. What killed processes left of versions
        goes too.

        Raises:
            PrefixError: A version cannot be removed.
        """
        with self._exclusive():
            current = self.current()
            past = [item for item in self._past(current) if self.name.with_name(item).is_dir()]
            kept = past[-(keep + 1) :]
            removed = tuple(path for path in self._versions() if path.name not in kept)
            for path in removed:
                remove_atomically(path)
            remove_stale_temporaries(self.name.parent, self._is_version)
            self._write_history(kept)
            return removed

    def _versions(self) -> Iterator[Path]:
        for path in sorted(self.name.parent.iterdir()):
            if self._is_version(path.name) and path.is_dir() and not path.is_symlink():
                yield path

    def _is_version(self, name: str) -> bool:
        """Whether a version is called so: `env@gpu` is no version of `env`."""
        own, _, digest = name.rpartition("@")
        return own == self.name.name and _DIGEST.fullmatch(digest) is not None

    def _past(self, current: Path | None) -> list[str]:
        """What the name pointed at, oldest first, the present one last where there is one.

        The history is written before the link changes. A process that was killed in between leaves
        one that tells of what did not happen; the link is right.
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
        try:
            return self._history_path.read_text("utf-8").splitlines()
        except FileNotFoundError:
            return []

    def _write_history(self, history: list[str]) -> None:
        write_atomically(self._history_path, "".join(f"{item}\n" for item in history).encode())

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        try:
            with self.name.with_name(f".{self.name.name}.lock").open("w") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise PrefixError(
                f"cannot change {self.name}: {error.strerror or error}",
                hint="allow writing to its directory",
            ) from error
