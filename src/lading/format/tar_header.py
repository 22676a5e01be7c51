"""Headers of tar members as lading writes them: no owner, no clock, plain ustar if possible.

Most headers are written directly (a member costs `tarfile` tens of microseconds); what does not fit
into a plain ustar header (long or non-ASCII names, huge files) is left to `tarfile`. A property
test holds the two against each other.

Source: POSIX.1-2001 pax interchange format; `tarfile.PAX_FORMAT`.
"""

import tarfile
from dataclasses import dataclass

from lading.conda import Kind

BLOCK_BYTES = 512
END_OF_ARCHIVE = bytes(2 * BLOCK_BYTES)
"""The bytes that end an archive; nothing may follow them."""

NAME_BYTES = 100
LARGEST_OCTAL_SIZE = 0o77777777777

_TYPES = {Kind.FILE: b"0", Kind.LINK: b"2", Kind.DIRECTORY: b"5"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a header says of its member.

    Attributes:
        path: Archive-relative, POSIX, without trailing slash.
        kind: File, link or directory.
        size: Of the content in bytes; 0 for links and directories.
        executable: Whether the mode is 0755 instead of 0644; links have 0777, directories 0755.
        mtime: Unix seconds, at least 0.
        target: Of a link.
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
    name = header.path + "/" if header.kind is Kind.DIRECTORY else header.path
    plain = (
        name.isascii()
        and header.target.isascii()
        and len(name) <= NAME_BYTES
        and len(header.target) <= NAME_BYTES
        and header.size <= LARGEST_OCTAL_SIZE
        and header.mtime <= LARGEST_OCTAL_SIZE
        and not header.comment
    )
    return _render_ustar(header, name) if plain else _render_pax(header, name)


def _render_ustar(header: Header, name: str) -> bytes:
    fields = b"%s%07o\0%s%011o\0%011o\0%s%s%sustar\00000"
    block = fields % (
        name.encode().ljust(100, b"\0"),
        header.mode,
        b"0000000\0" * 2,
        header.size,
        header.mtime,
        b" " * 8,
        _TYPES[header.kind],
        header.target.encode().ljust(100, b"\0"),
    )
    block = block.ljust(BLOCK_BYTES, b"\0")
    return b"%s%06o\0%s" % (block[:148], sum(block), block[155:])


def _render_pax(header: Header, name: str) -> bytes:
    info = tarfile.TarInfo(name)
    info.type = _TYPES[header.kind]
    info.mode = header.mode
    info.size = header.size
    info.mtime = header.mtime
    info.linkname = header.target
    if header.comment:
        info.pax_headers = {"comment": header.comment}
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")
