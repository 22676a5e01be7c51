"""Records of a channel that are not what the standard says: found, named and left out. Pure.

rattler reads all records of a name, or none: one that is broken hides every version of its package.

Source: CEP 36 (repodata); rattler `rattler_conda_types/src/repo_data`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec

from lading.engine.matching import parse_version

__all__ = ["BrokenRecords", "fault_of", "named_in", "without_broken"]

BrokenRecords = Mapping[str, str]
"""File name of an archive → what is wrong with its record."""

_Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-fA-F]{64}$")]
_Md5 = Annotated[str, msgspec.Meta(pattern="^[0-9a-fA-F]{32}$")]
_Count = Annotated[int, msgspec.Meta(ge=0)]


class _Record(msgspec.Struct, frozen=True):
    """The keys of a record that solving reads, with the types that they must have."""

    name: str
    version: str
    build: str
    build_number: _Count
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    sha256: _Sha256 | None = None
    md5: _Md5 | None = None
    size: _Count | None = None
    subdir: str | None = None
    license: str | None = None
    timestamp: int | float | None = None
    arch: str | None = None
    platform: str | None = None
    python_site_packages_path: str | None = None


class _Repodata(msgspec.Struct):
    """One subdir of a channel, its records not read yet."""

    info: msgspec.Raw = msgspec.Raw(b"{}")
    packages: dict[str, msgspec.Raw] = {}  # msgspec copies defaults
    packages_conda: dict[str, msgspec.Raw] = msgspec.field(
        name="packages.conda", default_factory=dict
    )


def without_broken(document: bytes) -> tuple[bytes, BrokenRecords]:
    """The `repodata.json` of one subdir without its broken records, and these.

    Raises:
        ValueError: It is no repodata at all.
    """
    repodata = msgspec.json.decode(document, type=_Repodata)
    broken: dict[str, str] = {}
    for records in (repodata.packages, repodata.packages_conda):
        for file_name, record in tuple(records.items()):
            fault = fault_of(record)
            if fault:
                broken[file_name] = fault
                del records[file_name]
    return msgspec.json.encode(repodata), broken


def named_in(broken: BrokenRecords, lines: Sequence[str]) -> tuple[str, ...]:
    """Those of `broken` whose package is named in `lines`, the words of a solver; sorted."""
    words = {word for line in lines for word in re.findall(r"[A-Za-z0-9_.-]+", line)}
    return tuple(sorted(name for name in broken if name.rsplit("-", 2)[0] in words))


def fault_of(record: msgspec.Raw | bytes) -> str:
    """What is wrong with a record, one object of JSON; or empty."""
    try:
        parse_version(msgspec.json.decode(record, type=_Record).version)
    except ValueError as error:
        return str(error)
    return ""
