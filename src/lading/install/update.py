"""What an update in place takes: packages that changed are replaced, the others stay.

The result is that of an installation from nothing, to the byte: prefix, install record, contents,
tarball. Where that cannot be known beforehand, because the installation was changed since, was made
in another way, or packages contend for a path, there is no update: everything is installed again.
`lading.install.moving` carries the update out.
"""

import logging
import os
import stat
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from lading.conda import Kind, RepodataRecord
from lading.errors import NotAPrefixError, PrefixChangedError
from lading.install.contents import PrefixContents, read_contents_file
from lading.install.plan import InstallPlan
from lading.install.project_files import MANAGER as PROJECT
from lading.install.record import (
    INSTALL_RECORD_NAME,
    InstallRecord,
    RecordedFile,
    read_install_record,
)
from lading.lock import LockedPackage, locked_files
from lading.package import OWNER_EXECUTE, Payload, PayloadFile
from lading.system import Digest
from lading.version import VERSION

PYTHON = "python"
CONDA = "conda"
PIP = "pip"

_Key = tuple[str, str]
"""Manager and name of a package."""

Result = TypeVar("Result")

_log = logging.getLogger(__name__)


class NotUpdatableError(Exception):
    """Why everything must be installed again; caught here, never shown as an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """The steps from an installation to the one that is wanted.

    Attributes:
        records: The conda packages to be linked, dependencies first; with python, even where it
            stays: engines cannot link a package for python without it.
        extracted: Distribution string → extracted directory, of the conda packages that stay.
        departing: Packages to be removed: they left the lock, or changed.
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
        """Whether a file is correct already, since it was there before."""
        return self.placed.get(item.path) == item


def unless_in_doubt(environment: str, work: Callable[[], Result]) -> Result | None:
    """The result of `work`; None where it finds that everything must be installed again."""
    try:
        return work()
    except (NotUpdatableError, PrefixChangedError) as reason:
        _log.debug("%s is installed from nothing: %s", environment, reason)
        return None


def find_update(plan: InstallPlan, engine: str, package_cache: Path) -> Update:
    """The update that leads from what is installed to `plan`.

    `engine` is its name and version, as install records have them.

    Raises:
        NotUpdatableError: There is none.
    """
    try:
        record = read_install_record(plan.directory)
        if record is None:
            raise NotUpdatableError("it is not installed")
        _refuse_other_ways(plan, record, engine)
        contents = read_contents_file(plan.directory, record.contents)
    except NotAPrefixError as error:
        raise NotUpdatableError(str(error)) from error
    refuse_clobbering(contents)
    update = _difference(plan, record, contents, package_cache)
    _refuse_changed(plan, record, contents)
    return update


def refuse_clobbering(contents: PrefixContents) -> None:
    """Refuse contents in which packages contend for a path: the owner depends on the order.

    Raises:
        NotUpdatableError: They do.
    """
    for path, owners in contents.clobbered.items():
        raise NotUpdatableError(f"{', '.join(owners)} own {path}")


def _refuse_other_ways(plan: InstallPlan, record: InstallRecord, engine: str) -> None:
    """Refuse an installation that was made with other options than the wanted one."""
    ways = {
        "at another place": record.prefix == str(plan.prefix),
        "for another platform": record.platform == str(plan.lockfile.platform),
        "under another name": record.environment == plan.environment,
        "by another lading": record.lading == VERSION,
        "by another engine": record.engine == engine,
        "with another choice of bytecode": record.bytecode == plan.bytecode,
        "with linked source trees": not (record.editable or plan.editable),
        "with link scripts": not (record.link_scripts or plan.link_scripts),
    }
    for way, is_same in ways.items():
        if not is_same:
            raise NotUpdatableError(f"it was installed {way}")
    if plan.reinstall:
        raise NotUpdatableError("that was asked for")


