"""Refuse members that must not be written, whatever a bill and its lists say: claims 2 to 6.

The claims are those at the head of `lading.format.manifest`.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from lading.conda import Kind, link_steps
from lading.errors import ManifestError, UnsafePathError
from lading.format.file_list import FETCH_AGAIN, ManifestFile
from lading.format.relocation import LADING_DIRECTORY, RECORD_PATH, STATE_PATH

MOST_FILES = 1_000_000
LONGEST_NAME = 255
"""Bytes, as in the file systems of Linux and macOS; also the length from which a path is measured
exactly: no shorter one can be too long or too deep."""
LONGEST_PATH = 1024
"""Bytes, for paths and targets of links."""
DEEPEST_PATH = 128
"""Names in a path: one of them is removed, and listed, by a function that calls itself."""
LONGEST_PLACEHOLDER = 1024
LARGEST_RELOCATED = 1 << 32
"""Bytes of a file with a placeholder."""
MOST_STEPS = 2_000_000
"""Names that are looked at to follow all links of one environment."""


def check_members(files: Sequence[ManifestFile], name: str) -> None:
    """Refuse members that must not be written.

    `files` are those of all packages together; `name` is what to call the bill in an error.

    Raises:
        UnsafePathError: 2 to 5 do not hold.
        ManifestError: A digest, mode, size or placeholder is malformed, or there are too many.
    """
    if len(files) > MOST_FILES:
        raise ManifestError(f"{name} lists more than {MOST_FILES} members", hint=FETCH_AGAIN)
    paths = [item.path for item in files]
    _check_paths(paths, name)
    kinds = {item.path: item.type for item in files}
    if len(kinds) < len(paths):
        twice = next(path for path, count in Counter(paths).items() if count > 1)
        raise UnsafePathError(f"{name} lists {twice!r} twice", hint=_DO_NOT_USE)
    if any(item.size for item in files if item.type is not Kind.FILE):
        raise ManifestError(f"{name} lists a link with content", hint=FETCH_AGAIN)
    _check_links([item for item in files if item.type is Kind.LINK], name)
    _check_files([item for item in files if item.type is Kind.FILE], name)
    _check_parents(kinds, name)
    _check_reserved(kinds, name)


def _check_reserved(kinds: Mapping[str, Kind], name: str) -> None:
    """Refuse the records that unpacking writes, and anything but directories above them."""
    above = {str(path) for path in PurePosixPath(STATE_PATH).parents}
    for path, kind in kinds.items():
        is_record = path.startswith(f"{LADING_DIRECTORY}/") and path != RECORD_PATH
        if is_record or (path in above and kind is not Kind.DIRECTORY):
            raise UnsafePathError(f"{name} brings its own {path}", hint=_DO_NOT_USE)


def _check_parents(kinds: Mapping[str, Kind], name: str) -> None:
    seen = {""}
    for path in kinds:
        ancestor = path.rpartition("/")[0]
        while ancestor not in seen:
            if kinds.get(ancestor, Kind.DIRECTORY) is not Kind.DIRECTORY:
                raise UnsafePathError(
                    f"{name} lists members below {ancestor!r}, a {kinds[ancestor]}",
                    hint=_DO_NOT_USE,
                )
            seen.add(ancestor)
            ancestor = ancestor.rpartition("/")[0]


# An empty part, `.` or `..` anywhere (so also an absolute path). No path has a NUL byte, so they
# are searched together, with NUL around each: one search for tens of thousands.
_UNSAFE_PATH = re.compile(r"[/\0]\.{0,2}[/\0]")
_SHA256S = re.compile(r"[0-9a-f]{64}(?: [0-9a-f]{64})*")
_MODES = frozenset({"0644", "0755"})
_DO_NOT_USE = "do not use this tarball; pack it again from its lock"


def _check_paths(paths: Sequence[str], name: str) -> None:
    if _is_unsafe(*paths):
        unsafe = next(path for path in paths if _is_unsafe(path))
        raise UnsafePathError(
            f"{name} lists the unsafe path {_shortened(unsafe)!r}", hint=_DO_NOT_USE
        )
    for path in paths:
        if 4 * len(path) > LONGEST_NAME and _is_too_long(path.encode()):
            raise UnsafePathError(
                f"{name} lists the path {_shortened(path)!r}, which is too long", hint=_DO_NOT_USE
            )


def _is_too_long(path: bytes) -> bool:
    if len(path) <= LONGEST_NAME:
        return False
    names = path.split(b"/")
    return (
        len(path) > LONGEST_PATH or len(names) > DEEPEST_PATH or max(map(len, names)) > LONGEST_NAME
    )


def _is_unsafe(*paths: str) -> bool:
    """Whether any of `paths` is."""
    together = "\0".join(["", *paths, ""])
    return together.count("\0") > len(paths) + 1 or _UNSAFE_PATH.search(together) is not None


def _check_links(links: Sequence[ManifestFile], name: str) -> None:
    """Refuse a link that leads out of the prefix, and links that take too long to follow."""
    targets = {item.path: item.target for item in links}
    total = 0
    for item in links:
        target = item.target
        is_sound = target and "\0" not in target and len(target.encode()) <= LONGEST_PATH
        steps = link_steps(item.path, targets) if is_sound else None
        if steps is None:
            raise UnsafePathError(
                f"{name}: link {item.path!r} leads out of the prefix, to {_shortened(target)!r}",
                hint=_DO_NOT_USE,
            )
        total += steps
        if total > MOST_STEPS:
            raise UnsafePathError(f"{name}: its links take too long to follow", hint=_DO_NOT_USE)


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}..."


def _check_files(files: Sequence[ManifestFile], name: str) -> None:
    """Refuse malformed entries; all at once, for there are tens of thousands."""
    if files and not _are_well_formed(files):
        item = next(item for item in files if not _are_well_formed([item]))
        raise ManifestError(f"{name}: the entry of {item.path!r} is malformed", hint=FETCH_AGAIN)


def _are_well_formed(files: Sequence[ManifestFile]) -> bool:
    digests = " ".join([item.sha256 for item in files])
    return (
        _SHA256S.fullmatch(digests) is not None
        and digests.count(" ") == len(files) - 1
        and {item.mode for item in files} <= _MODES
        and min(item.size for item in files) >= 0
        and all(map(_has_sound_placeholder, files))
    )


def _has_sound_placeholder(item: ManifestFile) -> bool:
    if item.placeholder_mode is None:
        return not item.placeholder
    return (
        0 < len(item.placeholder.encode()) <= LONGEST_PLACEHOLDER
        and "\0" not in item.placeholder
        and item.size <= LARGEST_RELOCATED
    )
