"""Channel records that break the standard: find them, name them, solve without them.

rattler reads all records of a name, or none: a broken one hides every version of its package. So
where one is met, the channels are copied without their broken records, from the repodata that the
engine keeps, and the copies are removed when the solve has ended.

Source: CEP 36 (repodata); rattler `rattler_conda_types/src/repo_data`.
"""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

import msgspec

from lading.conda import ChannelUrl, Platform
from lading.engine.errors import BrokenRecordError
from lading.engine.location import Sources
from lading.engine.matching import parse_version
from lading.errors import SolveError
from lading.system import decode_json, temporary_directory, without_credentials

_log = logging.getLogger(__name__)

BrokenRecords = Mapping[str, str]
"""File name of an archive → what is wrong with its record."""

_Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-fA-F]{64}$")]
_Md5 = Annotated[str, msgspec.Meta(pattern="^[0-9a-fA-F]{32}$")]
_Count = Annotated[int, msgspec.Meta(ge=0)]


class _Record(msgspec.Struct, frozen=True):
    """The fields of a record that solving reads, with the types that they must have."""

    name: str
    version: str
    build: str
    build_number: _Count
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    sha256: _Sha256 | None = None
    md5: _Md5 | None = None
    size: _Count | None = None
    extra_depends: dict[str, tuple[str, ...]] = {}  # msgspec copies defaults
    flags: tuple[str, ...] = ()
    subdir: str | None = None
    license: str | None = None
    timestamp: int | float | None = None
    arch: str | None = None
    platform: str | None = None
    python_site_packages_path: str | None = None


class _Repodata(msgspec.Struct):
    """One subdir of a channel, its records not parsed yet."""

    info: msgspec.Raw = msgspec.Raw(b"{}")
    packages: dict[str, msgspec.Raw] = {}
    packages_conda: dict[str, msgspec.Raw] = msgspec.field(
        name="packages.conda", default_factory=dict
    )
    v3: dict[str, dict[str, msgspec.Raw]] = {}


def without_broken(document: bytes) -> tuple[bytes, BrokenRecords]:
    """The `repodata.json` of one subdir without its broken records, and the broken records.

    Raises:
        ValueError: The document is not repodata.
    """
    repodata = decode_json(document, _Repodata)
    broken: dict[str, str] = {}
    for records in (repodata.packages, repodata.packages_conda, *repodata.v3.values()):
        for file_name, record in tuple(records.items()):
            fault = fault_of(record)
            if fault:
                broken[file_name] = fault
                del records[file_name]
    return msgspec.json.encode(repodata), broken


def named_in(broken: BrokenRecords, lines: Sequence[str]) -> tuple[str, ...]:
    """Those of `broken` whose package is named in `lines`, a solver's explanation; sorted."""
    words = {word for line in lines for word in re.findall(r"[A-Za-z0-9_.-]+", line)}
    return tuple(sorted(name for name in broken if name.rsplit("-", 2)[0] in words))


def fault_of(record: msgspec.Raw | bytes) -> str:
    """What is wrong with a record (a JSON object); empty if nothing is."""
    try:
        parse_version(decode_json(record, _Record).version)
    except ValueError as error:
        return str(error)
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """Copies of channels without their broken records.

    Attributes:
        directory: Of the copies, absolute; the engine may use it as its cache.
        sources: Canonical URL → `file:` URL of the copy, in order of priority.
        broken: Channel → what is left out of its copy; not empty.
    """

    directory: Path
    sources: Sources
    broken: dict[ChannelUrl, BrokenRecords]
    cause: BrokenRecordError

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """Blame a broken record if the solve in the block fails because it is left out.

        Raises:
            BrokenRecordError: The message names the archive and its fault.
        """
        try:
            yield
        except BrokenRecordError as error:
            raise error from self.cause
        except SolveError as error:
            for channel, broken in self.broken.items():
                for file_name in named_in(broken, error.details):
                    raise BrokenRecordError.of(
                        channel, file_name, broken[file_name], error.details
                    ) from self.cause
            raise
        for channel, broken in self.broken.items():
            file_name, fault = min(broken.items())
            _log.warning(
                "%s: ignoring a malformed package record: %s (%s)%s",
                without_credentials(channel),
                file_name,
                fault,
                f" and {len(broken) - 1} more" if len(broken) > 1 else "",
            )


@contextmanager
def repaired_channels(
    sources: Sources, platform: Platform, caches: Sequence[Path], cause: BrokenRecordError
) -> Iterator[Repaired]:
    """Copy channels without their broken records; the copies are removed after the block.

    `caches` are the directories in which rattler keeps repodata; the copies lie beside the first.

    Raises:
        BrokenRecordError: No broken record was found; it is `cause`.
    """
    with temporary_directory(caches[0].parent, "repaired") as directory:
        copies: dict[ChannelUrl, str] = {}
        found: dict[ChannelUrl, BrokenRecords] = {}
        for number, (channel, location) in enumerate(sources.items()):
            copy = directory / str(number)
            copies[channel] = copy.as_uri()
            broken = _copy(location, platform, caches, copy)
            if broken is None:
                raise cause
            if broken:
                found[channel] = broken
        if not found:
            raise cause
        yield Repaired(directory=directory, sources=copies, broken=found, cause=cause)


def _copy(
    location: str, platform: Platform, caches: Sequence[Path], target: Path
) -> BrokenRecords | None:
    """Copy a channel; return its broken records, or None if its repodata is not on this machine."""
    broken: dict[str, str] = {}
    for subdir in (platform.value, "noarch"):
        path = _kept_repodata(f"{location.rstrip('/')}/{subdir}/", caches)
        try:
            if path is None:
                return None
            data, faults = without_broken(path.read_bytes())
        except (OSError, ValueError) as error:
            _log.debug("%s cannot be repaired: %s", path, error)
            return None
        broken |= faults
        (target / subdir).mkdir(parents=True)
        (target / subdir / "repodata.json").write_bytes(data)
    return broken


def _kept_repodata(base: str, caches: Sequence[Path]) -> Path | None:
    """The path of the `repodata.json` that was read for the subdir at `base`, a URL."""
    parts = urlsplit(base)
    if parts.scheme == "file":
        return Path(unquote(parts.path)) / "repodata.json"
    for cache in caches:
        for url, path in kept_repodata(cache, ".info.json"):
            if url.startswith(without_credentials(base)):
                return path
    return None


class _Described(msgspec.Struct, frozen=True):
    """What engines write beside the repodata that they keep."""

    url: str


def kept_repodata(directory: Path, suffix: str) -> Iterator[tuple[str, Path]]:
    """(URL without credentials, path) of each repodata that an engine keeps in `directory`.

    Beside `NAME.json` lies its description, `NAME` with `suffix`.
    """
    for path in sorted(directory.glob(f"*{suffix}")):
        try:
            url = decode_json(path.read_bytes(), _Described).url
        except (OSError, ValueError) as error:
            _log.debug("%s is ignored: %s", path, error)
            continue
        yield without_credentials(url), path.with_name(path.name.replace(suffix, ".json"))
