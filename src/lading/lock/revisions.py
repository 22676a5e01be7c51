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
from lading.lock.model import LOCK_SUFFIX, Lockfile
from lading.lock.reading import parse_lockfiles, read_lockfiles, refuse_unusable
from lading.system import Completed, Run, run


def run_git(directory: Path, environment: Mapping[str, str], *words: str) -> Completed:
    """What `git` answers in `directory`."""
    return run(Run(argv=("git", *words), environment=environment, directory=directory))


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
            files = self._files_of_revision(revision, rest).items()
            locks = [lock for path, data in files for lock in parse_lockfiles(path, data)]
        else:
            locks = [lock for path in self._files(text) for lock in read_lockfiles(path)]
        if not locks:
            raise LockError(f"there is no lockfile at {text}", hint="make it with `lading lock`")
        return {
            item.platform: refuse_unusable(Path(text), item)
            for item in sorted(locks, key=lambda item: item.platform)
        }

    def _files(self, text: str) -> list[Path]:
        for path in (self.directory / text, self.directory / "locks" / text):
            if path.is_file():
                return [path]
            if path.is_dir():
                return sorted(path.glob(f"*{LOCK_SUFFIX}"))
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
