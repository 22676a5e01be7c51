"""Python taken out of its archives, to compile with: no engine, nothing linked or relocated.

An interpreter finds its modules beside itself wherever it lies, so what it needs to start and to
compile is written as it stands in the archives, in the pass that checks them. It is kept for the
next time, beside the checksum of all that is in it.
"""

import os
import re
import stat
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from lading.conda import Platform, RepodataRecord
from lading.format import crc32
from lading.install.extraction import MemberWriter, pieces_of
from lading.package import (
    ArchiveCheck,
    CheckedPackage,
    Member,
    MemberType,
    check_environment,
    check_identity,
    read_members,
)
from lading.system import (
    make_private_directory,
    sha256_of,
    temporary_directory,
    write_atomically,
)

RULES = 1
"""Of what is unpacked: python that was unpacked by other rules is not used."""

_NEEDED = re.compile(
    r"((bin|lib|lib/(python|pypy)[^/]+(/__pycache__)?)/[^/]+"
    r"|lib/(python|pypy)[^/]+/(collections|encodings|importlib|lib-dynload|re)/.+)\Z"
)
"""What starting and compiling need: modules, codecs of sources, shared libraries."""


def find_python(
    records: Iterable[RepodataRecord],
    archives: Mapping[str, Path],
    platform: Platform,
    place: Path,
    cache: Path,
) -> None:
    """Make `place` the prefix of a python that compiles: one that is kept in `cache`, or a new one.

    Args:
        records: Python and all that it depends on.
        archives: Distribution string → archive, its digest checked.
        platform: Of the environment.
        place: Absolute; not there yet.
        cache: Absolute; made if it is missing.

    Raises:
        IntegrityError: An archive is not a sound package.
        PrefixError: It cannot be written.
    """
    make_private_directory(cache)
    digests = [str(item.sha256) for item in records]
    kept = cache / f"python-{sha256_of(' '.join([str(RULES), *digests]).encode()).hex}"
    checksum = kept.with_suffix(".crc32")
    if not (checksum.is_file() and checksum.read_text() == _checksum(kept)):
        with temporary_directory(place.parent, place.name) as temporary:
            unpack_python(records, archives, platform, temporary)
            found = _checksum(temporary)
            with suppress(OSError):
                # A damaged one goes away with the directory of `place`.
                kept.rename(place.with_suffix(".damaged"))
            try:
                temporary.rename(kept)
            except OSError:
                # Another process was faster, or the cache lies in another file system.
                temporary.rename(place)
                return
            write_atomically(checksum, found.encode())
    place.symlink_to(kept)


def _checksum(directory: Path) -> str:
    """CRC-32 of all that lies in a directory: names, modes, targets of links, contents."""
    checksum = 0
    for root, names, files in os.walk(directory):
        names.sort()
        for name in sorted(files):
            path = os.path.join(root, name)  # noqa: PTH118  # text: there are hundreds
            mode = os.lstat(path).st_mode
            data = os.fsencode(Path(path).readlink()) if stat.S_ISLNK(mode) else _read(path)
            relative = path.removeprefix(str(directory))
            checksum = crc32(data, crc32(f"{relative} {mode}".encode(), checksum))
    return f"{checksum:08x}"


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as stream:  # noqa: PTH123  # as above
        return stream.read()


def unpack_python(
    records: Iterable[RepodataRecord],
    archives: Mapping[str, Path],
    platform: Platform,
    directory: Path,
) -> None:
    """Write what compiling needs of `records` into the empty `directory`; see `find_python`."""
    writer = MemberWriter("python", str(directory))
    seen: set[str] = set()
    checked: dict[str, CheckedPackage] = {}
    for record in records:
        archive = archives[record.distribution]
        checked[record.distribution] = _unpack(record, archive, writer, seen)
        check_identity(record, checked[record.distribution])
    check_environment(checked, platform)


def _unpack(
    record: RepodataRecord, archive: Path, writer: MemberWriter, seen: set[str]
) -> CheckedPackage:
    """Write the files of one package, but what others wrote already; return it checked."""
    check = ArchiveCheck(record.file_name)
    with archive.open("rb") as stream:
        for member, content in read_members(record.file_name, stream):
            pieces = pieces_of(record.file_name, check, member, content)
            if _is_needed(member, seen):
                seen.add(member.path)
                writer.write(member, pieces)
            else:
                # The check looks at it all the same.
                next(pieces, None)
    return check.finish()


def _is_needed(member: Member, seen: Collection[str]) -> bool:
    """Whether a member is written; directories are made for what lies in them."""
    if member.type is MemberType.DIRECTORY or not _NEEDED.match(member.path):
        return False
    return member.path not in seen and (
        member.type is not MemberType.HARDLINK or member.target in seen
    )
