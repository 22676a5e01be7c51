"""The pack manifest: the bill of lading of one tarball.

It lists every member in the order of the archive, with its owner; every package, with its frames;
and what shapes the bytes. It does not depend on the host, the user, the engine or the time.

What `parse_manifest` returns can be unpacked safely, whatever its author intended:

1. If a digest was given, it was compared before anything was parsed (`lading.format.bill`).
2. Every path is relative, without `..`, and not longer or deeper than file systems allow.
3. No path is listed twice, and nothing lies below a file or a link.
4. No link leads out of the prefix, neither by its target nor by way of other links.
5. The records that unpacking writes are not among the members.
6. Frames follow each other without gaps; numbers, lengths and the steps of links are bounded.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

import msgspec

from lading.conda import FileMode, Kind, link_steps
from lading.errors import ManifestError, UnsafePathError
from lading.format.relocation import MANIFEST_PATH, STATE_PATH
from lading.format.tar_header import LARGEST_OCTAL_SIZE, Header, render_header
from lading.system import decode_json

FORMAT_NAME = "lading-pack-manifest"
FORMAT_VERSION = 1
FRAME_FORMAT_VERSION = 1
LARGEST_BYTES = 1 << 28
"""No bill is longer: it is held in memory."""
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
"""Names that are looked at to follow all links of one bill."""
LARGEST_TIME = LARGEST_OCTAL_SIZE
"""Unix seconds, in the year 2242."""


class ManifestFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One member.

    Attributes:
        path: Archive-relative, POSIX.
        type: `file`, `link` or `directory`.
        mode: Permission bits, octal text.
        size: Of the content in bytes.
        sha256: Of the content, hexadecimal; empty for links and directories.
        target: Of a link.
        placeholder: What relocation replaces in the content, or empty.
        placeholder_mode: How; empty without a placeholder.
    """

    path: str
    type: Kind
    mode: str
    size: int = 0
    sha256: str = ""
    target: str = ""
    placeholder: str = ""
    placeholder_mode: FileMode | None = None


class ManifestFrame(msgspec.Struct, frozen=True, kw_only=True):
    """One frame.

    Attributes:
        offset: Of its first byte in the tarball.
        length: Its compressed length in bytes.
        size: Its decompressed length in bytes.
        sha256: Of its compressed bytes, hexadecimal.
        files: How many members it holds.
    """

    offset: int
    length: int
    size: int
    sha256: str
    files: int


class ManifestPackage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One package, or the environment's own files, which stand last and have no name.

    Attributes:
        name: Name in its manager's world.
        version: Version.
        build: Build string of a conda package.
        manager: `conda`, `pip`, `project` or `environment`.
        url: Canonical URL of its archive.
        sha256: Of its archive, hexadecimal.
        license: Short license text.
        mtime: Unix seconds that all its members carry.
        frames: In the order of the archive; together they hold all its members.
    """

    name: str
    manager: str
    mtime: int
    frames: tuple[ManifestFrame, ...]
    version: str = ""
    build: str = ""
    url: str = ""
    sha256: str = ""
    license: str = ""


class Requirements(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the tarball requires of the place where it is unpacked.

    Attributes:
        longest_prefix: The longest path of a prefix in bytes; None for no limit.
        virtual_packages: Name → version that the lock was solved for, such as `__glibc` → `2.28`.
        prefix: Of an image the one prefix that its files name, absolute; empty for a tarball, which
            is relocated when it is unpacked.
    """

    longest_prefix: int | None = None
    virtual_packages: dict[str, str] = {}
    prefix: str = ""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The bill of one tarball.

    Attributes:
        format: Always `lading-pack-manifest`.
        version: Version of the format.
        environment: Name of the environment.
        platform: Its platform.
        lock: SHA-256 of the lockfile, hexadecimal.
        lading: Version of lading that packed.
        frame_format: Version of the layout of frames.
        compressor: Name, version and level.
        bytecode: Whether bytecode is in it.
        requirements: What it requires of the place where it is unpacked.
        packages: In the order of the archive.
        files: In the order of the archive; paths unique.
    """

    format: str = FORMAT_NAME
    version: int = FORMAT_VERSION
    environment: str
    platform: str
    lock: str
    lading: str
    frame_format: int = FRAME_FORMAT_VERSION
    compressor: dict[str, str]
    bytecode: bool
    requirements: Requirements
    packages: tuple[ManifestPackage, ...]
    files: tuple[ManifestFile, ...]

    def slices(self) -> tuple["FrameSlice", ...]:
        """Every frame with its package and its members, in the order of the archive."""
        result = []
        position = 0
        for package in self.packages:
            for frame in package.frames:
                members = self.files[position : position + frame.files]
                position += frame.files
                is_last = package is self.packages[-1] and frame is package.frames[-1]
                result.append(
                    FrameSlice(package=package, frame=frame, files=members, is_last=is_last)
                )
        return tuple(result)

    def owners(self) -> dict[str, str]:
        """Path → name of the package that owns it; empty for the environment's own."""
        return {
            item.path: frame_slice.package.name
            for frame_slice in self.slices()
            for item in frame_slice.files
        }


