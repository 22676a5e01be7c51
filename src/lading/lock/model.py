"""Lockfiles as values: conda-lock's v1 format, one platform a file.

Reading one needs nothing but YAML; making one is `lading.lock.condalock` and `lading.lock.solve`.

Source: CEP 37 (conda-lock.yml), conda-lock 4.0.3 `lockfile/v1/models.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lading.conda import (
    IN_PROJECT,
    BuildString,
    MatchSpecText,
    PackageName,
    Platform,
    RepodataRecord,
    archive_stem,
    default_virtual_packages,
    is_environment_name,
)
from lading.errors import LockError, UsageError, raised_as
from lading.system import Digest

FORMAT_VERSION = 1
LOCK_SUFFIX = ".conda-lock.yml"
REMEDY = "make it again with `lading lock`"
MAIN = "main"
"""The category of the packages that are always installed."""

ENVIRONMENT_KEY = "lading-environment"
"""Metadata key that holds the name of the environment."""

VARIABLE_KEY = "lading-variable-"
"""Prefix of the metadata keys that hold the variables which activation sets, one key each."""

SPECS_KEY = "lading-specs"
"""Metadata key that holds the requests that use repodata v3; see `specs_with_fields`."""

CATEGORY_KEY = "lading-category-"
"""Prefix of the metadata keys that hold what an optional category asks for, one key each.

A package that `main` needs too is locked for `main` alone, so the packages do not tell it.
"""

VIRTUAL_PACKAGES_KEY = "lading-virtual-packages"
"""Metadata key that holds the targeted virtual packages: `name=version=build ...`."""


class Manager(StrEnum):
    """Which installer a locked package is for."""

    CONDA = "conda"
    PIP = "pip"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedPackage:
    """A package of a lockfile, for one platform.

    Attributes:
        url: Canonical URL of the archive, wheel or sdist; holds no credential.
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
    def key(self) -> tuple[Manager, str]:
        """What tells it from the other packages of a lockfile."""
        return self.manager, self.name

    @property
    def channel(self) -> str:
        """Where it comes from: the canonical URL of a channel, the host of an index, or `.`."""
        if self.manager is Manager.PIP:
            return "." if self.url.startswith(IN_PROJECT) else urlsplit(self.url).netloc
        return self.url.rsplit("/", 2)[0]

    @property
    def build(self) -> str:
        """The build string of a conda package or the tags of a wheel; empty where unknown."""
        if self.file_name.endswith(".whl"):
            return "-".join(self.file_name.removesuffix(".whl").split("-")[-3:])
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
        with raised_as(LockError, self.name, REMEDY, ValueError):
            name, _, build = archive_stem(self.file_name).rpartition("-")
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
class Unusable:
    """An entry of another tool's lock that cannot be installed as it stands.

    Attributes:
        url: Where it is, without credentials.
        reason: Why it cannot be installed; it follows the name and "is".
        md5: What is known of its archive; None where it is no archive.
    """

    name: str
    url: str
    reason: str
    md5: Digest | None
    categories: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A package as another tool wrote it, its digests whatever they are.

    Attributes:
        reason: Why it is no archive, or empty.
    """

    name: str
    version: str
    manager: Manager
    url: str
    sha256: Digest | None
    md5: Digest | None
    dependencies: Mapping[str, str]
    reason: str = ""
    categories: tuple[str, ...] = (MAIN,)

    def settled(self, known: Mapping[Digest, Digest]) -> LockedPackage | Unusable:
        """The package, or why it cannot be installed; `known` is MD5 → SHA-256."""
        sha256 = self.sha256 or (known.get(self.md5) if self.md5 else None)
        if self.reason or sha256 is None:
            return Unusable(
                name=self.name,
                url=self.url,
                reason=self.reason or "locked without a sha256",
                md5=None if self.reason else self.md5,
                categories=self.categories,
            )
        return LockedPackage(
            name=self.name,
            version=self.version,
            manager=self.manager,
            url=self.url,
            sha256=sha256,
            md5=self.md5,
            dependencies=dict(self.dependencies),
            categories=self.categories,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lockfile:
    """The packages of one environment on one platform.

    Attributes:
        channels: Canonical base URLs or names, in order of priority.
        sources: Environment files, relative to the directory of the lockfile.
        content_hash: conda-lock's hash of the sources.
        packages: Sorted by manager, then name; unique.
        metadata: What lading wrote in addition, such as virtual packages.
        digest: SHA-256 of the file's bytes: the identity of the environment.
        chosen: The categories that `packages` was limited to, sorted; empty where it is complete.
        unusable: Entries that are not among `packages`, see `refuse_unusable`.
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
    unusable: tuple[Unusable, ...] = ()

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
    def python(self) -> str:
        """The version of its python, or empty."""
        return next((item.version for item in self.conda if item.name == "python"), "")

    def require_pip(self) -> tuple[LockedPackage, ...]:
        """The pip part.

        Raises:
            LockError: There is none.
        """
        if not self.pip:
            raise LockError(
                f"no pip package is locked for {self.platform}", hint="export it with --explicit"
            )
        return self.pip

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

    @property
    def needed_of_machine(self) -> Mapping[str, str]:
        """The same, with the processor that `__archspec` names where not every machine has it."""
        usual = set(map(str, default_virtual_packages(self.platform)))
        given = self.metadata.get(VIRTUAL_PACKAGES_KEY, "").split()
        unusual = [item.partition("=") for item in given if item not in usual]
        return {
            **self.virtual_packages,
            **{name: rest for name, _, rest in unusual if name == "__archspec"},
        }


def lock_path(directory: Path, environment: str, platform: Platform) -> Path:
    """Where the lockfile of an environment lies below `directory`."""
    return directory / "locks" / environment / f"{platform}{LOCK_SUFFIX}"


def require_environment_name(name: str) -> None:
    """Refuse what cannot name an environment."""
    if not is_environment_name(name):
        raise UsageError(
            f"{name!r} cannot name an environment",
            hint="name it with -n, without slashes, escapes, and a leading dot or dash",
        )
