"""Versions of an environment side by side, and one name that points at the present one.

/opt/envs/NAME@<digest>    an environment, by the digest of its bill
/opt/envs/NAME             a symbolic link, changed by rename: there is always a whole one
/opt/envs/.NAME.versions   what the link pointed at, oldest first, the present one last
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lading.digest import Digest
from lading.errors import NotAPrefixError, PrefixError, PrefixExistsError

__all__ = ["Versions"]

DIGEST_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions of the environment that is called `name` (absolute path of the link)."""

    name: Path

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
        if not self.name.is_symlink():
            raise PrefixExistsError(
                f"{self.name} exists and is no link to a version",
                hint="name another place, or move this one away",
            )
        return self.name.parent / os.readlink(self.name)  # noqa: PTH115  # one step, not all

    def switch(self, prefix: Path) -> None:
        """Let the name point at `prefix`, which lies beside it.

        Raises:
            PrefixExistsError: The name is that of something else.
            PrefixError: The link cannot be written.
        """
        with self._exclusive():
            self.current()
            history = [item for item in self._history() if item != prefix.name]
            self._point_at(prefix.name)
            self._write_history([*history, prefix.name])

    def rollback(self) -> Path:
        """Let the name point at the version before the present one; that version.

        Raises:
            NotAPrefixError: There is none any more.
        """
        with self._exclusive():
            current = self.current()
            history = self._history()
            if current is not None and current.name in history:
                history = history[: history.index(current.name)]
            while history and not (self.name.parent / history[-1]).is_dir():
                history.pop()
            if not history:
                raise NotAPrefixError(
                    f"{self.name} has no earlier version", hint="unpack the one that you want"
                )
            self._point_at(history[-1])
            self._write_history(history)
            return self.name.parent / history[-1]

    def remove_old(self, keep: int) -> tuple[Path, ...]:
        """Remove all versions but the present one and the `keep` before it; those removed.

        A version that was rolled back from counts as old.

        Raises:
            PrefixError: A version cannot be removed.
        """
        with self._exclusive():
            current = self.current()
            history = self._history()
            kept = set(history[-(keep + 1) :]) | ({current.name} if current else set())
            removed = []
            for path in sorted(self.name.parent.glob(f"{_escaped(self.name.name)}@*")):
                if path.name in kept or not path.is_dir() or path.is_symlink():
                    continue
                # It loses its name before its first file goes: what has a name is whole.
                doomed = path.with_name(f".{path.name}.removed")
                path.rename(doomed)
                shutil.rmtree(doomed)
                removed.append(path)
            self._write_history([item for item in history if item in kept])
            return tuple(removed)

    def _point_at(self, target: str) -> None:
        temporary = Path(tempfile.mkdtemp(dir=self.name.parent, prefix=f".{self.name.name}."))
        try:
            link = temporary / "link"
            link.symlink_to(target)
            link.replace(self.name)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    @property
    def _history_path(self) -> Path:
        return self.name.with_name(f".{self.name.name}.versions")

    def _history(self) -> list[str]:
        try:
            return self._history_path.read_text("utf-8").splitlines()
        except FileNotFoundError:
            return []

    def _write_history(self, history: list[str]) -> None:
        temporary = self._history_path.with_name(f"{self._history_path.name}.{os.getpid()}")
        temporary.write_text("".join(f"{item}\n" for item in history), "utf-8")
        temporary.replace(self._history_path)

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        try:
            self.name.parent.mkdir(parents=True, exist_ok=True)
            with self.name.with_name(f".{self.name.name}.lock").open("w") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise PrefixError(
                f"cannot change {self.name}: {error.strerror or error}",
                hint="allow writing to its directory",
            ) from error


def _escaped(name: str) -> str:
    """`name` as a glob pattern that matches itself alone."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
