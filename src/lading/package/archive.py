"""A package archive, `.conda` or `.tar.bz2`, read as it streams; nothing is extracted.

Promises to every reader, whatever the archive holds:

1. A `.conda` is a zip file of `metadata.json`, one `info-*.tar.zst` and one `pkg-*.tar.zst`, stored
   one behind the other without a gap: a reader of its directory and one that streams see the same.
2. Its members are files, symbolic links, hard links to earlier files of the archive, and
   directories; each path is relative, without `..`, at most `LONGEST_PATH` bytes, and there once.
3. Nothing but zeros follows the end of a tar stream.
4. There are at most `MOST_MEMBERS` members and `LARGEST_PACKAGE` bytes, and `LARGEST_INFO` bytes
   below `info/`.

Source: CEP 35 (archive formats).
"""

import bz2
import configparser
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from typing import IO, cast

import msgspec

from lading.errors import ArchiveError
from lading.format import ZSTD_ERROR, zstd_content
from lading.net import PartialFile
from lading.package.tar_stream import Content, Limit, PlainInfo, TarStream

LONGEST_PATH = 1024
LONGEST_NAME = 255
"""Bytes of one name in a path, as file systems have it."""
LARGEST_INFO = 1 << 28
LARGEST_PACKAGE = 1 << 36
MOST_MEMBERS = 1_000_000

READ_BYTES = 1 << 18
"""Decompressed at once: in small pieces calls take longer than decompressing."""

REMEDY = "the package is damaged or no conda package: clear the package cache and fetch it again"

_DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    configparser.Error,
    ZSTD_ERROR,
)
"""What reading a damaged archive may end with."""

_UNSAFE_PATH = re.compile(r"(?:^|/)\.{0,2}(?:/|\Z)|\0")
_TAR = re.compile(r"^(info|pkg)-|\.tar\b")
_LOCAL_HEADER = struct.Struct("<6sH10sI4xHH")
_ZIP64_SIZES = struct.Struct("<HHQQ")
_ZIP64 = 0xFFFFFFFF
_DESCRIPTOR_FLAG = 8


class MemberType(StrEnum):
    """The type of a member."""

    FILE = "file"
    LINK = "link"
    HARDLINK = "hardlink"
    DIRECTORY = "directory"


_TYPES = {
    tarfile.REGTYPE: MemberType.FILE,
    tarfile.AREGTYPE: MemberType.FILE,
    tarfile.SYMTYPE: MemberType.LINK,
    tarfile.LNKTYPE: MemberType.HARDLINK,
    tarfile.DIRTYPE: MemberType.DIRECTORY,
}


class Member(msgspec.Struct, frozen=True, array_like=True):
    """One member of a package archive.

    Attributes:
        path: Relative, POSIX.
        size: Of a file, in bytes.
        target: Of a link as it is written; of a hard link, the path of an earlier file.
        mtime: In whole Unix seconds.
    """

    path: str
    type: MemberType
    mode: int = 0o644
    size: int = 0
    target: str = ""
    mtime: int = 0


def read_members(
    file_name: str,
    stream: IO[bytes] | PartialFile,
    *,
    info_only: bool = False,
    limit: int = LARGEST_PACKAGE,
) -> Iterator[tuple[Member, Content | None]]:
    """The members of the archive `file_name`, in order, each file with its content.

    A content must be read before the next member is asked for. The members below `info/` come first
    in a `.conda`, and usually in a `.tar.bz2`.

    With `info_only`, it ends after `info/` of a `.conda`, which is a file of its own there. The
    tars may have `limit` bytes.

    Raises:
        ArchiveError: It breaks one of the promises above.
    """
    with archive_errors(file_name):
        seen: dict[str, MemberType] = {}
        for tar in _tars(file_name, stream, Limit(limit), info_only=info_only):
            with tarfile.TarFile(fileobj=cast("IO[bytes]", tar), tarinfo=PlainInfo) as headers:
                while item := headers.next():
                    member = _member(item)
                    if member is None:
                        continue
                    _check_member(member, seen)
                    seen[member.path] = member.type
                    content = Content(tar, member.size)
                    yield member, content if member.type is MemberType.FILE else None
                    content.close()
                tar.expect_zeros(headers.offset)


def read_info(file_name: str, stream: IO[bytes] | PartialFile) -> dict[str, bytes]:
    """The files directly below `info/` of an archive: name → content.

    Reading ends after them: what follows may be gigabytes.

    Raises:
        ArchiveError: It is damaged, or has no such files.
    """
    with archive_errors(file_name):
        found: dict[str, bytes] = {}
        rest = LARGEST_INFO
        for member, content in read_members(file_name, stream, info_only=True):
            directory, _, name = member.path.rpartition("/")
            if found and directory.partition("/")[0] != "info":
                break
            if directory == "info" and content is not None:
                rest -= member.size
                if rest < 0:
                    raise ValueError("its info/ is too large")
                found[name] = content.read()
        if not found:
            raise ValueError("it has no info/")
        return found


