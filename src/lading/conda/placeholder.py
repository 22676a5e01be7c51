"""Replacing a placeholder by a prefix, and back again.

Replacement is made reversible: it goes by the offsets of the placeholder in the shipped content,
not by searching for a prefix that may be as short as `/e` and stand in the file for other reasons.
So a relocated file can be relocated again, and its shipped content restored and hashed.

Source: CEP 34 (`prefix_placeholder`, `file_mode`); conda-pack 0.9.2 `prefixes.py`, whose result is
the same byte for byte.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lading.conda.paths import FileMode
from lading.errors import PrefixTooLongError

__all__ = ["Occurrences", "find_occurrences", "relocate", "restore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrences:
    """Where a placeholder stands in the shipped content of one file.

    Attributes:
        placeholder: The bytes that stand there; no NUL among them.
        mode: How they are replaced.
        groups: In text mode one group of all offsets. In binary mode one group for each C string:
            the offsets in it, ascending, and last the offset of its terminating NUL.
    """

    placeholder: bytes
    mode: FileMode
    groups: tuple[tuple[int, ...], ...]

    def __bool__(self) -> bool:
        """Whether there is anything to replace."""
        return bool(self.groups)


def find_occurrences(data: bytes, placeholder: bytes, mode: FileMode) -> Occurrences:
    """Where `placeholder` stands in the whole content `data` of a file.

    In binary mode a placeholder without a NUL behind it does not count: it is no C string.
    """
    if placeholder not in data:
        return Occurrences(placeholder=placeholder, mode=mode, groups=())
    groups: tuple[tuple[int, ...], ...]
    if mode is FileMode.TEXT:
        groups = (tuple(_offsets(data, placeholder, 0, len(data))),)
    else:
        pattern = re.compile(re.escape(placeholder) + rb"[^\0]*\0")
        groups = tuple(
            (*_offsets(data, placeholder, match.start(), match.end()), match.end() - 1)
            for match in pattern.finditer(data)
        )
    return Occurrences(placeholder=placeholder, mode=mode, groups=groups)


def _offsets(data: bytes, needle: bytes, start: int, end: int) -> Iterator[int]:
    position = data.find(needle, start, end)
    while position >= 0:
        yield position
        position = data.find(needle, position + len(needle), end)


def relocate(data: bytes, where: Occurrences, prefix: bytes) -> bytes:
    """The shipped content `data` with every placeholder replaced by `prefix`.

    Args:
        data: Whole shipped content of one file.
        where: From `find_occurrences` of the same content.
        prefix: Absolute path of the environment; holds no NUL byte.

    Returns:
        In binary mode `len(data)` bytes: each C string that got shorter is filled with NUL at its
        end. In text mode the length differs by the number of occurrences times the difference of
        the two lengths.

    Raises:
        PrefixTooLongError: In binary mode, `prefix` is longer than the placeholder.
    """
    return _substitute(data, where, where.placeholder, prefix)


def restore(data: bytes, where: Occurrences, prefix: bytes) -> bytes | None:
    """The shipped content of a file that `relocate` made for `prefix`.

    Args:
        data: Whole content of the file as it is now.
        where: Offsets in the shipped content.
        prefix: The prefix that it was relocated to, or the placeholder.

    Returns:
        The shipped content, or None where `data` does not have `prefix` at the offsets.
    """
    if where.mode is FileMode.BINARY and len(prefix) > len(where.placeholder):
        return None
    shrink = len(where.placeholder) - len(prefix)
    pieces: list[bytes] = []
    position = 0
    for start, offsets, end in _strings(where):
        # In binary mode each string keeps its place; in text mode there is one, from the start.
        pieces.append(data[position:start])
        position = start
        moved = start
        for number, offset in enumerate(offsets):
            here = offset - number * shrink
            if data[here : here + len(prefix)] != prefix:
                return None
            pieces += [data[moved:here], where.placeholder]
            moved = here + len(prefix)
        if end is None:
            pieces.append(data[moved:])
            return b"".join(pieces)
        filling = len(offsets) * shrink
        if data[end - filling : end + 1] != bytes(filling + 1):
            return None
        pieces.append(data[moved : end - filling])
        position = end
    pieces.append(data[position:])
    return b"".join(pieces)


def _strings(where: Occurrences) -> Iterator[tuple[int, Sequence[int], int | None]]:
    """For each string: where it starts, the offsets in it, and where it ends (None: at the end)."""
    for group in where.groups:
        if where.mode is FileMode.TEXT:
            yield 0, group, None
        else:
            yield group[0], group[:-1], group[-1]


def _substitute(data: bytes, where: Occurrences, old: bytes, new: bytes) -> bytes:
    binary = where.mode is FileMode.BINARY
    if binary and where.groups and len(new) > len(old):
        raise PrefixTooLongError(
            f"the prefix has {len(new)} bytes, and at most {len(old)} fit",
            hint="unpack to a shorter path",
            expected=f"at most {len(old)} bytes",
            actual=f"{len(new)} bytes",
        )
    pieces: list[bytes] = []
    position = 0
    for _, offsets, end in _strings(where):
        for offset in offsets:
            pieces += [data[position:offset], new]
            position = offset + len(old)
        if end is not None:
            pieces += [data[position:end], bytes(len(offsets) * (len(old) - len(new)))]
            position = end
    pieces.append(data[position:])
    return b"".join(pieces)
