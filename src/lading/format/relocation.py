"""lading's records in an environment: what relocation rewrites, and where it relocated to.

`conda-meta/lading/relocation.json` is shipped, the same bytes everywhere: it says where the
placeholders stood in the shipped content. With it an environment can be moved and relocated again,
and its shipped content restored and hashed, whichever tool relocated it first.

`signatures.json` is written where relocated files were signed again, for macOS: it has the shipped
signatures, so that these files can be taken back too.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import msgspec

from lading.conda import FileMode, Occurrences, Signature
from lading.errors import NotAPrefixError, raised_as
from lading.system import decode_json, read_regular

LADING_DIRECTORY = "conda-meta/lading"
"""Prefix-relative directory of lading's own records in an environment."""

RECORD_PATH = f"{LADING_DIRECTORY}/relocation.json"
STATE_PATH = f"{LADING_DIRECTORY}/state.json"
SIGNATURES_PATH = f"{LADING_DIRECTORY}/signatures.json"
MANIFEST_PATH = f"{LADING_DIRECTORY}/manifest.json"
FORMAT_VERSION = 1
LARGEST_RECORD = 1 << 26
"""Bytes: its offsets take some twenty times as much memory."""


_UNPACK = "unpack the tarball again"

Document = TypeVar("Document")


class Relocation(msgspec.Struct, frozen=True, kw_only=True):
    """One file that relocation rewrites.

    Attributes:
        path: Archive-relative, POSIX.
        size: Of its shipped content in bytes.
        groups: Where it occurs in the shipped content, see `Occurrences`.
    """

    path: str
    size: int
    placeholder: str
    mode: FileMode
    groups: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, path: str, size: int, where: Occurrences) -> "Relocation":
        """The relocation of the file at `path`, which ships `size` bytes."""
        placeholder = where.placeholder.decode()
        return cls(
            path=path, size=size, placeholder=placeholder, mode=where.mode, groups=where.groups
        )

    def size_with(self, prefix: bytes) -> int:
        """The size in bytes of the file once it names `prefix`."""
        if self.mode is FileMode.BINARY:
            return self.size
        return self.size + len(self.groups[0]) * (len(prefix) - len(self.placeholder.encode()))

    @property
    def occurrences(self) -> Occurrences:
        """What is replaced, and where."""
        return Occurrences(
            placeholder=self.placeholder.encode(), mode=self.mode, groups=self.groups
        )


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    files: tuple[Relocation, ...]


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What is true of one unpacked environment only.

    Attributes:
        prefix: The prefix that its files name.
        manifest: SHA-256 of its pack manifest, hexadecimal.
    """

    prefix: str
    manifest: str


def render_record(relocations: Sequence[Relocation]) -> bytes:
    """The canonical bytes of the record: JSON, keys sorted, in the order of the archive."""
    record = _Record(version=FORMAT_VERSION, files=tuple(relocations))
    return msgspec.json.encode(record, order="sorted") + b"\n"


def read_record(prefix: Path) -> tuple[Relocation, ...]:
    """The record of the environment at `prefix`.

    Raises:
        NotAPrefixError: There is none, or it is damaged.
    """
    path = prefix / RECORD_PATH
    try:
        document = read_regular(path, LARGEST_RECORD)
    except (FileNotFoundError, NotADirectoryError) as error:
        if not prefix.is_dir():
            what = "is not a directory" if prefix.exists() else "does not exist"
            raise NotAPrefixError(
                f"{prefix} {what}", hint="name the directory of the environment"
            ) from error
        raise NotAPrefixError(
            f"{prefix} was not unpacked from a tarball of lading",
            hint="name the directory that holds conda-meta",
        ) from error
    except OSError as error:
        raise NotAPrefixError(f"{path} is damaged: {error}", hint=_UNPACK) from error
    return parse_record(document, str(path))


def parse_record(document: bytes, name: str) -> tuple[Relocation, ...]:
    """The record in `document`.

    Raises:
        NotAPrefixError: It is damaged.
    """
    with raised_as(NotAPrefixError, f"{name} is damaged", _UNPACK, ValueError):
        record = decode_json(document, _Record)
    if record.version != FORMAT_VERSION or not all(map(_is_sound, record.files)):
        raise NotAPrefixError(f"{name} is damaged", hint=_UNPACK)
    return record.files


def _is_sound(item: Relocation) -> bool:
    """Whether an entry is safe: its path is in the prefix, its offsets are in the content."""
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


class _Signatures(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    files: dict[str, Signature]


def render_signatures(files: Mapping[str, Signature]) -> bytes:
    """The bytes of the record of shipped signatures: path → what signing wrote over, base64."""
    record = _Signatures(version=FORMAT_VERSION, files=dict(files))
    return msgspec.json.encode(record, order="sorted") + b"\n"


def read_signatures(prefix: Path) -> Mapping[str, Signature]:
    """Path → shipped signature of the files that were signed again; empty where none was.

    It need not be believed: a file that is taken back with it is compared with the bill.

    Raises:
        NotAPrefixError: It is damaged, or not a regular file.
    """
    found = _read_own(prefix / SIGNATURES_PATH, _Signatures)
    return found.files if found is not None else {}


def render_state(state: State) -> bytes:
    """The bytes of the state."""
    return msgspec.json.encode(state, order="sorted") + b"\n"


def read_state(prefix: Path) -> State | None:
    """The state of the environment at `prefix`; None where another tool extracted it.

    Raises:
        NotAPrefixError: It is damaged, or not a regular file.
    """
    return _read_own(prefix / STATE_PATH, State)


def _read_own(path: Path, kind: type[Document]) -> Document | None:
    """A document that is written where an environment was unpacked; None where there is none."""
    try:
        return decode_json(read_regular(path, LARGEST_RECORD), kind)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise NotAPrefixError(f"{path} is damaged: {error}", hint=_UNPACK) from error
