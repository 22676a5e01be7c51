"""Check packages while they are extracted into the package cache: each archive is read once.

The promises of `lading.package.archive` and `lading.package.checks` hold for what lies there, and:

1. Each file is hashed as it is written, and compared with what its package lists.
2. A package has its name only when it is whole and was found sound by itself; until then it is a
   temporary.
3. Nothing is written through a link: what is a directory was created as one here.
4. Only the owner may write, whatever the umask.

The states that the files have then are kept, so that they are not hashed again: see
`lading.install.known_state`.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from lading.conda import PathType, RepodataRecord
from lading.errors import PrefixError, UnsafePathError
from lading.install.extracted import damaged_error
from lading.install.known_state import ABSENT, KnownState, State, state_at, state_of
from lading.package import (
    INFO_FILES,
    REMEDY,
    ArchiveCheck,
    Content,
    Member,
    MemberType,
    PathEntry,
    archive_errors,
    keep_checked,
    read_members,
)
from lading.system import (
    Progress,
    is_temporary_of,
    no_progress,
    remove_stale_temporaries,
    spread,
    temporary_directory,
)

EXTRACTING = "extract"
"""The name of extracting in a `Progress`."""

_DIRECTORY_MODE = 0o755
_PERMISSIONS = 0o755
"""Of those of a member, what a file may have."""
_OWNER_READS = 0o400
_LATEST = 1 << 32
"""The last time that is kept, in Unix seconds: what archives say goes to any number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """A package that is to be extracted.

    Attributes:
        record: The package.
        archive: Absolute, its digest checked.
        place: The directory that it is to be, absolute; not there yet.
        known: Where its state is kept, or None.
        checked: The directory in which results of the check are kept, absolute; or None.
    """

    record: RepodataRecord
    archive: Path
    place: Path
    known: KnownState | None
    checked: Path | None


def extract_packages(
    packages: Sequence[Extraction], workers: int, progress: Progress = no_progress
) -> None:
    """Check and extract packages, in processes; the results of the checks are kept.

    Raises:
        ArchiveError: A package is not what its own list says, or damaged.
        UnsafePathError: It would write outside of its directory.
        PrefixError: It cannot be written.
    """
    if not packages:
        return
    names = [item.place.name for item in packages]
    for directory in {item.place.parent for item in packages}:
        remove_stale_temporaries(directory, is_temporary_of(*names))
    done = 0

    def count(_result: None) -> None:
        nonlocal done
        done += 1
        progress(EXTRACTING, done, len(packages))

    # The largest first: one of them alone at the end would leave the other cores idle.
    by_size = sorted(packages, key=lambda item: -item.archive.stat().st_size)
    spread(extract_package, by_size, workers, count)


def extract_package(item: Extraction) -> None:
    """Check and extract one package; if another process was faster, its result stands.

    Raises:
        ArchiveError: It is not what its own list says, or damaged.
        UnsafePathError: It would write outside of its directory.
        PrefixError: It cannot be written.
    """
    began = time.time_ns()
    with temporary_directory(item.place.parent, item.place.name) as scratch:
        writer = MemberWriter(item.record.file_name, str(scratch))
        check = ArchiveCheck(item.record.file_name)
        with item.archive.open("rb") as stream:
            for member, content in read_members(item.record.file_name, stream):
                writer.write(member, pieces_of(item.record.file_name, check, member, content))
        package = check.finish()
        _refuse_faults(item.record, check.listed, writer.digests)
        scratch.chmod(_DIRECTORY_MODE)
        states = writer.states(check.listed)
        try:
            scratch.rename(item.place)
        except OSError:
            if not item.place.is_dir():
                raise
        else:
            if item.known is not None:
                item.known.keep(item.place, states, began)
    keep_checked(item.record, package, item.checked)


def pieces_of(
    name: str, check: ArchiveCheck, member: Member, content: Content | None
) -> Iterator[bytes | memoryview]:
    """The content of a member of the archive `name`, after `check` has looked at it."""
    with archive_errors(name):
        data = check.look(member, content)
        if data is not None:
            yield data
        elif content is not None:
            yield from content.chunks()


def _refuse_faults(
    record: RepodataRecord, listed: Sequence[PathEntry], digests: Mapping[str, str]
) -> None:
    """Refuse a package with a file that has another digest than it lists."""
    for entry in listed:
        wanted = entry.sha256 if entry.type is PathType.HARDLINK else None
        if wanted is not None and digests.get(entry.path) != wanted.hex:
            raise damaged_error(record.distribution, f"{entry.path} has another digest")


