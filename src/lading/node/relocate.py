"""Relocating an environment again: from wherever it was to where it lies now.

It works after a move, after a relocation that was cut short, and after `conda-unpack`; run twice,
the second time changes nothing. Each file is written beside itself and renamed.
"""

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from lading.conda import FileMode, replace_placeholder, restore_placeholder
from lading.errors import PrefixChangedError, PrefixError
from lading.format import (
    STATE_PATH,
    Relocation,
    State,
    read_record,
    read_state,
    render_state,
)
from lading.node.staging import check_prefix
from lading.system import is_temporary_of, remove_stale_temporaries, temporary_file

__all__ = ["RelocatePlan", "apply_relocate", "known_prefixes", "plan_relocate", "shipped_content"]


_NOT_IN_PATHS = frozenset(b"\0\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class RelocatePlan:
    """What relocating again will do.

    Attributes:
        prefix: Where the environment lies now, absolute.
        known: Prefixes that its files may name, the likeliest first.
        relocations: The files.
    """

    prefix: Path
    known: tuple[bytes, ...]
    relocations: tuple[Relocation, ...]


def plan_relocate(prefix: Path) -> RelocatePlan:
    """What relocating the environment at `prefix` takes; only its records are read.

    Raises:
        NotAPrefixError: It is no environment that lading packed.
        PrefixTooLongError: Its path does not fit into a placeholder of a binary file.
    """
    relocations = read_record(prefix)
    binary = [
        len(item.placeholder.encode()) for item in relocations if item.mode is FileMode.BINARY
    ]
    check_prefix(prefix, min(binary, default=None))
    # Those that a relocation which was cut short has done name another prefix than the rest.
    guesses = _guesses(prefix, relocations)
    known = dict.fromkeys((*known_prefixes(prefix, relocations), *guesses))
    return RelocatePlan(prefix=prefix, known=tuple(known), relocations=relocations)


def known_prefixes(prefix: Path, relocations: Sequence[Relocation]) -> tuple[bytes, ...]:
    """The prefixes that the files of an environment should name, the likeliest first.

    That is where it lies and where lading last relocated it to. Where another tool relocated it,
    the first file that gives its prefix away speaks for all.
    """
    state = read_state(prefix)
    if state is not None:
        found = [state.prefix.encode()]
    else:
        found = list(islice(_guesses(prefix, relocations), 1))
    return tuple(dict.fromkeys([os.fsencode(prefix), *found]))


def _guesses(prefix: Path, relocations: Sequence[Relocation]) -> Iterator[bytes]:
    """What each file gives away: its length tells the length of the prefix in it."""
    return (guess for item in relocations if (guess := _guess(prefix, item)))


def _guess(prefix: Path, item: Relocation) -> bytes | None:
    """The prefix that a relocated file names, or None where it names nothing like a path."""
    where = item.occurrences
    try:
        data = (prefix / item.path).read_bytes()
    except OSError:
        return None
    start = where.groups[0][0]
    if where.mode is FileMode.TEXT:
        surplus, rest = divmod(len(data) - item.size, len(where.groups[0]))
    else:
        # The string keeps its place; what the prefix is shorter, it is filled up with NUL.
        end = where.groups[0][-1]
        surplus, rest = divmod(data.find(b"\0", start, end + 1) - end, len(where.groups[0]) - 1)
    length = len(where.placeholder) + surplus
    guess = data[start : start + length] if length > 0 and not rest else b""
    return guess if guess.startswith(b"/") and not _NOT_IN_PATHS.intersection(guess) else None


def shipped_content(data: bytes, item: Relocation, known: Sequence[bytes]) -> bytes | None:
    """The shipped content of a file that names one of the `known` prefixes, or the placeholder.

    Returns:
        None where it names none of them: the file was changed, or comes from elsewhere.
    """
    for candidate in (*known, item.occurrences.placeholder):
        shipped = restore_placeholder(data, item.occurrences, candidate)
        # One prefix may be the beginning of another; then the length tells them apart.
        if shipped is not None and len(shipped) == item.size:
            return shipped
    return None


def apply_relocate(plan: RelocatePlan) -> int:
    """Relocate; how many files had to be written.

    Raises:
        PrefixChangedError: A file names none of the known prefixes.
        PrefixError: A file cannot be written.
    """
    prefix = os.fsencode(plan.prefix)
    written = 0
    _tidy(plan)
    try:
        for item in plan.relocations:
            path = plan.prefix / item.path
            data = path.read_bytes()
            shipped = None
            if not _is_elsewhere(path, plan.prefix):
                shipped = shipped_content(data, item, plan.known)
            if shipped is None:
                raise PrefixChangedError(
                    f"{path} was changed and cannot be relocated",
                    hint="see `lading verify`, and unpack the tarball again",
                )
            moved = replace_placeholder(shipped, item.occurrences, prefix)
            if moved != data:
                _forget_bytecode(path)
                _replace(path, moved)
                written += 1
        state = read_state(plan.prefix)
        if state is None or state.prefix != str(plan.prefix):
            manifest = state.manifest if state is not None else ""
            new_state = State(prefix=str(plan.prefix), manifest=manifest)
            _replace(plan.prefix / STATE_PATH, render_state(new_state))
    except OSError as error:
        raise PrefixError(
            f"cannot relocate {plan.prefix}: {error.strerror or error}",
            hint="free space there, or allow writing to it",
        ) from error
    return written


def _is_elsewhere(path: Path, prefix: Path) -> bool:
    """Whether a path is a link, or lies below one: it was a file when it was packed."""
    return path.resolve() != prefix.resolve() / path.relative_to(prefix)


def _forget_bytecode(path: Path) -> None:
    """Delete what python compiled of a source that is about to change.

    It knows stale bytecode by time and size, and both stay as they were where the old place and
    the new one have paths of one length.
    """
    if path.suffix == ".py":
        for compiled in (path.parent / "__pycache__").glob(f"{glob.escape(path.stem)}.*.pyc"):
            compiled.unlink(missing_ok=True)


def _replace(path: Path, data: bytes) -> None:
    """Write `path` anew, with its mode and time; a hard link elsewhere keeps the old content."""
    status = path.stat() if path.exists() else None
    with temporary_file(path.parent, path.name) as (temporary, stream):
        stream.write(data)
        stream.flush()
        os.fchmod(stream.fileno(), status.st_mode & 0o7777 if status else 0o644)
        if status is not None:
            os.utime(temporary, ns=(status.st_atime_ns, status.st_mtime_ns))
        temporary.replace(path)


def _tidy(plan: RelocatePlan) -> None:
    """Remove what a relocation that was killed left beside the files that it wrote."""
    names: dict[Path, set[str]] = {}
    for relative in (*(item.path for item in plan.relocations), STATE_PATH):
        path = plan.prefix / relative
        names.setdefault(path.parent, set()).add(path.name)
    for parent, known in names.items():
        if not _is_elsewhere(parent, plan.prefix):
            remove_stale_temporaries(parent, is_temporary_of(*known))
