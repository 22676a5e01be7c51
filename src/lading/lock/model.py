"""Lockfiles as values: conda-lock's v1 format, one platform a file.

Reading one needs nothing but YAML; making one is `lading.lock.condalock` and `lading.lock.solve`.

Source: CEP 37 (conda-lock.yml), conda-lock 4.0.3 `lockfile/v1/models.py`.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

import msgspec

from lading.conda import (
    BuildString,
    MatchSpecText,
    PackageName,
    Platform,
    RepodataRecord,
    archive_stem,
    dependency_name,
    is_environment_name,
    is_variable_name,
    parse_platform,
)
from lading.errors import LockError, SpecError, UsageError
from lading.system import (
    Digest,
    YamlError,
    parse_yaml,
    read_document,
    sha256_of,
    without_credentials,
)

FORMAT_VERSION = 1
LOCK_SUFFIX = ".conda-lock.yml"
REMEDY = "make it again with `lading lock`"
MAIN = "main"
"""The category of what is always installed."""

ENVIRONMENT_KEY = "lading-environment"
"""Key of the metadata under which a lock keeps the name of its environment."""

VARIABLE_KEY = "lading-variable-"
"""How the keys begin under which a lock keeps the variables that activation sets."""

SPECS_KEY = "lading-specs"
"""Key under which a lock keeps what was asked for of repodata v3, see `specs_with_fields`."""

CATEGORY_KEY = "lading-category-"
"""How the keys begin under which a lock keeps what an optional category asks for.

What `main` needs too is locked for `main` alone, so the packages do not tell it.
"""

VIRTUAL_PACKAGES_KEY = "lading-virtual-packages"
"""Key under which a lock keeps the virtual packages it targets: `name=version=build ...`."""


class Manager(StrEnum):
    """Which installer a locked package is for."""

    CONDA = "conda"
    PIP = "pip"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedPackage:
    """A package of a lockfile, for one platform.

    Attributes:
        name: Name in the manager's world.
        version: Version in the manager's world.
        manager: Which installer it is for.
        url: Canonical URL of the archive, wheel or sdist; holds no credential.
        sha256: Of the archive.
        md5: Of the archive; conda-lock demands it of conda packages.
        dependencies: Name → constraint, may be empty.
        categories: Of the sources that need it, sorted; `main` stands alone.
    """

    name: str
    version: str
    manager: Manager
    url: str
    sha256: Digest
    md5: Digest | None = None
    dependencies: Mapping[str, str]
    categories: tuple[str, ...] = (MAIN,)

    @property
    def optional(self) -> bool:
        """Whether it is installed only where one of its categories is asked for."""
        return MAIN not in self.categories

    @property
    def channel(self) -> str:
        """Where it comes from: the canonical URL of a channel, or the host of an index."""
        if self.manager is Manager.PIP:
            return urlsplit(self.url).netloc
        return self.url.rsplit("/", 2)[0]

    @property
    def build(self) -> str:
        """The build string of a conda package; empty where the file name does not say it."""
        stem = self.file_name.removesuffix(".conda").removesuffix(".tar.bz2")
        prefix = f"{self.name}-{self.version}-"
        return stem.removeprefix(prefix) if stem.startswith(prefix) else ""

    @property
    def file_name(self) -> str:
        """The file name of the archive."""
        return unquote(urlsplit(self.url).path.rpartition("/")[2])

    def to_record(self) -> RepodataRecord:
        """The conda package as a record; what a lock does not keep has its empty value.

        Raises:
            LockError: The URL does not end in `/<subdir>/<name>-<version>-<build>.<suffix>`.
        """
        base, _, _ = self.url.rpartition("/")
        channel, _, subdir = base.rpartition("/")
        try:
            name, _, build = archive_stem(self.file_name).rpartition("-")
        except ValueError as error:
            raise LockError(f"{self.name}: {error}", hint=REMEDY) from error
        if not channel or name != f"{self.name}-{self.version}":
            raise LockError(
                f"the URL of {self.name} {self.version} names another package: {self.url}",
                hint=REMEDY,
            )
        return RepodataRecord(
            name=PackageName(self.name),
            version=self.version,
            build=BuildString(build),
            build_number=0,
            subdir=subdir,
            channel=channel,
            url=self.url,
            sha256=self.sha256,
            md5=self.md5,
            depends=tuple(
                MatchSpecText(f"{name} {constraint}".strip())
                for name, constraint in self.dependencies.items()
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lockfile:
    """The packages of one environment on one platform.

    Attributes:
        platform: Its platform.
        channels: Canonical base URLs or names, in order of priority.
        sources: Environment files, relative to the directory of the lockfile.
        content_hash: conda-lock's hash of the sources.
        packages: Sorted by manager, then name; unique.
        metadata: What lading wrote in addition, such as virtual packages.
        digest: SHA-256 of the file's bytes: the identity of the environment.
        chosen: The categories that `packages` was limited to, sorted; empty where it is complete.
        left_out: The packages of other categories.
    """

    platform: Platform
    channels: tuple[str, ...]
    sources: tuple[str, ...]
    content_hash: str
    packages: tuple[LockedPackage, ...]
    metadata: Mapping[str, str]
    digest: Digest
    chosen: tuple[str, ...] = ()
    left_out: tuple[LockedPackage, ...] = ()

    @property
    def asked_for(self) -> Mapping[str, tuple[str, ...]]:
        """Optional category → the nodes of the graph that it asks for; empty in foreign locks."""
        return {
            key.removeprefix(CATEGORY_KEY): tuple(value.split())
            for key, value in sorted(self.metadata.items())
            if key.startswith(CATEGORY_KEY)
        }

    @property
    def conda(self) -> tuple[LockedPackage, ...]:
        """The packages that the engine installs, sorted by name."""
        return tuple(item for item in self.packages if item.manager is Manager.CONDA)

    @property
    def pip(self) -> tuple[LockedPackage, ...]:
        """The packages that the pip installer installs, sorted by name."""
        return tuple(item for item in self.packages if item.manager is Manager.PIP)

    @property
    def environment(self) -> str:
        """The name of its environment; empty where another tool wrote it."""
        return self.metadata.get(ENVIRONMENT_KEY, "")

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment variables to set on activation, sorted by name."""
        return {
            key.removeprefix(VARIABLE_KEY): value
            for key, value in sorted(self.metadata.items())
            if key.startswith(VARIABLE_KEY)
        }

    @property
    def specs_with_fields(self) -> tuple[str, ...]:
        """The MatchSpecs asked for that say more than a name, version, build and channel."""
        return tuple(filter(None, self.metadata.get(SPECS_KEY, "").split("; ")))

    @property
    def virtual_packages(self) -> Mapping[str, str]:
        """Name → version of the virtual packages it targets; empty where it does not say."""
        pairs = (item.split("=") for item in self.metadata.get(VIRTUAL_PACKAGES_KEY, "").split())
        return {parts[0]: parts[1] for parts in pairs if len(parts) > 1}


