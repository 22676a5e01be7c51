"""Read locks from files, directories of them, environments, and git revisions.

locks/service/linux-64.conda-lock.yml      one file
locks/service                              every platform of an environment
service                                    the same
HEAD~3:locks/service, main:service         as it was in a revision
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lading.conda import Platform
from lading.errors import EngineError, LockError
from lading.lock.foreign import default_environment, parse_foreign, read_foreign
from lading.lock.model import LOCK_SUFFIX, Lockfile
from lading.lock.reading import refuse_unusable
from lading.lock.source_tree import run_git
from lading.system import Completed


def locked_environments(directory: Path) -> tuple[str, ...]:
    """The names of the directories below `locks` of a project that hold lockfiles, sorted.

    Raises:
        LockError: One of them, or `locks` itself, may not be read.
    """
    return tuple(path.name for path in _entries(directory / "locks") if _lockfiles(path))


def locked_platforms(directory: Path, name: str) -> tuple[Platform, ...]:
    """The platforms for which the environment `name` is locked, sorted.

    Raises:
        LockError: The directory of its lockfiles may not be read.
    """
    names = (path.name for path in _lockfiles(directory / "locks" / name))
    platforms = (item.removesuffix(LOCK_SUFFIX) for item in names)
    return tuple(Platform(item) for item in platforms if item in set(Platform))


def _lockfiles(directory: Path) -> list[Path]:
    return [path for path in _entries(directory) if path.name.endswith(LOCK_SUFFIX)]


def _entries(directory: Path) -> list[Path]:
    """What is in `directory`, sorted by name; nothing where there is no such directory."""
    try:
        return sorted(directory.iterdir())
    except PermissionError as error:
        hint = "correct its permissions"
        raise LockError(f"{directory} cannot be read: {error.strerror}", hint=hint) from error
    except OSError:
        return []


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRevisions:
    """Reads locks by the name that a user gives them.

    Attributes:
        directory: The project: absolute, holds `locks/`.
        environment: For git.
    """

    directory: Path
    environment: Mapping[str, str]

    def read(self, text: str) -> dict[Platform, Lockfile]:
        """Read the lockfiles of the place named `text`; platform → lockfile, sorted by platform.

        Raises:
            LockError: There is none, or one cannot be read.
        """
        revision, separator, rest = text.partition(":")
        if separator and revision and not (self.directory / text).exists():
            files = self._files_of_revision(revision, rest)
            found = {path: parse_foreign(path, data) for path, data in files.items()}
        else:
            found = {path: read_foreign(path, {}) for path in self._files(text)}
        locks = {
            (lock.platform, path): default_environment(path, of_file, lock.platform)
            for path, of_file in found.items()
            for lock in of_file
        }
        if not locks:
            raise LockError(f"there is no lockfile at {text}", hint="make it with `lading lock`")
        return {key[0]: refuse_unusable(Path(text), locks[key]) for key in sorted(locks)}

    def _files(self, text: str) -> list[Path]:
        for path in (self.directory / text, self.directory / "locks" / text):
            if path.is_file():
                return [path]
            if path.is_dir():
                return _lockfiles(path)
        return []

    def _files_of_revision(self, revision: str, rest: str) -> dict[Path, bytes]:
        known = self._git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        if known.returncode != 0:
            raise LockError(
                f"{revision} is not a revision of this repository",
                hint="name a file, a directory, an environment, or REVISION:PATH",
            )
        for base in (rest, f"locks/{rest}"):
            name = Path(base).as_posix().rstrip("/")
            listed = self._git("ls-tree", "-z", "--name-only", revision, "--", name, f"{name}/")
            paths = [path for path in listed.stdout.split("\0") if path]
            locks = [path for path in paths if path == name or path.endswith(LOCK_SUFFIX)]
            found = {}
            for path in locks:
                shown = self._git("show", f"{revision}:./{path}")
                # `git show` of a directory lists it.
                if shown.returncode == 0 and not shown.stdout.startswith("tree "):
                    found[Path(f"{revision}:{path}")] = shown.stdout.encode()
            if found:
                return found
        return {}

    def _git(self, *words: str) -> Completed:
        try:
            return run_git(self.directory, {**self.environment, "LC_ALL": "C"}, *words)
        except EngineError as error:
            raise LockError(
                "there is no git to read a revision with", hint="install git, or name a file"
            ) from error
