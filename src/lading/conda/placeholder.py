"""Replacing a placeholder by a prefix, and back again.

Replacement goes by the offsets of the placeholder in the shipped content, not by searching for the
current prefix, which may be as short as `/e` and occur in the file for other reasons. So it can be
reversed: a file can be relocated again, and its shipped content restored and hashed.

Source: CEP 34 (`prefix_placeholder`, `file_mode`); conda-pack 0.9.2 `prefixes.py`, whose result is
the same byte for byte.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import msgspec

from lading.conda.paths import FileMode
from lading.errors import PrefixTooLongError

CHUNK_BYTES = 1 << 20

MOST_OCCURRENCES = 10_000_000
"""In one file: a small tarball can hold a large file that is nothing but placeholders."""

_String = tuple[int, Iterable[int], int | None]


class Content(Protocol):
    """The content of a file: bytes, or what can be searched and cut like bytes."""

    def __len__(self) -> int:
        """Its size in bytes."""
        ...

    def __getitem__(self, part: "slice[int, int, None]", /) -> bytes:
        """Some of its bytes."""
        ...

    def find(self, needle: bytes, start: int = ..., end: int = ..., /) -> int:
        """The position of `needle`, or -1."""
        ...


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


class Occurrences(msgspec.Struct, frozen=True, kw_only=True):
    """The places of a placeholder in the shipped content of one file.

    Attributes:
        placeholder: Its bytes, without NUL.
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
    groups = tuple(
        (*offsets,) if end is None else (*offsets, end)
        for _, offsets, end in _find_strings(data, placeholder, mode)
    )
    return Occurrences(placeholder=placeholder, mode=mode, groups=tuple(filter(None, groups)))


def _find_strings(
    data: Content, needle: bytes, mode: FileMode
) -> Iterator[tuple[int, Iterator[int], int | None]]:
    """What `_strings` gives, found while it is asked for: nothing is kept of a large file."""
    if mode is FileMode.TEXT:
        yield 0, _offsets(data, needle, 0, len(data)), None
        return
    start = data.find(needle)
    while start >= 0:
        end = data.find(b"\0", start)
        if end < 0:
            return
        yield start, _offsets(data, needle, start, end), end
        start = data.find(needle, end)


def _offsets(data: Content, needle: bytes, start: int, end: int) -> Iterator[int]:
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
    return b"".join(replaced_chunks(data, where, prefix))


def replaced_chunks(data: Content, where: Occurrences, prefix: bytes) -> Iterator[bytes]:
    """What `replace_placeholder` gives, in chunks."""
    return _replaced(data, _strings(where), len(where.placeholder), prefix)


def relocated_chunks(
    data: Content, placeholder: bytes, mode: FileMode, prefix: bytes, most: int = MOST_OCCURRENCES
) -> Iterator[bytes]:
    """What `replace_placeholder` gives, in chunks; takes no memory for the size of the file.

    Args:
        data: Whole shipped content of one file.
        placeholder: Its bytes, without NUL.
        mode: How it is replaced.
        prefix: Absolute path of the environment; holds no NUL byte.
        most: How many placeholders are replaced.

    Raises:
        PrefixTooLongError: In binary mode, `prefix` is longer than the placeholder.
        ValueError: There are more than `most` placeholders.
    """
    strings = _find_strings(data, placeholder, mode)
    return _replaced(data, strings, len(placeholder), prefix, most)


def _replaced(
    data: Content, strings: Iterable[_String], old: int, prefix: bytes, most: int = MOST_OCCURRENCES
) -> Iterator[bytes]:
    position = count = 0
    for _, offsets, end in strings:
        if end is not None and len(prefix) > old:
            raise PrefixTooLongError(
                f"the prefix has {len(prefix)} bytes, and at most {old} fit",
                hint="unpack to a shorter path",
                expected=f"at most {old} bytes",
                actual=f"{len(prefix)} bytes",
            )
        filling = 0
        for offset in offsets:
            yield from chunks_between(data, position, offset)
            yield prefix
            position = offset + old
            filling += old - len(prefix)
            count += 1
            if count > most:
                raise ValueError(f"it holds more than {most} placeholders")
        if end is not None:
            yield from chunks_between(data, position, end)
            yield from _zeros(filling)
            position = end
    yield from chunks_between(data, position, len(data))


def chunks_between(data: Content, start: int, end: int) -> Iterator[bytes]:
    """The bytes of `data` from `start` to `end`, in chunks."""
    for position in range(start, end, CHUNK_BYTES):
        yield data[position : min(position + CHUNK_BYTES, end)]


def _zeros(count: int) -> Iterator[bytes]:
    for done in range(0, count, CHUNK_BYTES):
        yield bytes(min(CHUNK_BYTES, count - done))


def restore_placeholder(data: bytes, where: Occurrences, prefix: bytes) -> bytes | None:
    """The shipped content of a file that `replace_placeholder` made for `prefix`, else None.

    Args:
        data: Whole content of the file as it is now.
        where: Offsets in the shipped content.
        prefix: The prefix that it was relocated to, or the placeholder.
    """
    try:
        return b"".join(restored_chunks(data, where, prefix))
    except ValueError:
        return None


def restored_chunks(data: Content, where: Occurrences, prefix: bytes) -> Iterator[bytes]:
    """What `restore_placeholder` gives, in chunks.

    Raises:
        ValueError: `data` does not have `prefix` at the offsets.
    """
    shrink = len(where.placeholder) - len(prefix)
    if where.mode is FileMode.BINARY and shrink < 0:
        raise ValueError(_ANOTHER)
    position = 0
    for start, offsets, end in _strings(where):
        # In binary mode each string keeps its place; in text mode there is one, from the start.
        yield from chunks_between(data, position, start)
        position = start
        for number, offset in enumerate(offsets):
            here = offset - number * shrink
            if data[here : here + len(prefix)] != prefix:
                raise ValueError(_ANOTHER)
            yield from chunks_between(data, position, here)
            yield where.placeholder
            position = here + len(prefix)
        if end is not None:
            filling = len(offsets) * shrink
            zeros = chunks_between(data, end - filling, end + 1)
            if end >= len(data) or any(chunk.strip(b"\0") for chunk in zeros):
                raise ValueError(_ANOTHER)
            yield from chunks_between(data, position, end - filling)
            position = end
    yield from chunks_between(data, position, len(data))


_ANOTHER = "another prefix is in it"


def _strings(where: Occurrences) -> Iterator[tuple[int, Sequence[int], int | None]]:
    """For each string: where it starts, the offsets in it, and where it ends (None: at the end)."""
    for group in where.groups:
        if where.mode is FileMode.TEXT:
            yield 0, group, None
        else:
            yield group[0], group[:-1], group[-1]
