"""Relocate an environment again: from wherever it was to where it is now.

It works after a move, after a relocation that was cut short, and after `conda-unpack`; run twice,
the second run changes nothing. All new contents are written to a temporary directory, then to disk;
only then do they replace the files, each by a rename.

Files are read only if they are regular and below the prefix: it may come from anywhere.
"""

import glob
import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import msgspec

from lading.conda import (
    Content,
    FileMode,
    Signature,
    replaced_chunks,
    restored_chunks,
    with_signature,
)
from lading.errors import PrefixChangedError, PrefixError
from lading.format import (
    LADING_DIRECTORY,
    SIGNATURES_PATH,
    STATE_PATH,
    Relocation,
    State,
    read_record,
    read_signatures,
    read_state,
    render_signatures,
    render_state,
)
from lading.node.frame_writer import write_gathered
from lading.node.sign import CODESIGN, needs_signing, sign_again
from lading.node.staging import check_prefix
from lading.system import (
    FileContent,
    Sync,
    content_of,
    remove_stale_temporaries,
    sync_file_system,
    temporary_directory,
    write_atomically,
)

_NOT_IN_PATHS = frozenset(b"\0\n")


class RelocatePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What relocating again will do.

    Attributes:
        prefix: Where the environment is now, absolute.
        known: Prefixes that its files may name, the likeliest first.
        relocations: The files.
        sync: Writes the new contents to disk before they replace the old ones.
        codesign: The program that signs; empty for none.
        signatures: Path → shipped signature of the files that were signed again.
    """

    prefix: Path
    known: tuple[bytes, ...]
    relocations: tuple[Relocation, ...]
    sync: Sync = sync_file_system
    codesign: str = CODESIGN
    signatures: Mapping[str, Signature] = msgspec.field(default_factory=dict)


def plan_relocate(
    prefix: Path, sync: Sync = sync_file_system, codesign: str = CODESIGN
) -> RelocatePlan:
    """What relocating the environment at `prefix` takes; nothing is written.

    Raises:
        NotAPrefixError: It is not an environment that lading packed.
        PrefixTooLongError: Its path does not fit into a placeholder of a binary file.
    """
    relocations = read_record(prefix)
    binary = [
        len(item.placeholder.encode()) for item in relocations if item.mode is FileMode.BINARY
    ]
    check_prefix(prefix, min(binary, default=None))
    # After a relocation that was cut short, some files name another prefix than the rest.
    guesses = _guesses(prefix, relocations)
    known = dict.fromkeys((*known_prefixes(prefix, relocations), *guesses))
    return RelocatePlan(
        prefix=prefix,
        known=tuple(known),
        relocations=relocations,
        sync=sync,
        codesign=codesign,
        signatures=read_signatures(prefix),
    )


def known_prefixes(prefix: Path, relocations: Sequence[Relocation]) -> tuple[bytes, ...]:
    """The prefixes that the files of an environment should name, the likeliest first.

    These are where it is now, and where lading last relocated it to. If another tool relocated it,
    that prefix is read from the first file that reveals it.
    """
    state = read_state(prefix)
    if state is not None:
        found = [state.prefix.encode()]
    else:
        found = list(islice(_guesses(prefix, relocations), 1))
    return tuple(dict.fromkeys([os.fsencode(prefix), *found]))


def _guesses(prefix: Path, relocations: Sequence[Relocation]) -> Iterator[bytes]:
    """What each file reveals: its length tells the length of the prefix in it."""
    return (guess for item in relocations if (guess := _guess(prefix, item)))


def _guess(prefix: Path, item: Relocation) -> bytes | None:
    """The prefix that a relocated file names, or None if it names nothing like a path."""
    try:
        with content_of(prefix / item.path) as data:
            guess = _prefix_in(data, item)
    except OSError:
        return None
    return guess if guess.startswith(b"/") and not _NOT_IN_PATHS.intersection(guess) else None


def _prefix_in(data: Content, item: Relocation) -> bytes:
    start = item.groups[0][0]
    if item.mode is FileMode.TEXT:
        surplus, rest = divmod(len(data) - item.size, len(item.groups[0]))
    else:
        # The string keeps its place; if the prefix is shorter, it is filled up with NUL.
        end = item.groups[0][-1]
        surplus, rest = divmod(data.find(b"\0", start, end + 1) - end, len(item.groups[0]) - 1)
    length = len(item.placeholder.encode()) + surplus
    return data[start : start + length] if length > 0 and not rest else b""


def shipped_digest(
    path: Path, item: Relocation, known: Sequence[bytes], signature: Signature = ()
) -> str | None:
    """SHA-256 of the shipped content of the relocated file at `path`, hexadecimal.

    Args:
        path: Of the file.
        item: What was relocated in it.
        known: Prefixes that it may name.
        signature: What it was shipped with, if it was signed again.

    Returns:
        None if the file names none of the `known` prefixes, nor the placeholder: it was changed, or
        comes from elsewhere.

    Raises:
        OSError: It cannot be read.
    """
    hasher = hashlib.sha256()
    try:
        with content_of(path) as signed, _unsigned(signed, signature) as data:
            named = _named_prefix(data, item, known)
            if named is None:
                return None
            for chunk in restored_chunks(data, item.occurrences, named):
                hasher.update(chunk)
    except ValueError:
        return None
    return hasher.hexdigest()


def _named_prefix(data: Content, item: Relocation, known: Sequence[bytes]) -> bytes | None:
    """Which of the `known` prefixes, or the placeholder, a file names; None for another one."""
    for candidate in (*known, item.placeholder.encode()):
        # One prefix may be the beginning of another; then the length tells them apart.
        if len(data) == item.size_with(candidate):
            try:
                for _ in restored_chunks(data, item.occurrences, candidate):
                    pass
            except ValueError:
                continue
            return candidate
    return None


def apply_relocate(plan: RelocatePlan) -> int:
    """Relocate the prefix; return the number of files rewritten.

    Raises:
        PrefixChangedError: A file names none of the known prefixes.
        PrefixError: A file cannot be written.
    """
    records = plan.prefix / LADING_DIRECTORY
    if _is_elsewhere(records, plan.prefix):
        raise PrefixChangedError(
            f"{records} leads out of the environment", hint="unpack the tarball again"
        )
    remove_stale_temporaries(records)
    try:
        with temporary_directory(records, "relocated") as temporary:
            changed = []
            for number, item in enumerate(plan.relocations):
                path, new = plan.prefix / item.path, temporary / str(number)
                if _write_relocated(plan, item, path, new):
                    changed.append((item.path, new))
            _replace(plan, changed, temporary)
        state = read_state(plan.prefix)
        if state is None or state.prefix != str(plan.prefix):
            manifest = state.manifest if state is not None else ""
            new_state = State(prefix=str(plan.prefix), manifest=manifest)
            write_atomically(plan.prefix / STATE_PATH, render_state(new_state))
    except OSError as error:
        raise PrefixError(
            f"cannot relocate {plan.prefix}: {error.strerror or error}",
            hint="free space there, or allow writing to it",
        ) from error
    return len(changed)


def _replace(plan: RelocatePlan, changed: Sequence[tuple[str, Path]], temporary: Path) -> None:
    """Sign the new contents and put them in the place of the old ones."""
    signatures = sign_again(plan.codesign, changed, plan.signatures)
    if changed:
        plan.sync(temporary)
    if signatures != plan.signatures:
        # Before the files: with it they can be taken back, signed or not.
        write_atomically(plan.prefix / SIGNATURES_PATH, render_signatures(signatures))
    for name, new in changed:
        _forget_bytecode(plan.prefix / name)
        new.replace(plan.prefix / name)


def _write_relocated(plan: RelocatePlan, item: Relocation, path: Path, new: Path) -> bool:
    """Write to `new` what belongs at `path`, with its mode and time; False if it is there."""
    if _is_elsewhere(path, plan.prefix):
        raise _changed(path)
    prefix = os.fsencode(plan.prefix)
    shipped = plan.signatures.get(item.path)
    try:
        with content_of(path) as signed, _unsigned(signed, shipped or (), new.parent) as data:
            named = _named_prefix(data, item, plan.known)
            if named is None:
                raise _changed(path)
            if named == prefix and not (plan.codesign and needs_signing(signed, shipped)):
                return False
            with new.open("xb", buffering=0) as stream:
                chunks = restored_chunks(data, item.occurrences, named)
                with _gathered(data, chunks, new.parent) as whole:
                    relocated = replaced_chunks(whole, item.occurrences, prefix)
                    write_gathered(stream.fileno(), relocated)
                status = path.lstat()
                os.fchmod(stream.fileno(), status.st_mode & 0o7777)
                os.utime(stream.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
    except ValueError as error:
        raise _changed(path) from error
    return True


@contextmanager
def _unsigned(
    data: Content, signature: Signature, directory: Path | None = None
) -> Iterator[Content]:
    """The content of a file before it was signed again, which may need a copy in `directory`.

    Raises:
        ValueError: It is not a file that such a signature belongs to.
    """
    if not signature:
        yield data
        return
    with _gathered(data, with_signature(data, signature), directory) as whole:
        yield whole


@contextmanager
def _gathered(data: Content, chunks: Iterator[bytes], directory: Path | None) -> Iterator[Content]:
    """What `chunks` are together, in memory if the file that they are made of is."""
    if isinstance(data, bytes):
        yield b"".join(chunks)
        return
    with tempfile.TemporaryFile(dir=directory) as copy:
        write_gathered(copy.fileno(), chunks)
        yield FileContent(copy.fileno())


def _changed(path: Path) -> PrefixChangedError:
    return PrefixChangedError(
        f"{path} was changed and cannot be relocated",
        hint="see `lading verify`, and unpack the tarball again",
    )


def _is_elsewhere(path: Path, prefix: Path) -> bool:
    """Whether a path is a link, or below one: it was a file when it was packed."""
    return path.resolve() != prefix.resolve() / path.relative_to(prefix)


def _forget_bytecode(path: Path) -> None:
    """Delete what python compiled of a source that is about to change.

    It recognizes stale bytecode by time and size, and both stay as they were if the old prefix and
    the new one have paths of the same length.
    """
    if path.suffix == ".py":
        for compiled in (path.parent / "__pycache__").glob(f"{glob.escape(path.stem)}.*.pyc"):
            compiled.unlink(missing_ok=True)
