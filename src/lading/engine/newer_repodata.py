"""Find what a channel offers in repodata v3, which micromamba does not read and does not mention.

It would choose an older package, or report that a package does not exist. So where the repodata it
read has records of v3 that the request may need, the request is refused.

Source: CEP 48 (records below the top-level `v3`). Seen in micromamba 2.8.1.
"""

import mmap
import re
from collections.abc import Collection, Iterable
from pathlib import Path

import msgspec

from lading.errors import EngineError
from lading.system import decode_json

SHOWN = 3
"""Names that are told."""

_BEGIN = re.compile(rb'"v3"\s*:\s*\{')


class _Named(msgspec.Struct, frozen=True):
    name: str


class _Repodata(msgspec.Struct, frozen=True):
    v3: dict[str, dict[str, _Named]] = {}  # msgspec copies defaults


def refuse_newer_records(documents: Iterable[Path], names: Collection[str] | None) -> None:
    """Refuse a solution that leaves out what repodata v3 offers.

    Args:
        documents: Every `repodata.json` that was read.
        names: Of the packages in the solution; None where there is none, so that each may matter.

    Raises:
        EngineError: There are records of v3 of one of these packages.
    """
    for path in documents:
        found = _newer_names(path)
        if names is not None:
            found = [name for name in found if name in names]
        if found:
            listed = ", ".join(found[:SHOWN]) + (" and others" if found[SHOWN:] else "")
            raise EngineError(
                f"a channel offers {listed} in repodata v3, which micromamba cannot read",
                hint="lock with --engine embedded",
            )


def _newer_names(path: Path) -> list[str]:
    """The names of the packages below `v3`, sorted; whole documents may have 250 MB."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ) as data:
        if _BEGIN.search(data) is None:
            return []
        records = decode_json(data[:], _Repodata).v3
    return sorted({record.name for group in records.values() for record in group.values()})
