"""Replacing a placeholder by a prefix, and back again.

Replacement goes by the offsets of the placeholder in the shipped content, not by searching for the
current prefix, which may be as short as `/e` and occur in the file for other reasons. So it can be
reversed: a file can be relocated again, and its shipped content restored and hashed.

Source: CEP 34 (`prefix_placeholder`, `file_mode`); conda-pack 0.9.2 `prefixes.py`, whose result is
the same byte for byte.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lading.conda.paths import FileMode
from lading.errors import PrefixTooLongError

__all__ = [
    "Occurrences",
    "check_placeholder",
    "find_occurrences",
    "replace_placeholder",
    "restore_placeholder",
]

PLACEHOLDER_BYTES = range(5, 1025)
"""Lengths that a placeholder may have. Packages are built in prefixes of 255 bytes, a few old ones
in shorter ones; one of a single byte would occur millions of times in a file of a few megabytes."""


def check_placeholder(placeholder: str) -> None:
    """Refuse a placeholder that no package is built with.

    Raises:
        ValueError: It is too short or too long, or holds a NUL.
    """
    length = len(placeholder.encode())
    if length not in PLACEHOLDER_BYTES or "\0" in placeholder:
        first, last = PLACEHOLDER_BYTES[0], PLACEHOLDER_BYTES[-1]
        raise ValueError(
            f"the placeholder {placeholder[:20]!r} has {length} bytes, not {first} to {last}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrences:
    """The places of a placeholder in the shipped content of one file.

    Attributes:
        placeholder: Its bytes, without NUL.
        mode: How it is replaced.
        groups: In text mode one group of all offsets. In binary mode one group for each C string:
            the offsets in it, ascending, then the offset of the terminating NUL.
    """

    placeholder: bytes
    mode: FileMode
    groups: tuple[tuple[int, ...], ...]

    def __bool__(self) -> bool:
        """Whether the placeholder occurs."""
        return bool(self.groups)


def find_occurrences(data: bytes, placeholder: bytes, mode: FileMode) -> Occurrences:
    """Find `placeholder` in the whole content `data` of a file, in linear time.

    In binary mode only C strings count: what follows the last NUL is ignored.
    """
    if mode is FileMode.BINARY:
        groups = tuple(_strings_with(data, placeholder))
    else:
        offsets = tuple(_offsets(data, placeholder, 0, len(data)))
        groups = (offsets,) if offsets else ()
    return Occurrences(placeholder=placeholder, mode=mode, groups=groups)


def _strings_with(data: bytes, needle: bytes) -> Iterator[tuple[int, ...]]:
    """For each C string that holds `needle`: its offsets, and that of the terminating NUL."""
    start = data.find(needle)
    while start >= 0:
        end = data.find(b"\0", start)
        if end < 0:
            return
        yield (*_offsets(data, needle, start, end), end)
        start = data.find(needle, end)


def _offsets(data: bytes, needle: bytes, start: int, end: int) -> Iterator[int]:
    position = data.find(needle, start, end)
    while position >= 0:
        yield position
        position = data.find(needle, position + len(needle), end)


def replace_placeholder(data: bytes, where: Occurrences, prefix: bytes) -> bytes:
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
    longest = len(where.placeholder)
    binary = where.mode is FileMode.BINARY
    if binary and where and len(prefix) > longest:
        raise PrefixTooLongError(
            f"the prefix has {len(prefix)} bytes, and at most {longest} fit",
            hint="unpack to a shorter path",
            expected=f"at most {longest} bytes",
            actual=f"{len(prefix)} bytes",
        )
    pieces: list[bytes] = []
    position = 0
    for _, offsets, end in _strings(where):
        for offset in offsets:
            pieces += [data[position:offset], prefix]
            position = offset + longest
        if end is not None:
            pieces += [data[position:end], bytes(len(offsets) * (longest - len(prefix)))]
            position = end
    pieces.append(data[position:])
    return b"".join(pieces)


def restore_placeholder(data: bytes, where: Occurrences, prefix: bytes) -> bytes | None:
    """The shipped content of a file that `replace_placeholder` made for `prefix`.

    Args:
        data: Whole content of the file as it is now.
        where: Offsets in the shipped content.
        prefix: The prefix that it was relocated to, or the placeholder.

    Returns:
        The shipped content, or None if `data` does not have `prefix` at the offsets.
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
