"""Channels without their broken records, for an engine that stops at these.

The copies are made from what the engine keeps of the channels, and are gone when it has solved.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from lading.conda import ChannelUrl, Platform, without_credentials
from lading.engine.broken_records import BrokenRecords, named_in, without_broken
from lading.engine.errors import BLAME_HINT, BrokenRecordError
from lading.engine.location import Sources
from lading.errors import SolveError
from lading.system import temporary_directory

__all__ = ["Repaired", "repaired_channels"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """Copies of channels.

    Attributes:
        directory: Where they lie, absolute; the engine may keep things there too.
        sources: Canonical URL → `file:` URL of the copy, in order of priority.
        broken: Channel → what is left out of its copy; not empty.
        cause: Why they were made.
    """

    directory: Path
    sources: Sources
    broken: dict[ChannelUrl, BrokenRecords]
    cause: BrokenRecordError

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """Blame a broken record where what is solved in the block has no solution without it.

        Raises:
            BrokenRecordError: So it is; the message names the archive and its fault.
        """
        try:
            yield
        except BrokenRecordError as error:
            raise error from self.cause
        except SolveError as error:
            for channel, broken in self.broken.items():
                for file_name in named_in(broken, error.details):
                    raise BrokenRecordError(
                        f"the channel {without_credentials(channel)} describes {file_name} wrongly:"
                        f" {broken[file_name]}",
                        hint=BLAME_HINT,
                        details=error.details,
                    ) from self.cause
            raise
        for channel, broken in self.broken.items():
            file_name, fault = min(broken.items())
            _log.warning(
                "%s: left out is what is described wrongly: %s (%s)%s",
                without_credentials(channel),
                file_name,
                fault,
                f" and {len(broken) - 1} more" if len(broken) > 1 else "",
            )


@contextmanager
def repaired_channels(
    sources: Sources, platform: Platform, caches: Sequence[Path], cause: BrokenRecordError
) -> Iterator[Repaired]:
    """Copies of channels without their broken records, while the block runs.

    Args:
        sources: The channels.
        platform: Its subdir and `noarch` are copied.
        caches: Directories in which rattler keeps repodata; the copies are made beside the first.
        cause: What one of the channels is conflict of.

    Raises:
        BrokenRecordError: The records that are broken are not found; it is `cause`.
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
    """What was left out of the copy of a channel; None where its repodata is not at hand."""
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


class _Information(msgspec.Struct, frozen=True):
    """What rattler notes beside repodata that it keeps."""

    url: str


def _kept_repodata(base: str, caches: Sequence[Path]) -> Path | None:
    """The `repodata.json` of the subdir at `base`, a URL, on this machine."""
    parts = urlsplit(base)
    if parts.scheme == "file":
        return Path(unquote(parts.path)) / "repodata.json"
    for cache in caches:
        for path in sorted(cache.glob("*.info.json")):
            try:
                url = msgspec.json.decode(path.read_bytes(), type=_Information).url
            except (OSError, ValueError) as error:
                _log.debug("%s is passed over: %s", path, error)
                continue
            if without_credentials(url).startswith(without_credentials(base)):
                return path.with_name(path.name.replace(".info.json", ".json"))
    return None
