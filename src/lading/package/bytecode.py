"""Bytecode that a package brings, used where it was made of the very source that lies beside it.

conda-build compiles the packages that are made for one python. What it writes names the time and
size of the source (PEP 552), and a tarball's members have other times: python would ignore it. So a
file that fits its source gets the header of the kind that is never compared, which depends on the
content of the source alone, and needs no compiling. It fits if

1. the time and size, or the hash, that it records are those of the source in the archive;
2. its magic number is that of the final release of the python in whose directory it lies;
3. both are plain files, and neither holds a placeholder.

All of this is known from the archive, so it is decided once, when the archive is checked.
"""

import re
import struct
from _imp import source_hash
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from lading.conda import PathType
from lading.package.archive import Member
from lading.package.info import PathEntry

MAGICS = {
    "3.7": 3394,
    "3.8": 3413,
    "3.9": 3425,
    "3.10": 3439,
    "3.11": 3495,
    "3.12": 3531,
    "3.13": 3571,
    "3.14": 3627,
}
"""The magic number of the bytecode of each series of CPython, which its releases never change.

Source: `Include/internal/pycore_magic_number.h` of CPython. A series that is missing here is
compiled.
"""

_SOURCE = re.compile(r"lib/python(\d+\.\d+)t?/.+\.py")
_BYTECODE = re.compile(r"(lib/python(\d+\.\d+)t?/(?:.*/)?)__pycache__/([^/]+)\.cpython-(\d+)\.pyc")
_HEADER = struct.Struct("<4sIII")
_HASHED_HEADER = struct.Struct("<4sI8s")
_UNCHECKED_HASH = 0b01
_CHECKED_HASH = 0b11
_LOW_BITS = 0xFFFFFFFF


class BroughtBytecode(msgspec.Struct, frozen=True, array_like=True):
    """A file of bytecode that fits its source.

    Attributes:
        header: What stands at its beginning instead of what the package has there.
    """

    path: str
    source: str
    header: bytes


def with_header(data: bytes, header: bytes) -> bytes:
    """A file of bytecode with another header in place of its own."""
    return header + data[_HEADER.size :]


class BytecodeFinder:
    """Finds the bytecode that fits its source, while an archive streams."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._sources: dict[str, _Source] = {}
        # Path of bytecode → path of its source, header.
        self._headers: dict[str, tuple[str, bytes]] = {}

    def look(self, member: Member, content: bytes) -> None:
        """Remember what is needed of a file."""
        if member.path.endswith(".pyc"):
            found = _BYTECODE.fullmatch(member.path)
            if found is not None and found[4] == found[2].replace(".", ""):
                self._headers[member.path] = (f"{found[1]}{found[3]}.py", content[: _HEADER.size])
        elif (found := _SOURCE.fullmatch(member.path)) and found.group(1) in MAGICS:
            magic = MAGICS[found.group(1)].to_bytes(2, "little") + b"\r\n"
            # The whole magic number is the key of the hash.
            hashed = source_hash(int.from_bytes(magic, "little"), content)
            self._sources[member.path] = _Source(magic, member.mtime, member.size, hashed)

    def fitting(self, paths: Iterable[PathEntry]) -> Iterator[BroughtBytecode]:
        """The bytecode that fits, sorted, after the whole archive was looked at."""
        plain = {
            entry.path
            for entry in paths
            if entry.type is PathType.HARDLINK and not entry.placeholder
        }
        for path, (source, header) in sorted(self._headers.items()):
            found = self._sources.get(source)
            if found is not None and {path, source} <= plain and found.is_in(header):
                yield BroughtBytecode(path, source, found.header)


class _Source(NamedTuple):
    """A source, and the magic number of the python that would import it."""

    magic: bytes
    mtime: int
    size: int
    hashed: bytes

    @property
    def header(self) -> bytes:
        """The header of its bytecode that is never compared with it."""
        return _HASHED_HEADER.pack(self.magic, _UNCHECKED_HASH, self.hashed)

    def is_in(self, header: bytes) -> bool:
        """Whether bytecode with `header` was made of it."""
        if len(header) < _HEADER.size:
            return False
        magic, flags, mtime, size = _HEADER.unpack(header)
        if magic != self.magic:
            return False
        if flags == 0:
            return (mtime, size) == (self.mtime & _LOW_BITS, self.size & _LOW_BITS)
        return flags in {_UNCHECKED_HASH, _CHECKED_HASH} and header[8:] == self.hashed
