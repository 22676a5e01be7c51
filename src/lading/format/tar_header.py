"""Headers of tar members as lading writes them: no owner, no clock, plain ustar if possible.

They are written directly, since a member costs `tarfile` tens of microseconds: what a plain ustar
header can hold in one block, the rest (long or non-ASCII names, huge files) behind a pax header. A
property test holds them against what `tarfile.PAX_FORMAT` writes.

Source: POSIX.1-2001 pax interchange format.
"""

import struct
from zlib import adler32

import msgspec

from lading.conda import Kind

BLOCK_BYTES = 512
END_OF_ARCHIVE = bytes(2 * BLOCK_BYTES)
"""The bytes that end an archive; nothing may follow them."""

NAME_BYTES = 100
LARGEST_OCTAL_SIZE = 0o77777777777

_TYPES = {Kind.FILE: b"0", Kind.LINK: b"2", Kind.DIRECTORY: b"5"}


class Header(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a header says of its member.

    Attributes:
        path: Archive-relative, POSIX, without trailing slash.
        kind: File, link or directory.
        size: Of the content in bytes; 0 for links and directories.
        executable: Whether the mode is 0755 instead of 0644; links have 0777, directories 0755.
        mtime: Unix seconds, at least 0.
        comment: A pax comment, which every tar passes over; empty for none.
    """

    path: str
    kind: Kind
    size: int
    executable: bool
    mtime: int
    target: str = ""
    comment: str = ""

    @property
    def mode(self) -> int:
        """The permission bits."""
        if self.kind is Kind.LINK:
            return 0o777
        return 0o755 if self.executable or self.kind is Kind.DIRECTORY else 0o644


def padding(size: int) -> bytes:
    """The zero bytes that fill the last block of a content of `size` bytes."""
    return bytes(-size % BLOCK_BYTES)


def render_header(header: Header) -> bytes:
    """The header blocks of a member, a multiple of 512 bytes."""
    path = header.path + "/" if header.kind is Kind.DIRECTORY else header.path
    size, mtime = header.size, header.mtime
    name, target = path.encode(), header.target.encode()
    is_plain = (
        len(name) <= NAME_BYTES
        and len(target) <= NAME_BYTES
        and size <= LARGEST_OCTAL_SIZE
        and mtime <= LARGEST_OCTAL_SIZE
        and not header.comment
        and name.isascii()
        and target.isascii()
    )
    if is_plain:
        return _block(name, header.mode, size, mtime, _TYPES[header.kind], target)
    records = b"".join(
        _record(keyword, value)
        for keyword, value, is_needed in (
            (b"comment", header.comment.encode(), header.comment),
            (b"path", name, len(name) > NAME_BYTES or not name.isascii()),
            (b"linkpath", target, len(target) > NAME_BYTES or not target.isascii()),
            (b"size", b"%d" % size, size > LARGEST_OCTAL_SIZE),
            (b"mtime", b"%d" % mtime, mtime > LARGEST_OCTAL_SIZE),
        )
        if is_needed
    )
    return (
        _block(b"././@PaxHeader", 0, len(records), 0, b"x", b"")
        + records
        + padding(len(records))
        + _block(
            path.encode("ascii", "replace"),
            header.mode,
            size if size <= LARGEST_OCTAL_SIZE else 0,
            mtime if mtime <= LARGEST_OCTAL_SIZE else 0,
            _TYPES[header.kind],
            header.target.encode("ascii", "replace"),
        )
    )


# Name, mode, owner and group, size and time, checksum, type, target, magic and version.
_USTAR = struct.Struct("100s8s16s12s12s8sc100s8s247x")
_NOBODY = b"0000000\0" * 2


def _block(name: bytes, mode: int, size: int, mtime: int, type_: bytes, target: bytes) -> bytes:
    """One ustar header; `name` and `target` are ASCII, and cut off where they are too long."""
    block = _USTAR.pack(
        name,
        b"%07o\0" % mode,
        _NOBODY,
        b"%011o\0" % size,
        b"%011o\0" % mtime,
        b"        ",
        type_,
        target,
        b"ustar\00000",
    )
    # Of 512 bytes below 128 the low half of Adler-32 is their sum and one; adding them up in Python
    # would take longer than all the rest.
    return b"%s%06o\0 %s" % (block[:148], (adler32(block) & 0xFFFF) - 1, block[156:])


def _record(keyword: bytes, value: bytes) -> bytes:
    """A record of a pax header: its own length, decimal, with it."""
    rest = len(keyword) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, keyword, value)
