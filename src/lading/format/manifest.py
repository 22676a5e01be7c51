"""The pack manifest: the bill of lading of one tarball.

It is the root of a tree of digests: it names every package with the digest of its file list
(`lading.format.file_list`) and the digests of its frames; the lists have the digests of all files.
So its own digest, the identity of a tarball, commits to every byte. It does not depend on the host,
the user, the engine or the time.

What `parse_manifest` returns, together with lists that `lading.format.contents` accepts for it, can
be unpacked safely, whatever its author intended:

1. If a digest was given, it was compared before anything was parsed (`lading.format.bill`).
2. Every path is relative, without `..`, and not longer or deeper than file systems allow.
3. No path is listed twice, by any package, and nothing lies below a file or a link.
4. No link leads out of the prefix, neither by its target nor by way of other links.
5. The records that unpacking writes are not among the members.
6. Frames and lists follow each other without gaps; numbers, lengths and the steps of links are
   bounded, so that memory and time are bounded before any is taken.
"""

import re
from collections.abc import Iterator

import msgspec

from lading.errors import ManifestError, raised_as
from lading.format.file_list import FETCH_AGAIN, list_path
from lading.format.frames import FRAME_BYTES
from lading.format.members import MOST_FILES
from lading.format.tar_header import BLOCK_BYTES, LARGEST_OCTAL_SIZE
from lading.system import decode_json

FORMAT_NAME = "lading-pack-manifest"
FORMAT_VERSION = 2
FRAME_FORMAT_VERSION = 2
LARGEST_BILL = 1 << 26
"""Bytes: a bill is held in memory."""
LARGEST_LISTS = 1 << 28
"""Bytes of all lists together: they are held in memory."""
MOST_PACKAGES = 100_000
MOST_FRAMES = 1 << 20
LARGEST_SIZE = 1 << 50
"""Bytes of the contents of one package."""
LARGEST_TIME = LARGEST_OCTAL_SIZE
"""Unix seconds, in the year 2242."""
ENVIRONMENT = "environment"
MANAGERS = frozenset({"conda", "pip", "project"})

_LOWER_HEX = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,199}")
"""Of a package: a part of the path of its list."""


def longest_frame(size: int) -> int:
    """The most compressed bytes that `size` bytes of the stream may have: what compressors add."""
    return size + (size >> 7) + 1024


class ManifestFrame(msgspec.Struct, frozen=True, kw_only=True):
    """One frame of a package's members.

    Attributes:
        offset: Of its first byte in the tarball.
        length: Its compressed length in bytes.
        size: Its decompressed length in bytes.
        sha256: Of its compressed bytes, hexadecimal.
    """

    offset: int
    length: int
    size: int
    sha256: str


class ManifestList(msgspec.Struct, frozen=True, kw_only=True):
    """The file list of a package, which has a frame of its own.

    Attributes:
        offset: Of the first byte of its frame in the tarball.
        length: The compressed length of its frame in bytes.
        size: Of the document in bytes.
        sha256: Of the document, hexadecimal: it identifies what the package puts into a prefix.
        frame_sha256: Of the compressed bytes of its frame, hexadecimal.
    """

    offset: int
    length: int
    size: int
    sha256: str
    frame_sha256: str


class ManifestPackage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One package, or the environment's own files, which stand last and have no name.

    Attributes:
        manager: `conda`, `pip`, `project` or `environment`.
        url: Canonical URL of its archive.
        sha256: Of its archive, hexadecimal.
        files: How many members it has.
        size: Of the contents of its files in bytes.
        listed: Its file list; `list` in the document.
        frames: In the order of the archive; together they hold all its members. An image has none.
    """

    name: str
    manager: str
    files: int
    size: int
    listed: ManifestList = msgspec.field(name="list")
    frames: tuple[ManifestFrame, ...]
    version: str = ""
    build: str = ""
    url: str = ""
    sha256: str = ""
    license: str = ""

    @property
    def list_path(self) -> str:
        """Where its list stands, archive-relative."""
        return list_path(self.manager, self.name)

    @property
    def title(self) -> str:
        """What to call it in a message."""
        return self.name or "the environment's own files"


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
        lock: SHA-256 of the lockfile, hexadecimal.
        compressor: Name, version and level.
        requirements: What it requires of the place where it is unpacked.
        mtime: Unix seconds that the bill carries as a member.
        packages: In the order of the archive.
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
    mtime: int
    packages: tuple[ManifestPackage, ...]

    @property
    def is_image(self) -> bool:
        """Whether it is the bill of an image, which has no frames."""
        return bool(self.requirements.prefix)

    @property
    def files(self) -> int:
        """How many members all packages have."""
        return sum(package.files for package in self.packages)

    @property
    def size(self) -> int:
        """The bytes of all contents."""
        return sum(package.size for package in self.packages)

    @property
    def own_paths(self) -> tuple[str, ...]:
        """Where the lists stand, archive-relative."""
        return tuple(package.list_path for package in self.packages)

    def placed(self) -> Iterator[ManifestFrame | ManifestList]:
        """Everything before the bill's own frame, in the order of the archive."""
        for package in self.packages:
            yield from package.frames
        for package in self.packages:
            yield package.listed