def lock_path(directory: Path, environment: str, platform: Platform) -> Path:
    """Where the lockfile of an environment lies below `directory`."""
    return directory / "locks" / environment / f"{platform}{LOCK_SUFFIX}"


def require_environment_name(name: str) -> None:
    """Refuse what cannot name an environment.

    Raises:
        UsageError: `name` is it.
    """
    if not is_environment_name(name):
        raise UsageError(
            f"{name!r} cannot name an environment",
            hint="name it with -n, without slashes, escapes, and a leading dot or dash",
        )


_Text = Annotated[
    str, msgspec.Meta(pattern=r"\A[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]*\Z")
]
"""A text without control characters: what a lock says is shown on terminals."""


class _Hash(msgspec.Struct, frozen=True):
    md5: str | None = None
    sha256: str | None = None


class _Channel(msgspec.Struct, frozen=True):
    url: _Text


class _Package(msgspec.Struct, frozen=True):
    name: _Text
    version: _Text
    manager: Manager
    platform: _Text
    url: _Text
    hash: _Hash
    dependencies: dict[_Text, _Text] = {}  # msgspec copies defaults
    category: _Text = "main"
    optional: bool = False


class _Metadata(msgspec.Struct, frozen=True):
    content_hash: dict[_Text, _Text]
    channels: tuple[_Channel, ...]
    platforms: tuple[_Text, ...]
    sources: tuple[_Text, ...] = ()
    custom_metadata: dict[_Text, str] | None = None


class _Document(msgspec.Struct, frozen=True):
    version: int
    metadata: _Metadata
    package: tuple[_Package, ...]


def read_lockfile(path: str | os.PathLike[str], platform: Platform | None = None) -> Lockfile:
    """The lockfile at `path`.

    Args:
        path: A v1 lockfile.
        platform: Which platform to read of a file that holds several; None where it holds one.

    Raises:
        LockError: It is missing, not YAML, not a v1 lockfile, not for this platform, lists a
            package twice or has one without SHA-256.
    """
    path = Path(path)
    data = _read(path)
    document = _parse_document(path, data)
    chosen = _choose_platform(path, document.metadata.platforms, platform)
    return _lockfile(path, document, chosen, data)


def read_lockfiles(path: Path) -> tuple[Lockfile, ...]:
    """The lockfiles in the file at `path`, one for each platform.

    Raises:
        LockError: As `read_lockfile`.
    """
    return parse_lockfiles(path, _read(path))


def parse_lockfiles(path: Path, data: bytes) -> tuple[Lockfile, ...]:
    """The lockfiles in `data`, one for each platform.

    Args:
        path: Where it comes from, for messages; need not exist.
        data: A v1 lockfile.

    Raises:
        LockError: As `read_lockfile`.
    """
    document = _parse_document(path, data)
    platforms = document.metadata.platforms
    return tuple(
        _lockfile(path, document, _choose_platform(path, platforms, Platform(name)), data)
        for name in platforms
        if name in set(Platform)
    )