class FrameSlice(msgspec.Struct, frozen=True, kw_only=True):
    """One frame with its package and members.

    Attributes:
        package: Whose members it holds.
        frame: Its place and digest.
        files: Its members, in order.
        is_last: Whether the end of the archive follows its members.
    """

    package: ManifestPackage
    frame: ManifestFrame
    files: tuple[ManifestFile, ...]
    is_last: bool

    def headers(self) -> tuple[bytes, ...]:
        """The header blocks that stand before each member's content."""
        return tuple(
            render_header(
                Header(
                    path=item.path,
                    kind=item.type,
                    size=item.size,
                    executable=item.mode == "0755",
                    mtime=self.package.mtime,
                    target=item.target,
                )
            )
            for item in self.files
        )


def render_manifest(manifest: Manifest) -> bytes:
    """The canonical bytes: JSON, keys sorted, UTF-8, no space, a final newline."""
    return msgspec.json.encode(manifest, order="sorted") + b"\n"


def parse_manifest(data: bytes, name: str) -> Manifest:
    """The manifest in `data`, checked: whatever it lists can be unpacked safely.

    Args:
        data: From a file or a skippable frame; not trusted.
        name: What to call it in an error.

    Raises:
        ManifestError: It is malformed or too large, has another version, or contradicts itself.
        UnsafePathError: See `check_members`.
    """
    # Each member has a brace, so this is known before memory is taken for them.
    if len(data) > LARGEST_BYTES or data.count(b"{") > 2 * MOST_FILES:
        raise ManifestError(f"{name} is too large", hint=_FETCH_AGAIN)
    try:
        manifest = decode_json(data, Manifest)
    except ValueError as error:
        raise ManifestError(f"{name} is not a pack manifest: {error}", hint=_FETCH_AGAIN) from error
    if (manifest.format, manifest.version) != (FORMAT_NAME, FORMAT_VERSION):
        raise ManifestError(
            f"{name} has format {manifest.format} {manifest.version}",
            hint=f"this lading reads {FORMAT_NAME} {FORMAT_VERSION}",
        )
    check_members(manifest.files, name)
    _check_frames(manifest, name)
    return manifest


_FETCH_AGAIN = "fetch the tarball and its manifest again"
_LOWER_HEX = re.compile(r"[0-9a-f]{64}")


def _check_frames(manifest: Manifest, name: str) -> None:
    """Refuse frames that overlap, leave gaps or do not add up to the members."""
    position = members = 0
    for package in manifest.packages:
        for frame in package.frames:
            if frame.offset != position or frame.length <= 0 or frame.files < 0 or frame.size < 0:
                raise ManifestError(f"{name}: the frames are not in a row", hint=_FETCH_AGAIN)
            if not _LOWER_HEX.fullmatch(frame.sha256):
                # The store makes a path of it.
                raise ManifestError(f"{name}: a frame has no digest", hint=_FETCH_AGAIN)
            position += frame.length
            members += frame.files
        if not 0 <= package.mtime <= LARGEST_TIME:
            raise ManifestError(f"{name}: {package.name} has an impossible time", hint=_FETCH_AGAIN)
    if members != len(manifest.files):
        raise ManifestError(
            f"{name} lists {len(manifest.files)} members, its frames hold {members}",
            hint=_FETCH_AGAIN,
        )


def check_members(files: Sequence[ManifestFile], name: str) -> None:
    """Refuse members that must not be written: claims 2 to 6 of this module.

    Raises:
        UnsafePathError: 2 to 5 do not hold.
        ManifestError: A digest, mode, size or placeholder is malformed, or there are too many.
    """
    if len(files) > MOST_FILES:
        raise ManifestError(f"{name} lists more than {MOST_FILES} members", hint=_FETCH_AGAIN)
    paths = [item.path for item in files]
    _check_paths(paths, name)
    kinds = {item.path: item.type for item in files}
    if len(kinds) < len(paths):
        twice = next(path for path, count in Counter(paths).items() if count > 1)
        raise UnsafePathError(f"{name} lists {twice!r} twice", hint=_DO_NOT_USE)
    _check_links([item for item in files if item.type is Kind.LINK], name)
    _check_files([item for item in files if item.type is Kind.FILE], name)
    _check_parents(kinds, name)
    _check_reserved(kinds, name)


def _check_reserved(kinds: Mapping[str, Kind], name: str) -> None:
    """Refuse the records that unpacking writes, and anything but directories above them."""
    above = {str(path): Kind.DIRECTORY for path in PurePosixPath(STATE_PATH).parents}
    for path, kind in (above | {MANIFEST_PATH: None, STATE_PATH: None}).items():
        if kinds.get(path, kind) is not kind:
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
        raise ManifestError(f"{name}: the entry of {item.path!r} is malformed", hint=_FETCH_AGAIN)


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
