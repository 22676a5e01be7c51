"""From a tarball to an environment at its place: checked, relocated and written in one pass."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lading.engine.port import Progress, no_progress
from lading.errors import (
    PrefixError,
    PrefixExistsError,
    PrefixTooLongError,
    UnsafePathError,
)
from lading.install.cargo import Kind
from lading.pack.manifest import Manifest, ManifestFile
from lading.pack.members import Frame
from lading.pack.pipeline import in_order
from lading.pack.reader import Shipment
from lading.pack.relocation_record import MANIFEST_PATH, STATE_PATH, State, render_state
from lading.pack.write import DIRECTORY_MODE, make_directories, write_frame

__all__ = ["UnpackPlan", "apply_unpack", "check_prefix", "directories_of", "plan_unpack"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackPlan:
    """What unpacking will do.

    Attributes:
        shipment: The tarball, open.
        prefix: Where the environment will be, absolute.
        directories: Prefix-relative; every one that must exist, parents first.
        workers: How many frames are unpacked at once.
    """

    shipment: Shipment
    prefix: Path
    directories: tuple[str, ...]
    workers: int


def plan_unpack(shipment: Shipment, prefix: Path, workers: int) -> UnpackPlan:
    """What unpacking `shipment` to `prefix` takes; nothing is written.

    Raises:
        PrefixExistsError: `prefix` exists and is no empty directory.
        PrefixTooLongError: Its path does not fit into a placeholder of a binary file.
        PrefixError: Its path has a character that no script can hold.
        UnsafePathError: The bill lists something where lading keeps its own records.
    """
    _refuse_reserved(shipment.manifest)
    check_prefix(prefix, shipment.manifest.requirements.longest_prefix)
    with _prefix_errors(prefix):
        is_free = not os.path.lexists(prefix) or _is_empty_directory(prefix)
    if not is_free:
        raise PrefixExistsError(
            f"{prefix} exists already", hint="name another directory, or move this one away"
        )
    return UnpackPlan(
        shipment=shipment,
        prefix=prefix,
        directories=directories_of(shipment.manifest.files),
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


def directories_of(files: Iterable[ManifestFile]) -> tuple[str, ...]:
    """Every directory that `files` and lading's own records need, parents first."""
    found = {MANIFEST_PATH.rpartition("/")[0]}
    for item in files:
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
            make_directories(temporary, plan.directories)
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
    prefix = os.fsencode(plan.prefix)
    total = len(plan.shipment.manifest.slices())

    def write(frame: Frame) -> None:
        write_frame(frame, root, prefix)

    written = in_order(write, plan.shipment.frames(), plan.workers)
    for number, _ in enumerate(written, start=1):
        progress("unpack", number, total)


def _finish(plan: UnpackPlan, root: Path) -> None:
    """What is true of this place only, and the bill to verify it by."""
    shipment = plan.shipment
    state = State(prefix=str(plan.prefix), manifest=shipment.manifest_sha256.hex)
    for path, data in (
        (MANIFEST_PATH, shipment.manifest_bytes),
        (STATE_PATH, render_state(state)),
    ):
        target = root / path
        target.write_bytes(data)
        target.chmod(0o644)
