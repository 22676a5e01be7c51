"""From a tarball to an environment at its place: checked, relocated and written in one pass."""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lading.engine.port import Progress, no_progress
from lading.errors import (
    DigestMismatchError,
    PrefixError,
    PrefixExistsError,
    PrefixTooLongError,
    UnsafePathError,
)
from lading.install.cargo import Kind
from lading.pack.manifest import FrameSlice, Manifest
from lading.pack.placeholder import find_occurrences, relocate
from lading.pack.reader import Member, Tarball
from lading.pack.relocation_record import MANIFEST_PATH, STATE_PATH, State, render_state

__all__ = ["UnpackPlan", "apply_unpack", "plan_unpack"]

DIRECTORY_MODE = 0o755


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackPlan:
    """What unpacking will do.

    Attributes:
        tarball: Open.
        prefix: Where the environment will be, absolute.
        directories: Prefix-relative; every one that must exist, parents first.
        workers: How many frames are unpacked at once.
    """

    tarball: Tarball
    prefix: Path
    directories: tuple[str, ...]
    workers: int


def plan_unpack(tarball: Tarball, prefix: Path, workers: int) -> UnpackPlan:
    """What unpacking `tarball` to `prefix` takes; nothing is written.

    Raises:
        PrefixExistsError: `prefix` exists and is no empty directory.
        PrefixTooLongError: Its path does not fit into a placeholder of a binary file.
        PrefixError: Its path has a character that no script can hold.
        UnsafePathError: The bill lists something where lading keeps its own records.
    """
    _refuse_reserved(tarball.manifest)
    check_prefix(prefix, tarball.manifest.requirements.longest_prefix)
    with _prefix_errors(prefix):
        is_free = not os.path.lexists(prefix) or _is_empty_directory(prefix)
    if not is_free:
        raise PrefixExistsError(
            f"{prefix} exists already", hint="name another directory, or move this one away"
        )
    return UnpackPlan(
        tarball=tarball,
        prefix=prefix,
        directories=_directories(tarball.manifest),
        workers=workers,
    )


def _refuse_reserved(manifest: Manifest) -> None:
    """Refuse a bill that lists the records which unpacking writes, or no directory above them."""
    directories = {str(path) for path in PurePosixPath(STATE_PATH).parents}
    for item in manifest.files:
        above = item.path in directories and item.type is not Kind.DIRECTORY
        if above or item.path in {MANIFEST_PATH, STATE_PATH}:
            raise UnsafePathError(
                f"the tarball brings its own {item.path}", hint="pack the environment again"
            )


def _is_empty_directory(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and next(path.iterdir(), None) is None


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


def _directories(manifest: Manifest) -> tuple[str, ...]:
    found = {MANIFEST_PATH.rpartition("/")[0]}
    for item in manifest.files:
        directory = item.path if item.type is Kind.DIRECTORY else item.path.rpartition("/")[0]
        while directory and directory not in found:
            found.add(directory)
            directory = directory.rpartition("/")[0]
    found |= {parent for path in list(found) for parent in _parents(path)}
    return tuple(sorted(found))


def _parents(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def apply_unpack(plan: UnpackPlan, progress: Progress = no_progress) -> None:
    """Unpack: afterwards the prefix is there and complete, or as it was.

    Raises:
        IntegrityError: The tarball is not what its bill says.
        PrefixError: The prefix cannot be written.
    """
    with _prefix_errors(plan.prefix), _parents_of(plan.prefix):
        temporary = Path(
            tempfile.mkdtemp(dir=plan.prefix.parent, prefix=f".{plan.prefix.name[:100]}.lading-")
        )
        try:
            for directory in plan.directories:
                (temporary / directory).mkdir()
                (temporary / directory).chmod(DIRECTORY_MODE)
            _write_frames(plan, temporary, progress)
            _finish(plan, temporary)
            temporary.chmod(DIRECTORY_MODE)
            _appear(temporary, plan.prefix)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


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
def _prefix_errors(prefix: Path) -> Iterator[None]:
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


def _write_frames(plan: UnpackPlan, root: Path, progress: Progress) -> None:
    slices = plan.tarball.manifest.slices()
    with ThreadPoolExecutor(max_workers=plan.workers, thread_name_prefix="unpack") as pool:
        futures = [
            pool.submit(_write_frame, plan, item, root, is_last=item is slices[-1])
            for item in slices
        ]
        try:
            for number, future in enumerate(as_completed(futures), start=1):
                future.result()
                progress("unpack", number, len(futures))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _write_frame(plan: UnpackPlan, frame_slice: FrameSlice, root: Path, *, is_last: bool) -> None:
    prefix = os.fsencode(plan.prefix)
    for member in plan.tarball.members(frame_slice, is_last=is_last):
        path = root / member.file.path
        match member.file.type:
            case Kind.FILE:
                _write_file(member, path, prefix)
            case Kind.LINK:
                path.symlink_to(member.file.target)
            case Kind.DIRECTORY:
                os.utime(path, (member.mtime, member.mtime))


def _write_file(member: Member, path: Path, prefix: bytes) -> None:
    """Write one file, hashed as shipped and relocated, without reading it again."""
    hasher = hashlib.sha256()
    item = member.file
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        if item.placeholder and item.placeholder_mode is not None:
            data = b"".join(member.content)
            hasher.update(data)
            where = find_occurrences(data, item.placeholder.encode(), item.placeholder_mode)
            _write_all(descriptor, relocate(data, where, prefix))
        else:
            for chunk in member.content:
                hasher.update(chunk)
                _write_all(descriptor, chunk)
        if hasher.hexdigest() != item.sha256:
            raise DigestMismatchError(
                f"{item.path} is not what the bill says",
                hint="fetch the tarball again",
                expected=item.sha256,
                actual=hasher.hexdigest(),
            )
        os.fchmod(descriptor, int(item.mode, 8))
        os.utime(descriptor, (member.mtime, member.mtime))
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _finish(plan: UnpackPlan, root: Path) -> None:
    """What is true of this place only, and the bill to verify it by."""
    tarball = plan.tarball
    state = State(prefix=str(plan.prefix), manifest=tarball.manifest_sha256.hex)
    for path, data in (
        (MANIFEST_PATH, tarball.manifest_bytes),
        (STATE_PATH, render_state(state)),
    ):
        target = root / path
        target.write_bytes(data)
        target.chmod(0o644)