def render_manifest(manifest: Manifest) -> bytes:
    """The canonical bytes: JSON, keys sorted, UTF-8, no space, a final newline."""
    return msgspec.json.encode(manifest, order="sorted") + b"\n"


class _Version(msgspec.Struct):
    """What tells one format from another."""

    format: str
    version: int
    lading: str = "an unknown version"


def parse_manifest(data: bytes, name: str) -> Manifest:
    """The manifest in `data`, checked; its lists are checked by `lading.format.contents`.

    `name` is what to call it in an error.

    Raises:
        ManifestError: It is malformed or too large, has another version, or contradicts itself.
    """
    # Each package and frame has a brace, so this is known before memory is taken for them.
    if len(data) > LARGEST_BILL or data.count(b"{") > 2 * (MOST_PACKAGES + MOST_FRAMES):
        raise ManifestError(f"{name} is too large", hint=FETCH_AGAIN)
    with raised_as(ManifestError, f"{name} is not a pack manifest", FETCH_AGAIN, ValueError):
        _check_version(decode_json(data, _Version), name)
        manifest = decode_json(data, Manifest)
    _check_packages(manifest, name)
    _check_places(manifest, name)
    return manifest


def _check_version(found: _Version, name: str) -> None:
    if (found.format, found.version) == (FORMAT_NAME, 1):
        raise ManifestError(
            f"{name} has format 1, written by lading {found.lading}",
            hint="pack it again: format 1 was never released, and nothing reads it any more",
        )
    if (found.format, found.version) != (FORMAT_NAME, FORMAT_VERSION):
        raise ManifestError(
            f"{name} has format {found.format} {found.version}",
            hint=f"this lading reads {FORMAT_NAME} {FORMAT_VERSION}",
        )


def _check_packages(manifest: Manifest, name: str) -> None:
    """Refuse packages whose lists would have no place of their own, and sizes without bounds."""
    packages = manifest.packages
    if len(packages) > MOST_PACKAGES or manifest.files > MOST_FILES:
        raise ManifestError(f"{name} is too large", hint=FETCH_AGAIN)
    for package in packages[:-1]:
        if package.manager not in MANAGERS or not _NAME.fullmatch(package.name):
            raise ManifestError(f"{name}: a package has a malformed name", hint=FETCH_AGAIN)
    if not packages or (packages[-1].manager, packages[-1].name) != (ENVIRONMENT, ""):
        raise ManifestError(f"{name} does not end with the environment itself", hint=FETCH_AGAIN)
    if len({(item.manager, item.name) for item in packages}) < len(packages):
        raise ManifestError(f"{name} names a package twice", hint=FETCH_AGAIN)
    if any(item.files < 0 or not 0 <= item.size <= LARGEST_SIZE for item in packages):
        raise ManifestError(f"{name}: a package has a malformed size", hint=FETCH_AGAIN)
    if not 0 <= manifest.mtime <= LARGEST_TIME:
        raise ManifestError(f"{name} has an impossible time", hint=FETCH_AGAIN)


def _check_places(manifest: Manifest, name: str) -> None:
    """Refuse frames and lists that overlap, leave gaps, are too large or have no digest."""
    position = 0
    for item in manifest.placed():
        digests = [item.sha256]
        if isinstance(item, ManifestList):
            digests.append(item.frame_sha256)
            is_sound = 0 < item.size <= LARGEST_LISTS
        else:
            is_sound = 0 < item.size <= FRAME_BYTES and item.size % BLOCK_BYTES == 0
        if not is_sound:
            raise ManifestError(f"{name}: a frame has a malformed size", hint=FETCH_AGAIN)
        if item.offset != position or not 0 < item.length <= longest_frame(item.size + 4096):
            raise ManifestError(f"{name}: the frames are not in a row", hint=FETCH_AGAIN)
        if not all(map(_LOWER_HEX.fullmatch, digests)):
            # The store makes a path of it.
            raise ManifestError(f"{name}: a frame has no digest", hint=FETCH_AGAIN)
        position += item.length
    if sum(package.listed.size for package in manifest.packages) > LARGEST_LISTS:
        raise ManifestError(f"{name} is too large", hint=FETCH_AGAIN)
