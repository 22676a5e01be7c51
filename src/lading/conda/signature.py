"""The code signature of a Mach-O file: which bytes signing writes, and undoing that.

macOS ends a program whose signature does not match its content, and relocation changes content. So
a relocated file is signed again; what was there before is kept, as the *shipped signature*. With it
the file can be taken back to what it was: all other bytes are not touched by signing.

Signing writes the signature, which stands at the end of a file, its size in the header, and that of
the segment it lies in. In a universal file it does so for each architecture.

Source: mach-o/loader.h, mach-o/fat.h; codesign(1).
"""

import struct
from collections.abc import Iterator, Sequence
from itertools import pairwise

from lading.conda.placeholder import Content, chunks_between

Signature = tuple[bytes, ...]
"""What stands at the places that signing writes, in their order."""

_MACHO, _UNIVERSAL = b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe"
_HEADER_BYTES = 32
_SEGMENT, _SIGNATURE = 0x19, 0x1D
_LINKEDIT = b"__LINKEDIT".ljust(16, b"\0")
_MOST_COMMANDS = 1 << 20
"""Bytes of load commands; real files have some kilobytes."""

_MOST_SLICES = 16
"""Architectures of a universal file; the class files of Java begin alike, with a larger number."""


def signature_of(data: Content) -> Signature:
    """What signing would write over; empty for a file that is not signed, or no Mach-O file."""
    return tuple(data[start:end] for start, end in _places(data))


def with_signature(data: Content, signature: Sequence[bytes]) -> Iterator[bytes]:
    """The content `data` with `signature` instead of its own, in chunks.

    Raises:
        ValueError: It has other places for a signature, or none.
    """
    places = _places(data)
    if len(places) != len(signature):
        raise ValueError("it is signed in another way")
    position = 0
    for (start, end), piece in zip(places, signature, strict=True):
        yield from chunks_between(data, position, start)
        yield piece
        position = end
    yield from chunks_between(data, position, len(data))


def _places(data: Content) -> list[tuple[int, int]]:
    """Start and end of each part that signing writes, ascending; empty where nothing is signed."""
    found: list[tuple[int, int]] = []
    magic = data[0:4]
    if magic == _MACHO:
        return _of_slice(data, 0, len(data))
    if magic != _UNIVERSAL or len(data) < 8:  # noqa: PLR2004  # magic and number
        return []
    (count,) = struct.unpack(">I", data[4:8])
    table = data[8 : 8 + 20 * count] if count <= _MOST_SLICES else b""
    starts = sorted(entry[2] for entry in struct.iter_unpack(">5I", table[: len(table) // 20 * 20]))
    found.append((8, 8 + len(table)))
    for start, end in zip(starts, [*starts[1:], len(data)], strict=True):
        part = _of_slice(data, start, end)
        if not part or start < found[-1][1]:
            return []
        found += part
    return found if starts else []


def _of_slice(data: Content, base: int, end: int) -> list[tuple[int, int]]:
    """The same of one architecture, which lies from `base` to `end`."""
    header = data[base : base + _HEADER_BYTES]
    if header[:4] != _MACHO or len(header) < _HEADER_BYTES:
        return []
    count, size = struct.unpack_from("<II", header, 16)
    commands = data[base + _HEADER_BYTES : base + _HEADER_BYTES + min(size, _MOST_COMMANDS)]
    found: list[tuple[int, int]] = []
    signed, position = False, 0
    for _ in range(count):
        if position + 16 > len(commands):
            return []
        kind, length, first = struct.unpack_from("<3I", commands, position)
        place = base + _HEADER_BYTES + position
        if kind == _SEGMENT and commands[position + 8 : position + 24] == _LINKEDIT:
            # Its size in memory, and in the file.
            found += [(place + 32, place + 40), (place + 48, place + 56)]
        if kind == _SIGNATURE:
            signed = True
            found += [(place + 12, place + 16), (base + first, end)]
        position += max(8, length)
    found.sort()
    is_sound = all(one[1] <= two[0] for one, two in pairwise(found))
    is_inside = bool(found) and found[-1][0] <= found[-1][1] <= end
    return found if signed and is_sound and is_inside else []
