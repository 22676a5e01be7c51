"""The `Engine` protocol: four verbs, frozen requests, plain results.

An engine reads channels only from the locations it is given, and returns canonical URLs. It reads
no configuration file and no environment variable of the caller.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from lading.conda import (
    ChannelUrl,
    MatchSpecText,
    MirrorMap,
    Platform,
    RepodataRecord,
    VirtualPackage,
)
from lading.system import Progress, no_progress

LINKING = "link"
"""The name of linking in a `Progress`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SolveRequest:
    """Choose records for one platform.

    Attributes:
        platform: The target, not this machine.
        specs: What the user asked for, normalised by `lading.conda.match_spec`.
        channels: Canonical, in order of priority.
        virtual_packages: Of the target machines; all that the solver may rely on.
        locked: Records to prefer where they still satisfy `specs`.
        strict_priority: Whether a package is taken only from the first channel that has its name.
        timeout: Seconds, or None.
        exclude_newer: Records published later are ignored; with a time zone, or None.
    """

    platform: Platform
    specs: tuple[MatchSpecText, ...]
    channels: tuple[ChannelUrl, ...]
    virtual_packages: tuple[VirtualPackage, ...]
    mirrors: MirrorMap = field(default_factory=MirrorMap)
    locked: tuple[RepodataRecord, ...] = ()
    strict_priority: bool = True
    timeout: float | None = None
    exclude_newer: dt.datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A package that a channel offers.

    Attributes:
        channel: Canonical URL.
        subdir: `noarch` or a platform.
        depends: As the channel writes them.
    """

    name: str
    version: str
    build: str
    channel: ChannelUrl
    subdir: str
    depends: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """What the channels of a request offer.

    Attributes:
        names: Subdir → the names of all packages there; empty for a subdir that does not exist.
        records: The packages of the names that were asked about.
    """

    names: Mapping[str, frozenset[str]]
    records: tuple[Offered, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallRequest:
    """Fill a prefix.

    Attributes:
        platform: The platform of the records; it may differ from this machine's.
        records: What to install, dependencies first; names unique.
        archives: `RepodataRecord.distribution` → the archive on this machine, digest checked.
        prefix: Absolute; must not exist.
        package_cache: Absolute; the engine extracts archives there, and they must stay there.
    """

    platform: Platform
    records: tuple[RepodataRecord, ...]
    archives: Mapping[str, Path]
    prefix: Path
    package_cache: Path
    progress: Progress = no_progress


class Engine(Protocol):
    """A solver and installer of conda packages."""

    @property
    def name(self) -> str:
        """`micromamba` or `embedded`."""
        ...

    @property
    def version(self) -> str:
        """The version of the program or library behind it."""
        ...

    def solve(self, request: SolveRequest) -> tuple[RepodataRecord, ...]:
        """Solve the request; return the records, sorted by name, names unique, URLs canonical.

        Raises:
            SolveError: There is no solution; `details` explain it.
            FetchError: A channel could not be read.
            SpecError: A MatchSpec is invalid.
            EngineError: The engine failed for another reason.
        """
        ...

    def look_up(
        self, request: SolveRequest, names: Sequence[str], platforms: Sequence[Platform]
    ) -> Offers:
        """What the channels of `request` offer for `platforms`, their `noarch` included.

        Of `request`, only the channels and mirrors matter. The records of the packages `names` are
        wanted.

        Raises:
            FetchError: A channel could not be read.
            EngineError: The engine failed for another reason.
        """
        ...

    def place_of_extracted(self, record: RepodataRecord, package_cache: Path) -> Path | None:
        """Where `install` finds a package that lies extracted; None where it must extract it."""
        ...

    def install(self, request: InstallRequest) -> None:
        """Fill `request.prefix`; afterwards it holds one prefix record for each record.

        Each prefix record names the extracted package directory (`extracted_package_dir` or
        `link.source`). No bytecode is compiled and no link script runs. A failed install may
        leave a part of the prefix behind: the caller removes it.

        Raises:
            IntegrityError: An archive is damaged.
            EngineError: The engine failed for another reason.
        """
        ...
