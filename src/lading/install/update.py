"""Updating an installation in place: what moved is taken out and linked, the rest stays.

The result is that of an installation from nothing, to the byte: prefix, bill, contents, tarball.
Where that cannot be known beforehand, because the installation was changed since, or was made in
another way, or packages contend for a path, there is no update, and all is made anew.

The engine links into a directory of the prefix's own name, so that what it writes with the prefix
in it needs no change: the prefix is put aside, what was linked is put beside it, and moved in.
While that goes on there is no bill, so whatever happens, nothing half done looks complete.
"""

import logging
import os
import shutil
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lading.conda import Kind, RepodataRecord
from lading.errors import NotAPrefixError
from lading.install.contents import PrefixContents
from lading.install.contents_file import read_contents_file
from lading.install.placement import foreign_paths, remove_foreign
from lading.install.plan import InstallPlan
from lading.install.record import (
    INSTALL_RECORD_NAME,
    InstallRecord,
    RecordedFile,
    read_install_record,
)
from lading.lock import LockedPackage
from lading.package import OWNER_EXECUTE, Payload, PayloadFile
from lading.version import VERSION

__all__ = [
    "ASIDE",
    "INCOMING",
    "NotUpdatableError",
    "Update",
    "find_update",
    "move_packages",
    "refuse_clobbering",
]

ASIDE = "prefix.kept"
"""Where the prefix lies while the engine links, beside its place."""

INCOMING = "prefix.linked"
"""Where what the engine linked lies until it is moved in."""

PYTHON = "python"
CONDA = "conda"
PIP = "pip"

_log = logging.getLogger(__name__)


