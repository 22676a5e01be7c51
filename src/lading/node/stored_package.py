"""One package of a store: its directory is made, given its name, and checked.

    <sha256 of list>/tree/...    members as shipped
    <sha256 of list>/list.json   the file list

The files of a store are hard links in every prefix: a program that writes into one of them in a
prefix changes the store. A file is written with the size, time and mode that its list says, so one
call tells whether it was touched since, and only touched files are hashed. A change whose time was
set back afterwards is found by hashing everything. Directories have the time of the package, too:
one that nothing was added to, or taken from, still has it, and its links are what they were.
"""

import errno
import logging
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from lading.conda import Kind
from lading.format import ManifestFile, parse_file_list
from lading.system import DIRECTORY_MODE, open_regular, read_regular, sha256_of, sha256_of_stream

TREE, LIST = "tree", "list.json"
NANOSECONDS = 1_000_000_000

_log = logging.getLogger(__name__)


def prepare(root: Path) -> None:
    """Create the directory of a package, with an empty tree."""
    (root / TREE).mkdir(parents=True)
    for path in (root, root / TREE):
        path.chmod(DIRECTORY_MODE)


def complete(root: Path, document: bytes, files: Sequence[ManifestFile], mtime: int) -> None:
    """Give a package whose members are there its list, and its directories their time."""
    for directory in _directories_of(files):
        os.utime(f"{root / TREE}/{directory}", (mtime, mtime))
    (root / LIST).write_bytes(document)
    (root / LIST).chmod(0o644)


def rename_unless_there(content: Path, target: Path) -> None:
    """Rename a package, unless another process was faster: what that made is the same."""
    try:
        content.rename(target)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise


def replace_changed(stored: Path, content: Path, changed: Iterable[ManifestFile]) -> None:
    """Replace changed members of a stored package by those that were extracted to `content`."""
    for item in changed:
        _log.warning("%s was changed in the store, and is replaced", item.path)
        place = stored / item.path
        _remove(place, unless=item.type)
        place.parent.mkdir(parents=True, exist_ok=True)
        (content / item.path).replace(place)


def changed_paths(place: Path) -> list[str]:
    """The files of a stored package that do not match its list, or the list itself; all is read."""
    with suppress(FileNotFoundError):
        document = read_regular(place / LIST)
        if sha256_of(document).hex == place.name:
            listed = parse_file_list(document, str(place))
            found = changed_files(place / TREE, listed.files, listed.mtime, thorough=True)
            return [item.path for item in found]
    return [LIST]


def _is_untouched(directory: Path, files: Sequence[ManifestFile], mtime: int) -> bool:
    """Whether all is there as it was extracted, by what one call for each file and directory says.

    Of tens of thousands of files almost nobody touched one: so this is the way that must be fast.
    """
    time, trusted = mtime * NANOSECONDS, {0, os.geteuid()}
    modes = {mode: stat.S_IFREG | int(mode, 8) for mode in {item.mode for item in files}}
    expected = (stat.S_IFDIR | DIRECTORY_MODE, time)
    with suppress(FileNotFoundError, NotADirectoryError), _opened(directory) as place:
        for item in files:
            if item.type is Kind.FILE:
                found = os.stat(item.path, dir_fd=place, follow_symlinks=False)
                if (
                    found.st_size != item.size
                    or found.st_mtime_ns != time
                    or found.st_mode != modes[item.mode]
                    or found.st_uid not in trusted
                ):
                    return False
        for name in _directories_of(files):
            found = os.stat(name or ".", dir_fd=place, follow_symlinks=False)
            if (found.st_mode, found.st_mtime_ns) != expected:
                return False
        return True
    return False


