"""A prefix that is coming into being: beside its name until it is complete.

Both ways of unpacking, straight from a tarball and through a store, make a prefix like this.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lading.errors import PrefixError, PrefixExistsError, PrefixTooLongError
from lading.format import MANIFEST_PATH, STATE_PATH, State, TarballSource, render_state
from lading.node.frame_writer import DIRECTORY_MODE, directories_of, make_directories
from lading.system import is_temporary_of, remove_stale_temporaries, temporary_directory

__all__ = ["check_prefix", "prefix_errors", "staged_prefix"]


def check_prefix(prefix: Path, longest: int | None) -> None:
    """Refuse a prefix that cannot take the place of a placeholder."""
    text = os.fsencode(prefix)
    if longest is not None and len(text) > longest:
        raise PrefixTooLongError(
            f"{prefix} has {len(text)} bytes; this environment allows {longest}",
            hint="unpack to a shorter path",
            expected=f"at most {longest} bytes",
            actual=f"{len(text)} bytes",
        )
    if b"\n" in text:
        raise PrefixError("the prefix holds a line break", hint="choose a path without one")
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise PrefixError(f"{text!r} is no UTF-8", hint="choose a path that is") from error


@contextmanager
def staged_prefix(
    source: TarballSource, prefix: Path, only: frozenset[str] | None = None
) -> Iterator[Path]:
    """A directory to be filled, with every directory in it that the bill needs.

    When the block ends well it gets lading's own records and its name; otherwise it is gone. What
    killed processes left of earlier attempts at this prefix is removed first.

    Args:
        source: What will be in it.
        prefix: The name it will get, absolute.
        only: Names of packages, or None for all: a part is no environment and gets no records.

    Raises:
        PrefixExistsError: Something got the name in the meantime.
        PrefixError: The place cannot be written.
    """
    remove_stale_temporaries(prefix.parent, is_temporary_of(prefix.name))
    with (
        prefix_errors(prefix),
        _parents_of(prefix),
        temporary_directory(prefix.parent, prefix.name) as temporary,
    ):
        own = (MANIFEST_PATH, STATE_PATH) if only is None else ()
        files = [
            item
            for bill in source.bill.manifest.slices()
            if only is None or bill.package.name in only
            for item in bill.files
        ]
        make_directories(temporary, directories_of(files, own))
        yield temporary
        if only is None:
            _write_own_records(source, prefix, temporary)
        temporary.chmod(DIRECTORY_MODE)
        _appear(temporary, prefix)


def _appear(temporary: Path, prefix: Path) -> None:
    """Give the finished environment its name; a directory may take the place of an empty one."""
    try:
        temporary.rename(prefix)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
            raise
        raise PrefixExistsError(
            f"{prefix} appeared while it was unpacked", hint="use that one, or move it away"
        ) from error


@contextmanager
def prefix_errors(prefix: Path) -> Iterator[None]:
    """Turn what the system says into what the user can do about it."""
    try:
        yield
    except OSError as error:
        raise PrefixError(
            f"cannot write {prefix}: {error.strerror or error}",
            hint="free space there, or choose another place",
        ) from error


@contextmanager
def _parents_of(prefix: Path) -> Iterator[None]:
    """Make the directories above `prefix`; after a failure those that were made are gone again."""
    missing = [path for path in prefix.parents if not path.exists()]
    try:
        prefix.parent.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for path in missing:
            with suppress(OSError):
                path.rmdir()
        raise


def _write_own_records(source: TarballSource, prefix: Path, root: Path) -> None:
    """What is true of this place only, and the bill to verify it by."""
    state = State(prefix=str(prefix), manifest=source.bill.digest.hex)
    for path, data in (
        (MANIFEST_PATH, source.bill.document),
        (STATE_PATH, render_state(state)),
    ):
        target = root / path
        target.write_bytes(data)
        target.chmod(0o644)
