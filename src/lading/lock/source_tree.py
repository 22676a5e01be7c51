"""The files of a directory of the project: listed, digested, copied.

What is digested is what is used: a wheel is built from a copy of exactly these files, so nothing
else can reach it. Left out of a source tree are what git ignores (where there is git), hidden
files, bytecode, and at its top `build`, `dist`, `locks`, `test` and `tests`.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from lading.errors import EngineError, SpecError, raised_as
from lading.system import Completed, Digest, Run, run, sha256_of_file

NOT_AT_THE_TOP = frozenset({"build", "dist", "locks", "test", "tests"})


OwnTree = Callable[[Path, Sequence[str]], Path]
"""A tree of the project, absolute, and those of its files that count → where to read it."""


def as_it_lies(path: Path, _files: Sequence[str]) -> Path:
    """The tree itself."""
    return path


def run_git(directory: Path, environment: Mapping[str, str], *words: str) -> Completed:
    """What `git` answers in `directory`."""
    return run(Run(argv=("git", *words), environment=environment, directory=directory))


def list_sources(root: Path, environment: Mapping[str, str]) -> tuple[str, ...]:
    """List the files of the source tree at `root`, relative, POSIX, sorted.

    `environment` is for git.
    """
    known = _known_to_git(root, environment)
    paths = _walk(root, prune=True) if known is None else known
    return tuple(sorted(path for path in paths if _is_source(path) and (root / path).is_file()))


def list_files(root: Path) -> tuple[str, ...]:
    """List all files and links below `root`, relative, POSIX, sorted; of a file, its own name."""
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


class TreeFile(NamedTuple):
    """One file or link of a directory.

    Attributes:
        path: Relative to the directory, POSIX.
        place: Where it lies, absolute.
        sha256: Of its content; None of a link.
        target: Of a link, else empty.
        executable: Whether its owner may execute it.
        size: In bytes, 0 of a link.
    """

    path: str
    place: Path
    sha256: Digest | None = None
    target: str = ""
    executable: bool = False
    size: int = 0


def read_tree(root: Path, paths: Iterable[str]) -> tuple[TreeFile, ...]:
    """Read the files `paths` below `root`, in their order; of a file, itself."""
    return tuple(_read_file(path, root if root.is_file() else root / path) for path in paths)


def _read_file(path: str, place: Path) -> TreeFile:
    with raised_as(SpecError, f"cannot read {place}", "correct its permissions"):
        if place.is_symlink():
            return TreeFile(path, place, target=str(place.readlink()))
        status = place.stat()
        return TreeFile(
            path,
            place,
            sha256=sha256_of_file(place),
            executable=bool(status.st_mode & 0o100),
            size=status.st_size,
        )


def digest_of(files: Iterable[TreeFile]) -> Digest:
    """The digest of the names, contents, targets and executable bits of `files`."""
    hasher = hashlib.sha256()
    for item in files:
        mode = "executable" if item.executable else "file"
        said = f"link {item.target}" if item.sha256 is None else f"{mode} {item.sha256.hex}"
        hasher.update(f"{item.path}\0{said}\0".encode("utf-8", "surrogateescape"))
    return Digest.sha256(hasher.hexdigest())


def copy_sources(root: Path, paths: Sequence[str], target: Path, moment: int) -> None:
    """Copy `paths` from `root` to `target`, without anything that depends on the checkout.

    All copies get the time `moment`, in Unix seconds.
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
