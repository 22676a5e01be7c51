"""Questions to conda-lock and its answers, as they cross to and from its own process.

conda-lock reads the caller's conda configuration, its vendored Poetry the caller's credentials, and
both write to the caller's home. So it runs in a process with a home of its own; these structs are
all that passes between. Question and answer are one JSON document each.
"""

from enum import StrEnum

import msgspec

__all__ = [
    "Failure",
    "FailureKind",
    "LockEntry",
    "Operation",
    "PipAnswer",
    "PipQuestion",
    "RequestedPackage",
    "SourceAnswer",
    "SourceQuestion",
    "ValidationQuestion",
]


class Operation(StrEnum):
    """What the process is asked to do."""

    READ = "read"
    SOLVE_PIP = "solve-pip"
    VALIDATE = "validate"


class SourceQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Read source files.

    Attributes:
        sources: Absolute paths, in the order they are merged.
        platforms: Subdirs, at least one.
        channels: Canonical URLs that replace those of the sources; empty keeps theirs.
        mapping: Absolute path of the table of PyPI and conda names.
        virtual_packages: Subdir → (name, version, build) of each.
    """

    sources: tuple[str, ...]
    platforms: tuple[str, ...]
    channels: tuple[str, ...]
    mapping: str
    virtual_packages: dict[str, tuple[tuple[str, str, str], ...]]


class RequestedPackage(msgspec.Struct, frozen=True, kw_only=True):
    """A package that a source asks for.

    Attributes:
        name: Of the conda or pip world.
        category: `main` or another.
        version: Version query, may be empty; of conda packages alone.
        build: Glob, may be empty.
        channel: Name or URL, may be empty.
    """

    name: str
    category: str
    version: str = ""
    build: str = ""
    channel: str = ""


class SourceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the sources ask for.

    Attributes:
        channels: As the sources write them, without credentials, in order of priority.
        content_hash: Subdir → conda-lock's hash of what is asked for on it.
        conda: Subdir → conda packages, those of all sources; a name may stand there twice.
        pip: Subdir → pip packages.
    """

    channels: tuple[str, ...]
    content_hash: dict[str, str]
    conda: dict[str, tuple[RequestedPackage, ...]]
    pip: dict[str, tuple[RequestedPackage, ...]]


class LockEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A locked package of one platform.

    Attributes:
        name: In the manager's world.
        version: Version literal.
        manager: `conda` or `pip`.
        url: Canonical.
        sha256: Hexadecimal, may be empty.
        md5: Hexadecimal, may be empty.
        dependencies: Name → constraint.
        categories: Sorted; `main` stands alone.
    """

    name: str
    version: str
    manager: str
    url: str
    sha256: str = ""
    md5: str = ""
    dependencies: dict[str, str]
    categories: tuple[str, ...] = ("main",)


class PipQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Solve the pip part of one platform.

    Attributes:
        source: The sources once more.
        content_hash: What they hashed to when they were read.
        platform: A subdir.
        conda: The conda packages that are there already.
        locked: pip packages to keep where they still satisfy the sources.
        update: Names of `locked` to move.
        index: URL of the package index to ask instead of PyPI, or empty.
        exclude_newer: ISO 8601 with offset: files uploaded after it do not exist; or empty.
        build_sdists: Whether a source distribution may be built to learn what it needs.
    """

    source: SourceQuestion
    content_hash: str
    platform: str
    conda: tuple[LockEntry, ...]
    locked: tuple[LockEntry, ...]
    update: tuple[str, ...]
    index: str
    exclude_newer: str = ""
    build_sdists: bool = False


class PipAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The pip part of one platform.

    Attributes:
        packages: Sorted by name.
        categories: Name of a conda package → its categories, pip requirements considered.
        clashes: (pip package, conda package) that are the same thing.
    """

    packages: tuple[LockEntry, ...]
    categories: dict[str, tuple[str, ...]]
    clashes: tuple[tuple[str, str], ...]


class ValidationQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Read finished lockfiles as conda-lock does.

    Attributes:
        documents: Subdir → what the YAML of its lockfile says. Reading YAML takes ten times as long
            as all the rest; that it says this is the business of whoever wrote it.
    """

    documents: dict[str, dict[str, object]]


class FailureKind(StrEnum):
    """Whose fault it was."""

    SOURCE = "source"
    SOLVE = "solve"
    FETCH = "fetch"
    FORMAT = "format"


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no answer.

    Attributes:
        failure: Whose fault it was.
        message: One line.
        details: Further lines, may be empty.
    """

    failure: FailureKind
    message: str
    details: tuple[str, ...] = ()