@contextmanager
def _opened(directory: Path) -> Iterator[int]:
    """A descriptor from which names are looked up: shorter paths take less time."""
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def changed_files(
    directory: Path, files: Sequence[ManifestFile], mtime: int, *, thorough: bool = False
) -> Iterator[ManifestFile]:
    """Which of `files` in `directory` are missing, changed, or belong to others.

    If only the time or the mode of a file was changed, they are corrected. What does not belong to
    the package is removed.

    Args:
        directory: Of the package, absolute.
        files: What must be there.
        mtime: Unix seconds that they must carry.
        thorough: Whether to hash every file, whatever its size and time.

    Raises:
        OSError: A file cannot be read.
    """
    if not thorough and _is_untouched(directory, files, mtime):
        return
    # Text, since a Path for each of tens of thousands takes longer than looking at it.
    base = f"{directory}/"
    trusted = {0, os.geteuid()}
    for item in files:
        if item.type is not Kind.FILE:
            continue
        path = base + item.path
        expected = (item.size, mtime * NANOSECONDS, stat.S_IFREG | int(item.mode, 8))
        try:
            found = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            yield item
            continue
        touched = expected != (found.st_size, found.st_mtime_ns, found.st_mode)
        is_ours = found.st_uid in trusted
        if is_ours and not touched and not thorough:
            continue
        is_same_kind = is_ours and stat.S_ISREG(found.st_mode) and found.st_size == item.size
        if not is_same_kind or not _has_content(path, item, mtime, correct=touched):
            yield item
    yield from _changed_in_directories(directory, files, mtime)


def _changed_in_directories(
    directory: Path, files: Sequence[ManifestFile], mtime: int
) -> Iterator[ManifestFile]:
    """Which links and directories are missing or changed; only touched directories are read."""
    directories = _directories_of(files)
    expected = (stat.S_IFDIR | DIRECTORY_MODE, mtime * NANOSECONDS)
    touched = [name for name in directories if _of_directory(f"{directory}/{name}") != expected]
    if not touched:
        return
    names = {item.path for item in files}.union(directories)
    for item in files:
        path = directory / item.path
        is_changed = (item.type is Kind.LINK and not _is_link_to(path, item.target)) or (
            item.type is Kind.DIRECTORY and (path.is_symlink() or not path.is_dir())
        )
        if is_changed:
            touched = [name for name in touched if name != item.path.rpartition("/")[0]]
            yield item
    for name in touched:
        place = directory / name
        if place.is_symlink() or not place.is_dir():
            continue
        for path in place.iterdir():
            if str(path.relative_to(directory)) not in names:
                _log.warning("%s does not belong into the store, and is removed", path)
                _remove(path)
        place.chmod(DIRECTORY_MODE)
        os.utime(place, (mtime, mtime))


def _directories_of(files: Sequence[ManifestFile]) -> tuple[str, ...]:
    """Every directory that members need, parents first; the one that holds all is empty text."""
    found = {""}
    own = {item.path for item in files if item.type is Kind.DIRECTORY}
    for directory in own | {item.path.rpartition("/")[0] for item in files}:
        while directory not in found:
            found.add(directory)
            directory = directory.rpartition("/")[0]  # noqa: PLW2901  # one step up
    return tuple(sorted(found))


def _of_directory(path: str) -> tuple[int, int] | None:
    """Mode and time of a directory that may be missing."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_mode, found.st_mtime_ns


def _is_link_to(path: Path, target: str) -> bool:
    with suppress(OSError):
        return str(path.readlink()) == target
    return False


def _remove(path: Path, unless: Kind | None = None) -> None:
    """Remove what is at `path`, if anything; a file stays where a rename will replace it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif unless in {None, Kind.DIRECTORY}:
        path.unlink(missing_ok=True)


def _has_content(path: str, item: ManifestFile, mtime: int, *, correct: bool) -> bool:
    """Compare a file's digest; if it matches, correct its mode and time where asked to."""
    with open(open_regular(path), "rb", buffering=0) as stream:  # noqa: PTH123
        if sha256_of_stream(stream).hex != item.sha256:
            return False
        if correct:
            os.fchmod(stream.fileno(), int(item.mode, 8))
            os.utime(stream.fileno(), (mtime, mtime))
    return True
