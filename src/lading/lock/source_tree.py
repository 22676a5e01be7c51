"""The files of a directory of the project: listed, digested, copied.

What is digested is what is used: a wheel is built from a copy of exactly these files, so nothing
else can reach it. Left out of a source tree are what git ignores (where there is git), hidden
files, bytecode, and at its top `build`, `dist`, `locks`, `test` and `tests`.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from lading.errors import EngineError, SpecError
from lading.lock.revisions import run_git
from lading.system import Digest, sha256_of_file

NOT_AT_THE_TOP = frozenset({"build", "dist", "locks", "test", "tests"})


def list_sources(root: Path, environment: Mapping[str, str]) -> tuple[str, ...]:
    """List the files of the source tree at `root`, relative, POSIX, sorted.

    Args:
        root: Absolute.
        environment: For git.
    """
    known = _known_to_git(root, environment)
    paths = _walk(root, prune=True) if known is None else known
    return tuple(sorted(path for path in paths if _is_source(path) and (root / path).is_file()))


def list_files(root: Path) -> tuple[str, ...]:
    """List all files and links below `root`, relative, POSIX, sorted; of a file, its own name.

    Raises:
        SpecError: There is nothing, or something else than files, links and directories.
    """
    if root.is_file():
        return (root.name,)
    found = tuple(sorted(_walk(root)))
    if not found:
        state = "is empty" if root.is_dir() else "does not exist"
        raise SpecError(f"{root} {state}", hint="name a file, or a directory with files")
    for path in found:
        place = root / path
        if not place.is_symlink() and not place.is_file():
            raise SpecError(f"{place} is not a regular file", hint="name another directory")
    return found


def digest_of(root: Path, paths: Sequence[str]) -> Digest:
    """The digest of the names, contents, targets and executable bits of `paths` below `root`.

    Raises:
        SpecError: One cannot be read.
    """
    hasher = hashlib.sha256()
    for path in paths:
        place = root if root.is_file() else root / path
        try:
            if place.is_symlink():
                said = f"link {place.readlink()}"
            else:
                mode = "executable" if place.stat().st_mode & 0o100 else "file"
                said = f"{mode} {sha256_of_file(place).hex}"
        except OSError as error:
            raise SpecError(
                f"cannot read {place}: {error.strerror}", hint="correct its permissions"
            ) from error
        hasher.update(f"{path}\0{said}\0".encode("utf-8", "surrogateescape"))
    return Digest.sha256(hasher.hexdigest())


def copy_sources(root: Path, paths: Sequence[str], target: Path, moment: int) -> None:
    """Copy `paths` from `root` to `target`, without anything that depends on the checkout.

    Args:
        root: Absolute.
        paths: From `list_sources`.
        target: Made here.
        moment: The time that all copies get, in Unix seconds.
    """
    for path in paths:
        copy = target / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / path, copy)
        copy.chmod(0o755 if (root / path).stat().st_mode & 0o100 else 0o644)
        os.utime(copy, (moment, moment))


def _known_to_git(root: Path, environment: Mapping[str, str]) -> list[str] | None:
    """The files below `root` that git does not ignore; None where there is no git for it."""
    if not any((place / ".git").exists() for place in (root, *root.parents)):
        return None
    words = ("ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", ".")
    try:
        answer = run_git(root, environment, *words)
    except EngineError:
        return None
    found = [path for path in answer.stdout.split("\0") if path]
    # A tree that git ignores as a whole is meant all the same.
    return found if answer.returncode == 0 and found else None


def _is_apart(directory: Path) -> bool:
    """Whether a directory is hidden, or an environment of its own."""
    return directory.name.startswith(".") or any(
        (directory / name).exists() for name in ("pyvenv.cfg", "conda-meta")
    )


def _walk(root: Path, *, prune: bool = False) -> Iterator[str]:
    for directory, names, files in os.walk(root):
        if prune:
            names[:] = [name for name in names if not _is_apart(Path(directory, name))]
        links = [name for name in names if Path(directory, name).is_symlink()]
        relative = Path(directory).relative_to(root)
        for name in (*files, *links):
            yield (relative / name).as_posix()


def _is_source(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return not (
        parts[0] in NOT_AT_THE_TOP
        or any(part.startswith(".") or part == "__pycache__" for part in parts)
        or any(part.endswith((".egg-info", ".pyc")) for part in parts)
    )