class NotUpdatableError(Exception):
    """Why an installation must be made anew; no error of the user's, and never shown as one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """What leads from an installation to the one that is wanted.

    Attributes:
        records: The conda packages to be linked, dependencies first. Python is among them where it
            stays, too: engines cannot link a package for python without it.
        wheels: The pip packages to be installed.
        extracted: Distribution string → extracted directory, of the conda packages that stay.
        departing: What is to be taken out: packages that left or changed.
        kept: Path → owner, of what stays; empty for the environment's own.
        placed: Path → file, of the same.
        moved: How many packages were added, changed or left.
    """

    records: tuple[RepodataRecord, ...]
    wheels: tuple[LockedPackage, ...]
    extracted: Mapping[str, Path]
    departing: tuple[Payload, ...]
    kept: Mapping[str, str]
    placed: Mapping[str, PayloadFile]
    moved: int

    def is_placed(self, item: PayloadFile) -> bool:
        """Whether a file is there as it should be, since it was there before."""
        return self.placed.get(item.path) == item


def find_update(plan: InstallPlan, engine: str, package_cache: Path) -> Update | None:
    """The update that leads from what is installed to `plan`; None where all must be made anew.

    Args:
        plan: What is wanted.
        engine: Name and version of the engine, as bills have it.
        package_cache: Where packages are extracted, absolute.
    """
    try:
        return _find_update(plan, engine, package_cache)
    except NotUpdatableError as reason:
        _log.debug("%s is installed anew: %s", plan.environment, reason)
        return None


def _find_update(plan: InstallPlan, engine: str, package_cache: Path) -> Update:
    try:
        bill = read_install_record(plan.directory)
        if bill is None:
            raise NotUpdatableError("it is not installed")
        _refuse_other_ways(plan, bill, engine)
        contents = read_contents_file(plan.directory, bill.contents)
    except NotAPrefixError as error:
        raise NotUpdatableError(str(error)) from error
    refuse_clobbering(contents)
    update = _difference(plan, bill, contents, package_cache)
    _refuse_changed(plan, bill, contents)
    return update


def refuse_clobbering(contents: PrefixContents) -> None:
    """Refuse contents in which packages contend for a path: who has it depends on the order.

    Raises:
        NotUpdatableError: They do.
    """
    for path, owners in contents.clobbered.items():
        raise NotUpdatableError(f"{', '.join(owners)} own {path}")


def _refuse_other_ways(plan: InstallPlan, bill: InstallRecord, engine: str) -> None:
    """Refuse what was installed in another way than it is to be now."""
    ways = {
        "at another place": bill.prefix == str(plan.prefix),
        "for another platform": bill.platform == str(plan.lockfile.platform),
        "under another name": bill.environment == plan.environment,
        "by another lading": bill.lading == VERSION,
        "by another engine": bill.engine == engine,
        "with another choice of bytecode": bill.bytecode == plan.bytecode,
        "with link scripts": not (bill.link_scripts or plan.link_scripts),
    }
    for way, is_same in ways.items():
        if not is_same:
            raise NotUpdatableError(f"it was installed {way}")
    if plan.reinstall:
        raise NotUpdatableError("that was asked for")


def _difference(
    plan: InstallPlan, bill: InstallRecord, contents: PrefixContents, package_cache: Path
) -> Update:
    old = {(payload.manager, payload.name): payload for payload in contents.payloads}
    conda: dict[str, RepodataRecord] = {record.name: record for record in plan.conda}
    pip = {package.name: package for package in plan.wheels}
    stays = {(CONDA, name): _is_same_conda(old, record) for name, record in conda.items()}
    stays |= {(PIP, name): _is_same_pip(old, package) for name, package in pip.items()}
    if (CONDA, PYTHON) in old.keys() | stays.keys() and not stays.get((CONDA, PYTHON)):
        raise NotUpdatableError("its python is another one")
    departing = {key for key in old if key[0] in {CONDA, PIP} and not stays.get(key)}
    arriving = {key for key, is_same in stays.items() if not is_same}
    moved = len(departing | arriving)
    if 2 * moved > len(stays):
        raise NotUpdatableError(f"{moved} packages moved, which is more than half")
    linked = {name for manager, name in arriving if manager == CONDA}
    if linked and PYTHON in conda:
        linked.add(PYTHON)
    kept = [payload for key, payload in old.items() if key not in departing]
    staying = [conda[name] for name in conda if stays[CONDA, name]]
    return Update(
        records=tuple(record for record in plan.records if record.name in linked),
        wheels=tuple(package for package in plan.wheels if not stays[PIP, package.name]),
        extracted=_extracted(bill, staying, package_cache),
        departing=tuple(old[key] for key in sorted(departing)),
        kept={item.path: payload.name for payload in kept for item in payload.files},
        placed={item.path: item for payload in kept for item in payload.files},
        moved=moved,
    )


def _is_same_conda(old: Mapping[tuple[str, str], Payload], record: RepodataRecord) -> bool:
    payload = old.get((CONDA, record.name))
    return payload is not None and (payload.version, payload.build, payload.sha256) == (
        record.version,
        record.build,
        record.sha256,
    )


def _is_same_pip(old: Mapping[tuple[str, str], Payload], package: LockedPackage) -> bool:
    payload = old.get((PIP, package.name))
    return payload is not None and (payload.version, payload.sha256) == (
        package.version,
        package.sha256,
    )


def _extracted(
    bill: InstallRecord, records: Sequence[RepodataRecord], package_cache: Path
) -> dict[str, Path]:
    """Where the packages lie extracted."""
    result = {}
    for record in records:
        directory = Path(bill.extracted.get(record.distribution, ""))
        is_there = (directory / "info/index.json").is_file()
        if not (is_there and directory.is_relative_to(package_cache)):
            raise NotUpdatableError(f"{record.distribution} is not in the package cache")
        result[record.distribution] = directory
    return result


def _refuse_changed(plan: InstallPlan, bill: InstallRecord, contents: PrefixContents) -> None:
    """Refuse an installation that is not as it was when its bill was written.

    The bill is written last: a file with a later time was written since. Files that nobody owns are
    no reason, they are removed; but of an empty directory nobody could tell whose it is.
    """
    newest = (plan.directory / INSTALL_RECORD_NAME).stat().st_mtime_ns
    executable = {
        item.path for payload in contents.payloads for item in payload.files if item.executable
    }
    files = bill.files
    for item in files:
        path = f"{plan.prefix}/{item.path}"
        try:
            is_same = _is_as_billed(path, item, newest, executable=item.path in executable)
        except OSError as error:
            raise NotUpdatableError(f"{item.path}: {error.strerror}") from error
        if not is_same:
            raise NotUpdatableError(f"{item.path} was changed")
    directories = {item.path for item in files if item.kind is Kind.DIRECTORY}
    for root, below, names in os.walk(plan.prefix):
        if not (below or names) and os.path.relpath(root, plan.prefix) not in directories:
            raise NotUpdatableError(f"{root} is empty, and nobody's")


def _is_as_billed(path: str, item: RecordedFile, newest: int, *, executable: bool) -> bool:
    status = os.lstat(path)
    match item.kind:
        case Kind.LINK:
            return stat.S_ISLNK(status.st_mode) and os.readlink(path) == item.target  # noqa: PTH115  # tens of thousands
        case Kind.DIRECTORY:
            return stat.S_ISDIR(status.st_mode)
        case Kind.FILE:
            return (
                stat.S_ISREG(status.st_mode)
                and status.st_size == item.size
                and bool(status.st_mode & OWNER_EXECUTE) is executable
                and _changed_at(status) <= newest
            )


def _changed_at(status: os.stat_result) -> int:
    """When a file was changed, in nanoseconds.

    A file that is nowhere else tells even of a replacement by an older one. One that is in the
    package cache as well is touched whenever another prefix gets it, which changes nothing.
    """
    alone = status.st_nlink == 1
    return max(status.st_mtime_ns, status.st_ctime_ns) if alone else status.st_mtime_ns


def move_packages(
    update: Update,
    prefix: Path,
    link: Callable[[tuple[RepodataRecord, ...]], Mapping[str, Path]],
) -> dict[str, Path]:
    """Distribution string → extracted directory, after the conda packages were moved.

    Afterwards nothing that is departing is in the prefix, and everything that was linked is.

    Args:
        update: What to do; the bill of the installation is gone.
        prefix: Absolute.
        link: Fills an empty prefix of that name with records, and says where they lie extracted.

    Raises:
        NotUpdatableError: A package brings what another one has, or has as something else.
        IntegrityError: An archive or a package is damaged.
        EngineError: The engine failed.
    """
    for payload in update.departing:
        _take_out(payload, prefix, update.kept)
    if not update.records:
        return dict(update.extracted)
    aside, incoming = prefix.with_name(ASIDE), prefix.with_name(INCOMING)
    prefix.rename(aside)
    linked = link(update.records)
    prefix.rename(incoming)
    aside.rename(prefix)
    _move_in(incoming, prefix, update.kept)
    shutil.rmtree(incoming)
    return {**update.extracted, **linked}


def _take_out(payload: Payload, prefix: Path, kept: Mapping[str, str]) -> None:
    """Remove what a package brought, and the directories that are empty without it."""
    directories = [item.path for item in payload.files if item.kind is Kind.DIRECTORY]
    for item in payload.files:
        if item.kind is not Kind.DIRECTORY:
            remove_foreign(prefix, item.path, kept)
    for path in sorted(directories, reverse=True):
        # It is there still if others put something into it.
        with suppress(OSError):
            (prefix / path).rmdir()


def _move_in(incoming: Path, prefix: Path, kept: Mapping[str, str]) -> None:
    made = {""}
    for path in sorted(foreign_paths(incoming, ())):
        owner = kept.get(path)
        if owner in {PYTHON, ""}:
            # Linked for the sake of the others; and the marks of installers.
            continue
        if owner is not None:
            raise NotUpdatableError(f"{path} is owned by {owner} already")
        directory = path.rpartition("/")[0]
        if directory not in made:
            _make_directories(prefix, directory)
            made.add(directory)
        target = prefix / path
        if target.is_dir() and not target.is_symlink():
            raise NotUpdatableError(f"{path} is a directory of another package")
        (incoming / path).replace(target)


def _make_directories(prefix: Path, path: str) -> None:
    """Make a directory in the prefix and those above it; none may be a link or a file."""
    directory = prefix
    for name in path.split("/"):
        directory /= name
        if directory.is_symlink() or directory.is_file():
            raise NotUpdatableError(f"{directory} is no directory of its own")
        directory.mkdir(exist_ok=True)
