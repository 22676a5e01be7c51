"""Merge two sides of a lockfile, as a git merge driver.

A lockfile is not text: lines of two sides do not make a solution. So the sources are merged as
text, and the lockfile is made again from them, with the pins of both sides preferred.

When git runs a merge driver, the working tree may hold one side's sources only. The other side's
are read from the commit that is being merged, which git names in `GITHEAD_<commit>`. When git picks
or rebases single commits it names none; then the commit that made the other side's lock is found.

Source: gitattributes(5), "Defining a custom merge driver"; git `builtin/merge.c`.
"""

import os
import re
import shutil
import tarfile
from collections.abc import Mapping, Sequence, Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from lading.conda import Platform
from lading.engine import Engine
from lading.errors import LockError, SpecError
from lading.lock.adopt import merge_pins
from lading.lock.model import LockedPackage, Lockfile
from lading.lock.reading import read_lockfiles
from lading.lock.request import LockRequest
from lading.lock.solve import plan_lock, read_lock_inputs, solve_lock
from lading.lock.source_tree import run_git
from lading.system import Progress, no_progress

_HEAD = re.compile(r"GITHEAD_([0-9a-f]{40,64})")
_CONFLICT = "resolve the conflict in the source, then run `lading lock`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """The three versions of one lockfile; `base` is None where there was none."""

    base: Lockfile | None
    ours: Lockfile
    theirs: Lockfile

    @property
    def pins(self) -> tuple[LockedPackage, ...]:
        """The pins of both sides."""
        base = () if self.base is None else self.base.packages
        return merge_pins(base, self.ours.packages, self.theirs.packages)


def read_sides(base: Path, ours: Path, theirs: Path) -> Sides:
    """The three files that git names %O, %A and %B.

    Raises:
        LockError: One cannot be read, or they are not for one platform.
    """
    found = [_read_one(path) for path in (ours, theirs)]
    if found[0].platform != found[1].platform:
        raise LockError(
            "the two sides lock different platforms", hint="keep one platform in one file"
        )
    has_base = base.is_file() and base.stat().st_size > 0
    return Sides(base=_read_one(base) if has_base else None, ours=found[0], theirs=found[1])


def _read_one(path: Path) -> Lockfile:
    locks = read_lockfiles(path)
    if len(locks) != 1:
        raise LockError(f"{path} locks {len(locks)} platforms", hint="merge one platform a file")
    return locks[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Merging:
    """A merge that git is in the middle of.

    Attributes:
        directory: Of the working tree, absolute.
        lock: The lockfile, relative to `directory`.
        theirs: The file with the other side's version of it.
    """

    directory: Path
    environment: Mapping[str, str]
    lock: str
    theirs: Path

    def git(self, *words: str) -> str:
        """The output of git; empty where it fails."""
        answer = run_git(self.directory, self.environment, *words)
        return answer.stdout.strip() if answer.returncode == 0 else ""

    def sides(self) -> tuple[str, str]:
        """(base, the other side's commit); empty where they are not known."""
        for name in self.environment:
            match = _HEAD.fullmatch(name)
            if match is not None:
                return self.git("merge-base", "HEAD", match[1]), match[1]
        blob = self.git("hash-object", "--", str(self.theirs))
        found = self.git(
            "log", "--all", "-1", "--format=%H", f"--find-object={blob}", "--", self.lock
        )
        return (f"{found}^", found) if found else ("", "")

    def merged_text(self, path: Path, workplace: Path) -> str:
        """The text that the source at `path` will have after the merge.

        Raises:
            SpecError: Both sides changed the same lines.
        """
        base, theirs = self.sides()
        if not theirs:
            return path.read_text("utf-8", "surrogateescape") if path.is_file() else ""
        name = Path(os.path.relpath(path, self.directory)).as_posix()
        files = []
        for side, revision in (("ours", "HEAD"), ("base", base), ("theirs", theirs)):
            shown = run_git(self.directory, self.environment, "show", f"{revision}:./{name}")
            files.append(workplace / side)
            text = shown.stdout if shown.returncode == 0 else ""
            files[-1].write_text(text, encoding="utf-8")
        merged = run_git(
            self.directory, self.environment, "merge-file", "-p", "-q", *map(str, files)
        )
        if merged.returncode != 0:
            raise SpecError(f"both sides changed the same lines of {name}", hint=_CONFLICT)
        return merged.stdout

    def merged_tree(self, workplace: Path, path: Path, files: Sequence[str]) -> Path:
        """Where the tree at `path` lies as it will be after the merge: there, or copied.

        Args:
            workplace: A directory that stands for that of the working tree.
            path: A directory or a file, absolute.
            files: Those of it that count, relative to it.

        Raises:
            SpecError: Both sides changed the same lines.
        """
        base, theirs = self.sides()
        changed = self._changed(base, theirs, path) if theirs else set()
        if not changed:
            return path
        place = workplace / os.path.relpath(path, self.directory)
        counted = [path / name for name in files] if path.is_dir() else [path]
        names = [Path(os.path.relpath(item, self.directory)).as_posix() for item in counted]
        for name in names:
            (workplace / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self.directory / name, workplace / name, follow_symlinks=False)
        both = changed & self._changed(base, "HEAD", path)
        self._take(theirs, changed - both, base, workplace)
        for name in sorted(both & {*names}):
            with TemporaryDirectory() as sides:
                text = self.merged_text(self.directory / name, Path(sides))
            (workplace / name).write_text(text, "utf-8", "surrogateescape")
        return place

    def _changed(self, base: str, revision: str, path: Path, kinds: str = "ADMT") -> set[str]:
        """What changed below `path` between two revisions, relative to the working tree."""
        words = ("diff", "--name-only", "--no-renames", "--relative", "-z")
        found = self.git(*words, f"--diff-filter={kinds}", base, revision, "--", str(path))
        return {name for name in found.split("\0") if name}

    def _take(self, revision: str, names: AbstractSet[str], base: str, workplace: Path) -> None:
        """Let the files `names` of `workplace` be those of `revision`; some may be gone in it."""
        for name in names:
            (workplace / name).unlink(missing_ok=True)
        kept = sorted(names - self._changed(base, revision, self.directory, "D"))
        if kept:
            with TemporaryDirectory() as directory:
                archive = Path(directory, "files.tar")
                self.git("archive", "--format=tar", "-o", str(archive), revision, "--", *kept)
                with tarfile.open(archive) as tar:
                    tar.extractall(workplace, filter="data")


def write_merged_sources(sources: Mapping[Path, Path], merging: Merging, workplace: Path) -> None:
    """Write the sources as they will be after the merge.

    `sources`: where they lie in the working tree → where to write them, both absolute.

    Raises:
        SpecError: A source is missing, or the two sides changed the same lines of it.
    """
    workplace.mkdir(parents=True, exist_ok=True)
    for path, target in sources.items():
        text = merging.merged_text(path, workplace)
        if not text:
            raise SpecError(f"there is no source {path}", hint="restore it, then lock again")
        if "\n<<<<<<< " in f"\n{text}":
            raise SpecError(f"{path} holds merge conflict markers", hint=_CONFLICT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8", "surrogateescape")


def merge_locks(
    request: LockRequest, sides: Sides, engine: Engine, progress: Progress = no_progress
) -> bytes:
    """The lockfile of `request`, for one platform, with the pins of both sides preferred.

    Raises:
        LadingError: As `read_lock_inputs` and `solve_lock`.
    """
    platform: Platform = sides.ours.platform
    inputs = replace(read_lock_inputs(request), preferred={platform: sides.pins})
    plan = plan_lock(request, inputs)
    return solve_lock(plan, engine, progress)[0].data