def _read(path: Path) -> bytes:
    try:
        return read_document(path)
    except OSError as error:
        raise LockError(f"{path}: {error.strerror}", hint="make it with `lading lock`") from error
    except YamlError as error:
        raise LockError(f"{path}: {error}", hint=REMEDY) from error


def _lockfile(path: Path, document: "_Document", chosen: Platform, data: bytes) -> Lockfile:
    packages = _unique(
        path, (_locked(path, item) for item in document.package if item.platform == chosen)
    )
    metadata = document.metadata.custom_metadata or {}
    _check_names(path, metadata)
    return Lockfile(
        platform=chosen,
        channels=tuple(_clean(path, item.url) for item in document.metadata.channels),
        sources=document.metadata.sources,
        content_hash=document.metadata.content_hash.get(chosen, ""),
        packages=packages,
        metadata=metadata,
        digest=sha256_of(data),
    )


def _check_names(path: Path, metadata: Mapping[str, str]) -> None:
    """Refuse names that a shell or a path would take for more than names.

    Raises:
        LockError: There is one.
    """
    environment = metadata.get(ENVIRONMENT_KEY, "")
    if environment and not is_environment_name(environment):
        raise LockError(f"{path}: {environment!r} cannot name an environment", hint=REMEDY)
    for key in metadata:
        name = key.removeprefix(VARIABLE_KEY)
        if name != key and not is_variable_name(name):
            raise LockError(f"{path}: {name!r} cannot name a variable", hint=REMEDY)


def _parse_document(path: Path, data: bytes) -> _Document:
    if b"\n<<<<<<< " in data or b"\n>>>>>>> " in data:
        raise LockError(f"{path} holds merge conflict markers", hint=REMEDY)
    try:
        document = msgspec.convert(parse_yaml(data), _Document)
    except YamlError as error:
        raise LockError(f"{path} is not valid YAML: {error}", hint=REMEDY) from error
    except msgspec.ValidationError as error:
        raise LockError(f"{path} is not a lockfile: {error}", hint=REMEDY) from error
    if document.version != FORMAT_VERSION:
        raise LockError(
            f"{path} has format version {document.version}, lading reads {FORMAT_VERSION}",
            hint=REMEDY,
        )
    return document


def _choose_platform(path: Path, found: tuple[str, ...], wanted: Platform | None) -> Platform:
    listed = ", ".join(found) or "none"
    if wanted is None and len(found) != 1:
        raise LockError(f"{path} is for {listed}", hint="name one platform with -p")
    name = found[0] if wanted is None else str(wanted)
    if name not in found:
        raise LockError(f"{path} is for {listed}, not for {name}", hint=f"lock it with -p {name}")
    try:
        return parse_platform(name)
    except ValueError as error:
        raise LockError(f"{path}: {error}", hint=REMEDY) from error


def _locked(path: Path, item: _Package) -> LockedPackage:
    if item.hash.sha256 is None:
        raise LockError(f"{path}: {item.name} has no sha256", hint=REMEDY)
    try:
        if item.manager is Manager.CONDA:
            for name, constraint in item.dependencies.items():
                dependency_name(f"{name} {constraint}")
        return LockedPackage(
            name=item.name,
            version=item.version,
            manager=item.manager,
            url=_clean(path, item.url),
            sha256=Digest.sha256(item.hash.sha256),
            md5=Digest.md5(item.hash.md5) if item.hash.md5 else None,
            dependencies=item.dependencies,
            categories=(item.category,) if item.optional else (MAIN,),
        )
    except ValueError as error:
        raise LockError(f"{path}: {item.name}: {error}", hint=REMEDY) from error


def _clean(path: Path, url: str) -> str:
    """The URL without credentials.

    Raises:
        LockError: It is malformed, so that a password may stand anywhere in it.
    """
    try:
        return without_credentials(url)
    except SpecError as error:
        raise LockError(f"{path}: {error.message}", hint=error.hint) from error


def _unique(path: Path, packages: Iterable[LockedPackage]) -> tuple[LockedPackage, ...]:
    """The packages, sorted, each once.

    conda-lock writes a package that several optional categories need once for each of them.

    Raises:
        LockError: Two entries of one name are different packages.
    """
    found: dict[tuple[Manager, str], LockedPackage] = {}
    for item in packages:
        key = item.manager, item.name
        known = found.setdefault(key, item)
        if (known.url, known.sha256) != (item.url, item.sha256):
            raise LockError(f"{path} lists {item.name} twice", hint=REMEDY)
        if known.categories != item.categories:
            categories = {*known.categories, *item.categories}
            merged = (MAIN,) if MAIN in categories else tuple(sorted(categories))
            found[key] = replace(known, categories=merged)
    return tuple(found[key] for key in sorted(found))
