"""Python taken out of its archives, to compile with: no engine, nothing linked or relocated.

An interpreter finds its modules beside itself wherever it lies, so what it needs to start and to
compile is written as it stands in the archives, in the pass that checks them.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from lading.conda import Platform, RepodataRecord
from lading.package import (
    OWNER_EXECUTE,
    ArchiveCheck,
    CheckedPackage,
    Member,
    MemberType,
    archive_errors,
    check_environment,
    check_identity,
    read_members,
)

NEEDED = frozenset({"bin", "lib"})
NOT_NEEDED = frozenset(
    {"distutils", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "site-packages"}
    | {"test", "tests", "tkinter", "turtledemo", "unittest"}
)
"""Directories that compiling needs nothing of: half of the files."""


def unpack_python(
    records: Iterable[RepodataRecord],
    archives: Mapping[str, Path],
    platform: Platform,
    directory: Path,
) -> None:
    """Write what compiling needs of `records` into `directory`.

    Args:
        records: Python and all that it depends on.
        archives: Distribution string → archive, its digest checked.
        platform: Of the environment.
        directory: Absolute, empty.

    Raises:
        IntegrityError: An archive is not a sound package.
        OSError: The directory cannot be written.
    """
    links: list[tuple[Path, Member]] = []
    checked: dict[str, CheckedPackage] = {}
    for record in records:
        archive = archives[record.distribution]
        checked[record.distribution] = _unpack(record, archive, directory, links)
        check_identity(record, checked[record.distribution])
    check_environment(checked, platform)
    # Last: so nothing was written through a link.
    for path, member in links:
        _link(path, member, directory)


def _unpack(
    record: RepodataRecord, archive: Path, directory: Path, links: list[tuple[Path, Member]]
) -> CheckedPackage:
    """Write the files of one package, and add its links to `links`; return it checked."""
    check = ArchiveCheck(record.file_name)
    with archive_errors(record.file_name), archive.open("rb") as stream:
        for member, content in read_members(record.file_name, stream):
            path = directory / member.path if _is_needed(member.path) else None
            is_wanted = content is not None and (path is not None or check.wants(member))
            data = content.read() if content is not None and is_wanted else None
            check.look(member, data)
            if path is not None and data is not None:
                _write(path, member, data)
            elif path is not None and member.type is not MemberType.DIRECTORY:
                links.append((path, member))
    return check.finish()


def _is_needed(path: str) -> bool:
    parts = path.split("/")
    return parts[0] in NEEDED and NOT_NEEDED.isdisjoint(parts)


def _write(path: Path, member: Member, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    if member.mode & OWNER_EXECUTE:
        path.chmod(0o755)
    # Its bytecode names its time; without bytecode each start would compile the modules again.
    os.utime(path, (member.mtime, member.mtime))


def _link(path: Path, member: Member, directory: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    target = directory / member.target
    if os.path.lexists(path):
        return
    if member.type is MemberType.LINK:
        path.symlink_to(member.target)
    elif target.is_file():
        path.hardlink_to(target)
