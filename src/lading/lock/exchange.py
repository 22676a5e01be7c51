"""The questions to conda-lock and its answers, as JSON between two processes.

conda-lock reads the caller's conda configuration, its vendored Poetry the caller's credentials, and
both write to the caller's home. So it runs in a process with a home of its own; these structs are
all that passes between. Question and answer are one JSON document each.
"""

from enum import StrEnum

import msgspec

from lading.conda import Credential, VirtualPackage
from lading.errors import FetchError, LadingError, SolveError, SpecError
from lading.lock.model import LockedPackage


class Operation(StrEnum):
    """What the process does."""

    READ = "read"
    SOLVE_PIP = "solve-pip"


class SourceQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Read source files.

    Attributes:
        sources: Absolute paths, in the order they are merged.
        platforms: Subdir → its virtual packages; at least one.
        channels: Canonical URLs that replace those of the sources; empty keeps theirs.
        mapping: Absolute path of the table of PyPI and conda names.
    """

    sources: tuple[str, ...]
    platforms: dict[str, tuple[VirtualPackage, ...]]
    channels: tuple[str, ...]
    mapping: str


class RequestedPackage(msgspec.Struct, frozen=True, kw_only=True):
    """A conda package that a source asks for; what it does not say is empty.

    `fields` are those of its MatchSpec that conda-lock does not know, see `MatchSpec.fields`.
    """

    name: str
    category: str
    version: str = ""
    build: str = ""
    channel: str = ""
    fields: tuple[str, ...] = ()


class PipRequirements(msgspec.Struct, frozen=True, kw_only=True):
    """The pip part of the sources on one platform, as conda-lock has it.

    Attributes:
        requirements: conda-lock's dependencies; `name` is in each. May be empty.
        repositories: URLs of further package indexes, credentials included.
    """

    requirements: tuple[dict[str, object], ...] = ()
    repositories: tuple[str, ...] = msgspec.field(default=())
    allow_pypi: bool = True

    def __repr__(self) -> str:
        """The names alone: the URLs hold credentials."""
        return f"PipRequirements({', '.join(self.names)})"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the packages, in their order."""
        return tuple(str(item["name"]) for item in self.requirements)


class SourceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the sources ask for, by subdir.

    Attributes:
        channels: As the sources write them, without credentials, in order of priority.
        content_hash: conda-lock's hash of all of it.
        conda: The packages of all sources; a name may stand there twice.
    """

    channels: tuple[str, ...]
    content_hash: dict[str, str]
    conda: dict[str, tuple[RequestedPackage, ...]]
    pip: dict[str, PipRequirements]


class PackageIndex(msgspec.Struct, frozen=True, kw_only=True):
    """A package index.

    Attributes:
        url: With credentials, which therefore show in no `repr`.
        is_explicit: Whether it is asked only for `packages`.
        packages: Normalised names that come from here and from nowhere else; `*` stands for any
            characters.
    """

    url: str
    is_explicit: bool = False
    packages: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """The packages alone."""
        return f"PackageIndex({', '.join(self.packages)})"


class PipSearch(msgspec.Struct, frozen=True, kw_only=True):
    """Where to look for pip packages, and what else the sources say besides requirements.

    Attributes:
        indexes: Asked in this order: what the first of them has of a name counts.
        allow_pypi: Whether PyPI is asked, as the last.
        find_links: Directories and pages with further wheels, asked before the indexes.
        lines: (requirement, category) of requirement files.
        constraints: Requirements that hold where their package is needed.
        prereleases: Whether these are as good as others.
        credentials: Those with a bearer token, which stands in no URL.
    """

    indexes: tuple[PackageIndex, ...] = ()
    allow_pypi: bool = True
    find_links: tuple[str, ...] = ()
    lines: tuple[tuple[str, str], ...] = ()
    constraints: tuple[str, ...] = ()
    prereleases: bool = False
    credentials: tuple[Credential, ...] = ()


class OwnWheel(msgspec.Struct, frozen=True, kw_only=True):
    """A wheel on this machine, to be taken as it is: its name, absolute path, extras, category."""

    name: str
    path: str
    extras: tuple[str, ...]
    category: str


class PipQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Solve the pip part of one platform.

    Attributes:
        mapping: Absolute path of the table of PyPI and conda names.
        conda: The conda packages that are there already.
        locked: pip packages to keep where they still satisfy the sources.
        update: Names of `locked` to move.
        exclude_newer: ISO 8601 with offset: files uploaded after it do not exist; or empty.
        build_sdists: Whether a source distribution may be built to learn what it needs.
    """

    pip: PipRequirements
    platform: str
    virtual_packages: tuple[VirtualPackage, ...]
    mapping: str
    conda: tuple[LockedPackage, ...]
    locked: tuple[LockedPackage, ...]
    update: tuple[str, ...]
    search: PipSearch
    exclude_newer: str = ""
    build_sdists: bool = False
    own: tuple[OwnWheel, ...] = ()


class PipAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The pip part of one platform.

    Attributes:
        packages: Sorted by name.
        categories: Name of a conda package → its categories, pip requirements considered.
        clashes: (pip package, conda package) that are the same thing.
    """

    packages: tuple[LockedPackage, ...]
    categories: dict[str, tuple[str, ...]]
    clashes: tuple[tuple[str, str], ...]


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no answer: an error of `FAILURES` by its name, and its parts."""

    failure: str
    message: str
    details: tuple[str, ...] = ()
    hint: str = ""


FAILURES: dict[str, tuple[type[LadingError], str]] = {
    "SpecError": (SpecError, "correct the source named"),
    "SolveError": (SolveError, "relax a requirement, or lock the package with conda instead"),
    "FetchError": (FetchError, "check the network, or name another index"),
}
"""Name → what the process may fail with, and the hint where it has none; all else is a defect."""
