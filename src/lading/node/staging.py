"""Create a prefix atomically: fill a temporary sibling, then rename it.

Both ways of unpacking do so, straight from a tarball and through a store.
"""

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from lading.conda import FileMode
from lading.errors import NoSpaceError, PrefixError, PrefixExistsError, PrefixTooLongError
from lading.format import (
    MANIFEST_PATH,
    SIGNATURES_PATH,
    STATE_PATH,
    Contents,
    State,
    render_signatures,
    render_state,
)
from lading.node.sign import CODESIGN, sign_again
from lading.system import (
    DIRECTORY_MODE,
    Beneath,
    Sync,
    exchange,
    is_temporary_of,
    nearest_directory,
    remove_stale_temporaries,
    sync_file_system,
    temporary_directory,
)


def check_space(place: Path, size: int, files: int) -> None:
    """Refuse a place that is too small.

    Args:
        place: What will be written, absolute; need not exist.
        size: Bytes of contents.
        files: How many files, links and directories.

    Raises:
        NoSpaceError: There is too little space, or there are too few inodes.
    """
    from lading.node.quota import kernel_quota  # noqa: PLC0415  # not for who waits for another

    nearest = nearest_directory(place)
    status, quota = os.statvfs(nearest), kernel_quota(nearest)
    free = status.f_bavail * status.f_frsize
    found: list[tuple[float, str, float | None, str]] = [
        (size / 1e6, "MB", free / 1e6, "are free"),
        (files, "inodes", status.f_favail if status.f_files else None, "are free"),
    ]
    if quota is not None:
        space = quota.space / 1e6 if quota.space is not None else None
        found.append((size / 1e6, "MB", space, "are left of a quota"))
        found.append((files, "files", quota.files, "are left of a quota"))
    for needed, unit, there, words in found:
        if there is not None and there < needed:
            raise NoSpaceError(
                f"needs {needed:,.0f} {unit}, {there:,.0f} {unit} {words} in {nearest}",
                hint="free space there, or choose another place",
            )


def check_prefix(prefix: Path, longest: int | None) -> None:
    """Refuse a prefix that cannot replace a placeholder.

    Raises:
        PrefixTooLongError: It has more than `longest` bytes.
        PrefixError: It has a line break, which no script can hold, or is not UTF-8.
    """
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
        raise PrefixError(f"{text!r} is not UTF-8", hint="choose a path that is") from error


@contextmanager
def staged_prefix(
    contents: Contents,
    prefix: Path,
    *,
    only: frozenset[str] | None = None,
    replace: bool = False,
    sync: Sync = sync_file_system,
    codesign: str = CODESIGN,
) -> Iterator[Path]:
    """Give a temporary directory to be filled.

    If the block succeeds, the directory gets lading's own records, is written to disk and renamed
    to `prefix`; otherwise it is removed. What killed processes left of earlier attempts at this
    prefix is removed first.

    Args:
        contents: What will be in it.
        prefix: The name it will get, absolute.
        only: Names of packages, or None for all: a part is not an environment and gets no records.
        replace: Whether an environment that has the name makes place, and is removed.
        sync: Writes the directory to disk before it is renamed: after a power failure the prefix is
            complete, or it is not there.
        codesign: The program that signs what is relocated; empty for none.

    Raises:
        PrefixExistsError: Something got the name in the meantime.
        PrefixError: The place cannot be written.
    """
    remove_stale_temporaries(prefix.parent, is_temporary_of(prefix.name))
    with (
        prefix_errors(prefix),
        parents_of(prefix),
        temporary_directory(prefix.parent, prefix.name) as temporary,
    ):
        own = own_records(contents, prefix) if only is None else {}
        yield temporary
        binary = (
            item.path
            for package in contents.packages
            if only is None or package.package.name in only
            for item in package.files
            if item.placeholder_mode is FileMode.BINARY
        )
        signatures = sign_again(codesign, ((path, temporary / path) for path in binary), {})
        if signatures and own:
            own[SIGNATURES_PATH] = render_signatures(signatures)
        write_own_records(own, temporary)
        temporary.chmod(DIRECTORY_MODE)
        sync(temporary)
        _rename(temporary, prefix, replace=replace)
    # Workers of a run that was killed hold its temporary for a moment longer than itself.
    remove_stale_temporaries(prefix.parent, is_temporary_of(prefix.name))


def _rename(temporary: Path, prefix: Path, *, replace: bool) -> None:
    """Give the finished environment its name; it may replace an empty directory."""
    try:
        if replace and prefix.is_dir() and not prefix.is_symlink():
            exchange(temporary, prefix)
        else:
            temporary.rename(prefix)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
            raise
        raise PrefixExistsError(
            f"{prefix} appeared while it was unpacked", hint="use that one, or move it away"
        ) from error


@contextmanager
def prefix_errors(prefix: Path) -> Iterator[None]:
    """Turn an error of the system into one that says what to do about it."""
    try:
        yield
    except OSError as error:
        raise PrefixError(
            f"cannot write {prefix}: {error.strerror or error}",
            hint="free space there, or choose another place",
        ) from error


@contextmanager
def parents_of(prefix: Path) -> Iterator[None]:
    """Create the directories above `prefix`; after an error remove those that were created."""
    missing = [path for path in prefix.parents if not path.exists()]
    try:
        prefix.parent.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for path in missing:
            with suppress(OSError):
                path.rmdir()
        raise


def own_records(contents: Contents, prefix: Path) -> dict[str, bytes]:
    """Path → content of what an environment is verified by, and of its state."""
    state = State(prefix=str(prefix), manifest=contents.bill.digest.hex)
    return {
        **dict(contents.records),
        MANIFEST_PATH: contents.bill.document,
        STATE_PATH: render_state(state),
    }


def write_own_records(records: Mapping[str, bytes], root: Path) -> None:
    """Write them below `root`."""
    with Beneath(root, mode=DIRECTORY_MODE) as place:
        for path, data in records.items():
            above, name = place.above(path)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(name, flags, 0o644, dir_fd=above), "wb") as stream:  # noqa: PTH123
                stream.write(data)
                os.fchmod(stream.fileno(), 0o644)