def check_path(path: str) -> None:
    """Refuse a path that could lead out of a package, or that no file system takes.

    Raises:
        ValueError: It is unsafe.
    """
    if _UNSAFE_PATH.search(path):
        raise ValueError(f"the path {path[:LONGEST_PATH]!r} is unsafe")
    encoded = path if path.isascii() else path.encode()
    if len(encoded) > LONGEST_NAME and (
        len(encoded) > LONGEST_PATH
        or any(len(part.encode()) > LONGEST_NAME for part in path.split("/"))
    ):
        raise ValueError(f"the path {path[:60]!r}... is too long")


@contextmanager
def archive_errors(file_name: str) -> Iterator[None]:
    """Turn what reading a damaged archive ends with into an `ArchiveError` that names it."""
    try:
        yield
    except _DAMAGE as error:
        raise ArchiveError(f"{file_name} is damaged: {error}", hint=REMEDY) from error


def _tars(
    file_name: str, stream: IO[bytes] | PartialFile, limit: Limit, *, info_only: bool
) -> Iterator[TarStream]:
    """The tar streams of an archive, the one with `info/` first."""
    if file_name.endswith(".tar.bz2"):
        with bz2.BZ2File(cast("IO[bytes]", stream)) as content:
            yield TarStream(iter(partial(content.read, READ_BYTES), b""), limit)
    elif file_name.endswith(".conda"):
        with zipfile.ZipFile(stream) as archive:
            info, package = _parts(archive)
            yield from _opened(archive, info, limit)
            if not info_only:
                _check_gaps(archive, stream)
                yield from _opened(archive, package, limit)
    else:
        raise ValueError("it is neither .conda nor .tar.bz2")


def _opened(archive: zipfile.ZipFile, name: str, limit: Limit) -> Iterator[TarStream]:
    with archive.open(name) as part:
        yield TarStream(zstd_content(part, READ_BYTES), limit)


def _parts(archive: zipfile.ZipFile) -> tuple[str, str]:
    """The names of the tars with `info/` and with everything else."""
    names = sorted(name for name in archive.namelist() if _TAR.search(name))
    if len(names) != 2 or not all(map(str.startswith, names, ("info-", "pkg-"))):  # noqa: PLR2004  # both
        raise ValueError("it does not consist of one info-*.tar.zst and one pkg-*.tar.zst")
    return names[0], names[1]


def _check_gaps(archive: zipfile.ZipFile, stream: IO[bytes] | PartialFile) -> None:
    """Refuse a zip file in which a reader that streams finds other members than its directory."""
    end = 0
    for item in sorted(archive.infolist(), key=lambda item: item.header_offset):
        _check_gap(end, item.header_offset)
        stream.seek(item.header_offset)
        header = _LOCAL_HEADER.unpack(stream.read(_LOCAL_HEADER.size))
        _, flags, method, size, name_length, extra_length = header
        extra = stream.read(name_length + extra_length)[name_length:]
        long_sizes = _ZIP64_SIZES.pack(1, 16, item.file_size, item.compress_size)
        streamed = size == item.compress_size or (size == _ZIP64 and long_sizes in extra)
        stored = item.compress_type == zipfile.ZIP_STORED and method.startswith(b"\0\0")
        if not (stored and (streamed or flags & _DESCRIPTOR_FLAG)):
            raise ValueError(f"{item.filename[:LONGEST_PATH]} is not stored as its directory says")
        end = item.header_offset + _LOCAL_HEADER.size + name_length + extra_length
        end += item.compress_size
    _check_gap(end, archive.start_dir)


def _check_gap(end: int, start: int) -> None:
    if not end <= start < end + _LOCAL_HEADER.size:
        raise ValueError("it holds bytes that its directory does not name")


def _member(item: tarfile.TarInfo) -> Member | None:
    """A member as a value; None for the directory that holds all others."""
    path = item.name
    while path.startswith("./"):
        path = path[2:]
    if item.isdir() and path in {"", "."}:
        return None
    type_ = _TYPES.get(item.type)
    if type_ is None or item.issparse():
        raise ValueError(f"{path[:LONGEST_PATH]} is neither a file nor a link nor a directory")
    if item.size < 0:
        raise ValueError(f"{path[:LONGEST_PATH]} has a negative size")
    is_link = type_ is MemberType.LINK or type_ is MemberType.HARDLINK
    return Member(
        path=path,
        type=type_,
        mode=item.mode & 0o7777,
        size=item.size if type_ is MemberType.FILE else 0,
        target=item.linkname.removeprefix("./") if is_link else "",
        mtime=int(item.mtime),
    )


def _check_member(member: Member, seen: Mapping[str, MemberType]) -> None:
    check_path(member.path)
    if len(seen) >= MOST_MEMBERS:
        raise ValueError(f"it has more than {MOST_MEMBERS} members")
    if member.path in seen and not seen[member.path] is member.type is MemberType.DIRECTORY:
        raise ValueError(f"{member.path} is there twice")
    if member.type is MemberType.HARDLINK and seen.get(member.target) is not MemberType.FILE:
        raise ValueError(f"{member.path} is a hard link to no earlier file")
    if member.type is MemberType.LINK and not 0 < len(member.target.encode()) <= LONGEST_PATH:
        raise ValueError(f"{member.path} is a link with an empty or too long target")
