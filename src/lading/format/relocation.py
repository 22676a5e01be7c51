"""What relocation rewrites, kept in the environment itself.

The record is shipped as `conda-meta/lading/relocation.json`, the same bytes everywhere: it says
where the placeholders stood in the shipped content. With it an environment can be moved, relocated
again, and its shipped content restored and hashed, whoever relocated it first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import msgspec

from lading.conda import FileMode, Occurrences
from lading.errors import NotAPrefixError

__all__ = [
    "LADING_DIRECTORY",
    "MANIFEST_PATH",
    "RECORD_PATH",
    "STATE_PATH",
    "Relocation",
    "RelocationEntry",
    "State",
    "read_record",
    "read_state",
    "render_record",
    "render_state",
]

LADING_DIRECTORY = "conda-meta/lading"
"""Prefix-relative directory of lading's own records in an environment."""

RECORD_PATH = f"{LADING_DIRECTORY}/relocation.json"
STATE_PATH = f"{LADING_DIRECTORY}/state.json"
MANIFEST_PATH = f"{LADING_DIRECTORY}/manifest.json"
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Relocation:
    """One file that relocation rewrites.

    Attributes:
        path: Archive-relative, POSIX.
        size: Of its shipped content in bytes.
        occurrences: What is replaced, and where.
    """

    path: str
    size: int
    occurrences: Occurrences


class RelocationEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A `Relocation` as it is written."""

    path: str
    size: int
    placeholder: str
    mode: FileMode
    groups: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, item: Relocation) -> "RelocationEntry":
        """The entry of a relocation."""
        return cls(
            path=item.path,
            size=item.size,
            placeholder=item.occurrences.placeholder.decode(),
            mode=item.occurrences.mode,
            groups=item.occurrences.groups,
        )

    def to_relocation(self) -> Relocation:
        """The relocation that was written."""
        return Relocation(
            path=self.path,
            size=self.size,
            occurrences=Occurrences(
                placeholder=self.placeholder.encode(), mode=self.mode, groups=self.groups
            ),
        )


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    files: tuple[RelocationEntry, ...]


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What is true of one unpacked environment and of no other.

    Attributes:
        prefix: The prefix that its files name.
        manifest: SHA-256 of its pack manifest, hexadecimal.
    """

    prefix: str
    manifest: str


def render_record(relocations: Sequence[Relocation]) -> bytes:
    """The canonical bytes of the record: JSON, keys sorted, in the order of the archive."""
    record = _Record(
        version=FORMAT_VERSION,
        files=tuple(RelocationEntry.of(item) for item in relocations),
    )
    return msgspec.json.encode(record, order="sorted") + b"\n"


def read_record(prefix: Path) -> tuple[Relocation, ...]:
    """The record of the environment at `prefix`.

    Raises:
        NotAPrefixError: There is none, or it is damaged.
    """
    path = prefix / RECORD_PATH
    try:
        record = msgspec.json.decode(path.read_bytes(), type=_Record)
    except OSError as error:
        raise NotAPrefixError(
            f"{prefix} was not unpacked from a tarball of lading",
            hint="name the directory that holds conda-meta",
        ) from error
    except msgspec.DecodeError as error:
        raise NotAPrefixError(
            f"{path} is damaged: {error}", hint="unpack the tarball again"
        ) from error
    if record.version != FORMAT_VERSION or not all(map(_is_sound, record.files)):
        raise NotAPrefixError(f"{path} is damaged", hint="unpack the tarball again")
    return tuple(item.to_relocation() for item in record.files)


def _is_sound(item: RelocationEntry) -> bool:
    """Whether an entry can be followed: a path in the prefix, and offsets in the content."""
    parts = item.path.split("/")
    offsets = [offset for group in item.groups for offset in group]
    least = 1 if item.mode is FileMode.TEXT else 2
    return (
        not any(part in {"", ".", ".."} or "\0" in part for part in parts)
        and bool(item.placeholder)
        and "\0" not in item.placeholder
        and bool(item.groups)
        and (item.mode is FileMode.BINARY or len(item.groups) == 1)
        and all(len(group) >= least for group in item.groups)
        and all(first < second for first, second in pairwise(offsets))
        and 0 <= offsets[0] <= offsets[-1] < item.size
    )


def render_state(state: State) -> bytes:
    """The bytes of the state."""
    return msgspec.json.encode(state, order="sorted") + b"\n"


def read_state(prefix: Path) -> State | None:
    """The state of the environment at `prefix`; None where another tool extracted it."""
    try:
        return msgspec.json.decode((prefix / STATE_PATH).read_bytes(), type=State)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise NotAPrefixError(
            f"{prefix / STATE_PATH} is damaged: {error}", hint="unpack the tarball again"
        ) from error