def _difference(
    plan: InstallPlan, record: InstallRecord, contents: PrefixContents, package_cache: Path
) -> Update:
    installed = {
        (payload.manager, payload.name): payload
        for payload in contents.payloads
        if payload.manager in {CONDA, PIP, PROJECT}
    }
    present = {key: (it.version, it.build, it.sha256) for key, it in installed.items()}
    wanted = _identities(plan)
    staying = {key for key, _ in wanted.items() & present.items()}
    departing, arriving = present.keys() - staying, wanted.keys() - staying
    if (CONDA, PYTHON) in departing | arriving:
        raise NotUpdatableError("its python is another one")
    moved = len(departing | arriving)
    if 2 * moved > len(wanted):
        raise NotUpdatableError(f"{moved} packages changed, which is more than half")
    kept = _files_by_owner(contents, departing)
    return Update(
        records=_to_link(plan, arriving),
        wheels=tuple(item for item in plan.wheels if (PIP, item.name) in arriving),
        extracted=_extracted(
            record, [item for item in plan.conda if (CONDA, item.name) in staying], package_cache
        ),
        departing=tuple(installed[key] for key in sorted(departing)),
        kept={path: owner for path, (owner, _) in kept.items()},
        placed={path: item for path, (_, item) in kept.items()},
        moved=moved,
    )


def _identities(plan: InstallPlan) -> dict[_Key, tuple[str, str, Digest | None]]:
    """What tells each wanted package from others of its name: version, build and digest."""
    conda = {(CONDA, str(it.name)): (it.version, str(it.build), it.sha256) for it in plan.conda}
    pip = {(PIP, it.name): (it.version, "", it.sha256) for it in plan.wheels}
    files = {
        (PROJECT, item.name): (item.sha256[:12], "", Digest.sha256(item.sha256))
        for item in locked_files(plan.lockfile)
    }
    return {**conda, **pip, **files}


def _to_link(plan: InstallPlan, arriving: Collection[_Key]) -> tuple[RepodataRecord, ...]:
    linked = {name for manager, name in arriving if manager == CONDA}
    if linked:
        linked.add(PYTHON)
    return tuple(item for item in plan.records if item.name in linked)


def _files_by_owner(
    contents: PrefixContents, departing: Collection[_Key]
) -> dict[str, tuple[str, PayloadFile]]:
    """Path → owner and file, of everything that stays."""
    return {
        item.path: (payload.name, item)
        for payload in contents.payloads
        if (payload.manager, payload.name) not in departing
        for item in payload.files
    }


def _extracted(
    record: InstallRecord, records: Sequence[RepodataRecord], package_cache: Path
) -> dict[str, Path]:
    """Distribution string → extracted directory."""
    result = {}
    for item in records:
        directory = Path(record.extracted.get(item.distribution, ""))
        is_there = (directory / "info/index.json").is_file()
        if not (is_there and directory.is_relative_to(package_cache)):
            raise NotUpdatableError(f"{item.distribution} is not in the package cache")
        result[item.distribution] = directory
    return result


def _refuse_changed(plan: InstallPlan, record: InstallRecord, contents: PrefixContents) -> None:
    """Refuse an installation that was changed since its record was written.

    The record is written last: a file with a later time was written since. Files that no package
    owns are removed later; but whose an empty directory is could not be told.
    """
    newest = (plan.directory / INSTALL_RECORD_NAME).stat().st_mtime_ns
    executable = {
        item.path for payload in contents.payloads for item in payload.files if item.executable
    }
    files = record.files
    for item in files:
        path = f"{plan.prefix}/{item.path}"
        try:
            is_same = _is_unchanged(path, item, newest, executable=item.path in executable)
        except OSError as error:
            raise NotUpdatableError(f"{item.path}: {error.strerror}") from error
        if not is_same:
            raise NotUpdatableError(f"{item.path} was changed")
    directories = {item.path for item in files if item.kind is Kind.DIRECTORY}
    for root, below, names in os.walk(plan.prefix):
        if not (below or names) and os.path.relpath(root, plan.prefix) not in directories:
            raise NotUpdatableError(f"{root} is empty, and no package owns it")


def _is_unchanged(path: str, item: RecordedFile, newest: int, *, executable: bool) -> bool:
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
