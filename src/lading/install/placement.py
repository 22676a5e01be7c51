"""Make a prefix equal to its contents, whatever an engine left there.

Engines agree on almost every file. The rest is corrected here: paths that several packages own,
and files that no package owns.
"""

import errno
import os
import re
import shutil
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from lading.conda import FileMode, Kind, find_occurrences, replace_placeholder
from lading.errors import ArchiveError, PrefixTooLongError, UnsafePathError
from lading.install.bytecode import is_bytecode
from lading.install.contents import PrefixContents
from lading.package import PayloadFile
from lading.system import CHUNK_BYTES, Beneath, sha256_of

PLACEHOLDER = "/lading/" + "placehold_" * 24
"""Stands for the prefix in text files that link scripts wrote."""

LONGEST_FIRST_LINE = 127
"""Bytes of the first line of a script that every Linux reads."""

_INTERPRETER = re.compile(rb"#! *(/\S*)(.*)", re.DOTALL)


def foreign_paths(prefix: Path, owned: Collection[str]) -> Iterator[str]:
    """The files and links in `prefix` that are not among `owned`, prefix-relative, POSIX."""
    waiting = [""]
    while waiting:
        directory = waiting.pop()
        # As of `os.walk`, which takes three times as long: what cannot be listed has nothing in it.
        with suppress(OSError), os.scandir(f"{prefix}/{directory}") as entries:
            for entry in entries:
                path = directory + entry.name
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{path}/")
                elif path not in owned:
                    yield path


def find_foreign(contents: PrefixContents, prefix: Path) -> tuple[str, ...]:
    """Find what no package put into `prefix`, sorted; bytecode, which programs make, left out."""
    owned = {item.path for payload in contents.payloads for item in payload.files}
    return tuple(sorted(path for path in foreign_paths(prefix, owned) if not is_bytecode(path)))


def remove_foreign(prefix: Beneath, path: str, owned: Collection[str]) -> None:
    """Remove a file that no package owns, and the directories that are empty without it."""
    prefix.remove(path)
    directory = path.rpartition("/")[0]
    while directory and directory not in owned:
        above, name = prefix.above(directory)
        try:
            os.rmdir(name, dir_fd=above)
        except OSError:
            return
        directory = directory.rpartition("/")[0]


def place_contents(
    contents: PrefixContents,
    prefix: Path,
    is_placed: Callable[[PayloadFile], bool] = lambda _: False,
    present: Collection[str] | None = None,
) -> None:
    """Make `prefix` equal to its contents; files that an engine linked correctly stay.

    It writes generated files, bytecode, each path that several packages bring (the last one's
    file), and what an engine put elsewhere: micromamba 2.5 does not know where a free-threaded
    python keeps its packages. It removes what no package owns: bytecode left by engines, uv or
    running programs, marks of installers.

    `is_placed` tells whether a file is known to be correct. `present` are all files and links of
    the prefix, where they are known.
    """
    present = set(foreign_paths(prefix, ()) if present is None else present)
    owned = set()
    with Beneath(prefix) as beneath:
        for payload in contents.payloads:
            for item in payload.files:
                owned.add(item.path)
                if is_placed(item):
                    continue
                is_lost = item.path in contents.clobbered or item.path not in present
                if is_lost or item.content is not None or is_bytecode(item.path):
                    make_parents(beneath, item.path)
                    place(item, beneath, prefix)
        for path in present - owned:
            remove_foreign(beneath, path, owned)


def make_parents(prefix: Beneath, path: str) -> None:
    """Create the directories above `path`; a symbolic link among them is not followed."""
    try:
        prefix.make_directories(path.rpartition("/")[0])
    except OSError as error:
        if error.errno not in {errno.ELOOP, errno.ENOTDIR}:
            raise
        raise UnsafePathError(
            f"{path} lies below a link or a file",
            hint="one of the packages with these paths must go: lock another build of it",
        ) from error


def place(item: PayloadFile, beneath: Beneath, prefix: Path) -> None:
    """Put a path of a package into a prefix, replacing what lies there; its parents exist.

    An old file may be a hard link to the package cache: it is removed, never written through.

    `beneath` is `prefix`, open.
    """
    above, name = beneath.above(item.path)
    if item.kind is Kind.DIRECTORY and _is_directory(name, above):
        return
    beneath.remove(item.path)
    match item.kind:
        case Kind.DIRECTORY:
            os.mkdir(name, dir_fd=above)
        case Kind.LINK:
            os.symlink(item.target, name, dir_fd=above)
        case Kind.FILE:
            _place_file(item, beneath, prefix)