@dataclass(slots=True)
class MemberWriter:
    """Writes the members of an archive into a directory that nobody else uses.

    Attributes:
        name: Of the archive, for messages.
        root: The directory, absolute. Text: there are tens of thousands of paths below it.
        digests: Path of a file → its SHA-256, hexadecimal.
    """

    name: str
    root: str
    digests: dict[str, str] = field(default_factory=dict)
    _states: dict[str, State] = field(default_factory=dict)
    _directories: set[str] = field(default_factory=lambda: {""})

    def write(self, member: Member, content: Iterator[bytes | memoryview]) -> None:
        """Write one member.

        Raises:
            UnsafePathError: Another one is in its way.
            PrefixError: It cannot be written.
        """
        path = f"{self.root}/{member.path}"
        data = next(content, b"")
        try:
            self._make_directory(member.path.rpartition("/")[0])
            match member.type:
                case MemberType.FILE:
                    self._write_file(path, member, data, content)
                case MemberType.HARDLINK:
                    os.link(f"{self.root}/{member.target}", path, follow_symlinks=False)
                    self.digests[member.path] = self.digests[member.target]
                    self._states[member.path] = self._states[member.target]
                case MemberType.LINK:
                    os.symlink(member.target, path)  # noqa: PTH211  # text, see above
                    os.utime(path, _times(member), follow_symlinks=False)
                    self._states[member.path] = state_of(os.lstat(path))
                case MemberType.DIRECTORY:
                    self._make_directory(member.path)
        except (FileExistsError, NotADirectoryError, ValueError) as error:
            raise UnsafePathError(
                f"{self.name} holds {member.path}, which cannot lie there", hint=REMEDY
            ) from error
        except OSError as error:
            raise PrefixError(
                f"cannot extract {self.name}: {error.strerror}",
                hint="free space in, or allow writing to, the package cache",
            ) from error

    def _make_directory(self, path: str) -> None:
        """Create a directory, and those above it; what is there and is none raises an `OSError`."""
        if path in self._directories:
            return
        self._make_directory(path.rpartition("/")[0])
        os.mkdir(f"{self.root}/{path}", _DIRECTORY_MODE)  # noqa: PTH102  # text, see above
        self._directories.add(path)

    def _write_file(
        self,
        path: str,
        member: Member,
        data: bytes | memoryview,
        rest: Iterator[bytes | memoryview],
    ) -> None:
        mode = member.mode & _PERMISSIONS | _OWNER_READS
        hasher = sha256(data)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            _write_all(descriptor, data)
            for piece in rest:
                hasher.update(piece)
                _write_all(descriptor, piece)
            if os.fstat(descriptor).st_mode & 0o7777 != mode:
                # The umask took something away.
                os.fchmod(descriptor, mode)
            os.utime(descriptor, _times(member))
            self._states[member.path] = state_of(os.fstat(descriptor))
        finally:
            os.close(descriptor)
        self.digests[member.path] = hasher.hexdigest()

    def states(self, listed: Sequence[PathEntry]) -> dict[str, State]:
        """The states of all that matters of the package; directories that are missing are made."""
        states = {
            path: self._states.get(path, ABSENT) for path in map("info/{}".format, INFO_FILES)
        }
        directories = {""}
        for entry in listed:
            if entry.type is PathType.DIRECTORY:
                self.write(Member(entry.path, MemberType.DIRECTORY), iter(()))
                directories.add(entry.path)
            else:
                states[entry.path] = self._states[entry.path]
            directory = entry.path.rpartition("/")[0]
            while directory not in directories:
                directories.add(directory)
                directory = directory.rpartition("/")[0]
        return states | {path: state_at(f"{self.root}/{path}") for path in directories}


def _write_all(descriptor: int, data: bytes | memoryview) -> None:
    written = os.write(descriptor, data)
    while written < len(data):
        data = data[written:]
        written = os.write(descriptor, data)


def _times(member: Member) -> tuple[int, int]:
    """When it was read and changed, as the archive says: a state that is new cannot be kept."""
    time_of_change = min(max(member.mtime, 0), _LATEST)
    return time_of_change, time_of_change
