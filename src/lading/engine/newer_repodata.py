"""Find what micromamba does not read in repodata, and does not mention.

It ignores records of v3: it chooses an older package, or reports that a package does not exist. It
takes a relative `base_url` for the name of a host. So where one of these may matter, the request is
refused.

Source: CEP 15 (`base_url`), CEP 16 (shards), CEP 48 (records below `v3`, of a document or a shard).
Seen in micromamba 2.8.1.
"""

import mmap
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from lading.conda import RepodataRecord
from lading.engine.errors import not_by_micromamba
from lading.errors import EngineFailedError
from lading.format import ZSTD_ERROR, open_zstd
from lading.system import decode_json

SHOWN = 3
"""Names that are told."""

LARGEST = 1 << 28
"""Bytes of a shard or an index, uncompressed."""

Document = TypeVar("Document", bound=msgspec.Struct)

_BEGIN = re.compile(rb'"v3"\s*:\s*\{')


class _Named(msgspec.Struct, frozen=True):
    name: str


class _Repodata(msgspec.Struct, frozen=True):
    v3: dict[str, dict[str, _Named]] = {}  # msgspec copies defaults


class _Info(msgspec.Struct, frozen=True):
    base_url: str | None = None


class _About(msgspec.Struct, frozen=True):
    info: _Info = _Info()


class _Index(msgspec.Struct, frozen=True):
    shards: dict[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardIndex:
    """The index of the shards of a subdir.

    Attributes:
        shards: The directory in which the shards lie that were read.
    """

    path: Path
    shards: Path


def refuse_newer_records(documents: Iterable[Path], names: Collection[str] | None) -> None:
    """Refuse a solution that leaves out what repodata v3 offers.

    `names` are those of the solution; None where there is none, so that each may matter.
    """
    for path in documents:
        _refuse(_newer_names(path), names)


def refuse_newer_shards(indices: Iterable[ShardIndex], names: Collection[str] | None) -> None:
    """Refuse the same of channels that were read in shards; see `refuse_newer_records`."""
    for index in indices:
        shards = _decoded(index.path, _Index).shards
        read = {
            name: index.shards / f"{digest.hex()}.msgpack.zst"
            for name, digest in sorted(shards.items())
            if names is None or name in names
        }
        newer = (_decoded(path, _Repodata).v3 for path in read.values() if path.is_file())
        found = {item.name for v3 in newer for group in v3.values() for item in group.values()}
        _refuse(sorted(found), names)


def refuse_relative_bases(documents: Iterable[Path], records: Sequence[RepodataRecord]) -> None:
    """Refuse archives whose place is told relative to their repodata."""
    if all(record.url.startswith(f"{record.channel}/") for record in records):
        return
    for path in documents:
        base = decode_json(path.read_bytes(), _About).info.base_url
        if base and "://" not in base:
            raise not_by_micromamba(
                f"micromamba cannot read the relative base_url {base!r} of a channel"
            )


def _refuse(found: Sequence[str], names: Collection[str] | None) -> None:
    told = [name for name in found if names is None or name in names]
    if told:
        listed = ", ".join(told[:SHOWN]) + (" and others" if told[SHOWN:] else "")
        raise not_by_micromamba(
            f"a channel offers {listed} in repodata v3, which micromamba cannot read"
        )


def _decoded(path: Path, kind: type[Document]) -> Document:
    """The content of a part of sharded repodata."""
    try:
        with path.open("rb") as stream:
            data = open_zstd(stream).read(LARGEST)
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.MsgspecError, ZSTD_ERROR, EOFError, OSError) as error:
        raise EngineFailedError(
            f"a shard of repodata cannot be read: {error}",
            hint="delete .lading/state and try again, or lock with --engine embedded",
        ) from error


def _newer_names(path: Path) -> list[str]:
    """The names of the packages below `v3`, sorted; whole documents may have 250 MB."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ) as data:
        if _BEGIN.search(data) is None:
            return []
        records = decode_json(data[:], _Repodata).v3
    return sorted({record.name for group in records.values() for record in group.values()})