def _is_directory(name: str, above: int) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _place_file(item: PayloadFile, beneath: Beneath, prefix: Path) -> None:
    if is_bytecode(item.path) and _link(item, beneath):
        with os.fdopen(beneath.open(item.path), "rb") as linked:
            os.fchmod(linked.fileno(), 0o755 if item.executable else 0o644)
        return
    descriptor = beneath.open(item.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    with os.fdopen(descriptor, "wb") as stream:
        write_content(item, stream, prefix)


def write_content(item: PayloadFile, stream: BinaryIO, prefix: Path) -> None:
    """Write a file of a payload as it lies in `prefix` to a new file, and set its mode."""
    if item.place and not item.placeholder:
        with open(item.place, "rb", buffering=0) as source:  # noqa: PTH123  # tens of thousands
            shutil.copyfileobj(source, stream, CHUNK_BYTES)
    else:
        stream.write(content_of(item, prefix))
    os.fchmod(stream.fileno(), 0o755 if item.executable else 0o644)


def _link(item: PayloadFile, beneath: Beneath) -> bool:
    """Link bytecode from its cache, which is read and never written; False where that is not so."""
    above, name = beneath.above(item.path)
    try:
        os.link(item.place, name, dst_dir_fd=above, follow_symlinks=False)
    except OSError:
        return False
    return True


def content_of(item: PayloadFile, prefix: Path) -> bytes:
    """The content of a file as it lies in `prefix`."""
    data = item.content if item.source is None else item.source.read_bytes()
    if data is None:
        raise ValueError(f"{item.path} has neither content nor source")
    if not item.placeholder:
        return data
    old, new = item.placeholder.encode(), os.fsencode(prefix)
    if item.mode is FileMode.TEXT:
        data = _with_usable_first_line(data, old, new)
    try:
        return replace_placeholder(data, find_occurrences(data, old, item.mode), new)
    except PrefixTooLongError as error:
        raise PrefixTooLongError(
            f"{prefix} is longer than the placeholder in {item.path}",
            hint="install into a shorter path",
        ) from error


def _with_usable_first_line(data: bytes, old: bytes, new: bytes) -> bytes:
    """The script, which finds its interpreter on PATH where the prefix cannot be in its first line.

    Source: conda's and rattler's `replace_shebang`.
    """
    first = data.partition(b"\n")[0]
    found = _INTERPRETER.fullmatch(first) if old in first else None
    length = len(first.replace(old, new))
    if found is None or (length <= LONGEST_FIRST_LINE and not re.search(rb"\s", new)):
        return data
    program, options = found.groups()
    return b"#!/usr/bin/env " + program.rpartition(b"/")[2] + options + data[len(first) :]


def adopt_files(paths: Sequence[str], prefix: Path, directory: Path) -> tuple[PayloadFile, ...]:
    """Copy what link scripts made in `prefix` to `directory`, as files of the environment.

    In text the prefix is replaced by a placeholder, so that it does not depend on the place.
    """
    return tuple(_adopt(path, prefix, directory) for path in sorted(paths))


def _adopt(path: str, prefix: Path, directory: Path) -> PayloadFile:
    source = prefix / path
    if source.is_symlink():
        return PayloadFile(path=path, kind=Kind.LINK, target=os.readlink(source))  # noqa: PTH115  # keeps the text as it is
    data = source.read_bytes()
    old = os.fsencode(prefix)
    placeholder = ""
    if old in data:
        if b"\0" in data:
            raise ArchiveError(
                f"a link script made {path}, a binary file that holds the path {prefix}",
                hint="install without --link-scripts, or take another build of its package",
            )
        placeholder = PLACEHOLDER
        data = data.replace(old, PLACEHOLDER.encode())
    copy = directory / path
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_bytes(data)
    return PayloadFile(
        path=path,
        place=str(copy),
        executable=os.access(source, os.X_OK),
        sha256=sha256_of(data),
        size=len(data),
        placeholder=placeholder,
    )
