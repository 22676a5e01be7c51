"""Read lockfiles of conda-lock's v1 format, whichever tool wrote them; nothing but YAML is needed.

Source: CEP 37 (conda-lock.yml), conda-lock 4.0.3 `lockfile/v1/models.py`.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import msgspec

from lading.conda import (
    Platform,
    dependency_name,
    is_environment_name,
    is_variable_name,
    parse_platform,
)
from lading.errors import LockError, SpecError, raised_as
from lading.lock.model import (
    ENVIRONMENT_KEY,
    FORMAT_VERSION,
    MAIN,
    REMEDY,
    VARIABLE_KEY,
    Found,
    LockedPackage,
    Lockfile,
    Manager,
    Unusable,
)
from lading.system import (
    Digest,
    YamlError,
    convert,
    parse_yaml,
    read_document,
    sha256_of,
    without_credentials,
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


NO_DIGESTS: Mapping[Digest, Digest] = {}

_LOCAL = ("file:", "git+", "hg+", "svn+", "bzr+")
"""How the URLs begin that conda-lock writes for repositories and directories."""


class _Package(msgspec.Struct, frozen=True):
    name: _Text
    version: _Text
    manager: Manager
    platform: _Text
    url: _Text
    hash: _Hash
    dependencies: dict[_Text, _Text | None] = {}  # msgspec copies defaults
    category: _Text = "main"
    optional: bool = False


class _Metadata(msgspec.Struct, frozen=True):
    channels: tuple[_Channel | _Text, ...]
    platforms: tuple[_Text, ...]
    sources: tuple[_Text, ...] = ()
    custom_metadata: dict[_Text, str] | None = None
    content_hash: dict[_Text, _Text] = {}  # the same


class _Document(msgspec.Struct, frozen=True):
    version: int
    metadata: _Metadata
    package: tuple[_Package, ...]


def read_lockfile(path: str | os.PathLike[str], platform: Platform | None = None) -> Lockfile:
    """The lockfile at `path`.

    Of a file that holds several platforms, `platform` says which to read.

    Raises:
        LockError: It is missing, not YAML, not a v1 lockfile, not for this platform, lists a
            package twice or has one without SHA-256.
    """
    path = Path(path)
    data = _read(path)
    document = _parse_document(path, data)
    chosen = _choose_platform(path, document.metadata.platforms, platform)
    return refuse_unusable(path, _lockfile(path, document, chosen, data))


def read_lockfiles(path: Path, known: Mapping[Digest, Digest] = NO_DIGESTS) -> tuple[Lockfile, ...]:
    """The lockfiles in the file at `path`, one for each platform.

    `known` is MD5 → SHA-256 of archives for which the file has the first alone.
    """
    return parse_lockfiles(path, _read(path), known)


def parse_lockfiles(
    path: Path, data: bytes, known: Mapping[Digest, Digest] = NO_DIGESTS
) -> tuple[Lockfile, ...]:
    """The lockfiles in `data`, one for each platform.

    `path` is for messages, it need not exist; `known` as of `read_lockfiles`.
    """
    document = _parse_document(path, data)
    platforms = document.metadata.platforms
    return tuple(
        _lockfile(path, document, _choose_platform(path, platforms, Platform(name)), data, known)
        for name in platforms
        if name in set(Platform)
    )


def lockfile_of(path: Path, values: object, data: bytes) -> Lockfile:
    """The lockfile for one platform that was just rendered.

    `data` is `values`, rendered; `path` is where it will lie, for messages.
    """
    document = _document(path, values)
    chosen = _choose_platform(path, document.metadata.platforms, None)
    return _lockfile(path, document, chosen, data)


def _read(path: Path) -> bytes:
    try:
        return read_document(path)
    except OSError as error:
        raise LockError(f"{path}: {error.strerror}", hint="make it with `lading lock`") from error
    except YamlError as error:
        raise LockError(f"{path}: {error}", hint=REMEDY) from error


def refuse_unusable(path: Path, lock: Lockfile) -> Lockfile:
    """The lock itself, where everything in it can be installed.

    Raises:
        LockError: Something cannot; what it is stands in `details`.
    """
    if not lock.unusable:
        return lock
    first = lock.unusable[0]
    lines = tuple(f"{item.name} ({item.url}) is {item.reason}" for item in lock.unusable)
    more = f", and {len(lines) - 1} more" if len(lines) > 1 else ""
    raise LockError(
        f"{path}: {first.name} is {first.reason}{more}",
        hint="lock a wheel of it, choose categories without it, or `lading adopt"
        f" {path.name} --leave-out {first.name}`",
        details=lines,
    )


def _lockfile(
    path: Path,
    document: "_Document",
    chosen: Platform,
    data: bytes,
    known: Mapping[Digest, Digest] = NO_DIGESTS,
) -> Lockfile:
    entries = [_entry(path, item, known) for item in document.package if item.platform == chosen]
    packages = _unique(path, (item for item in entries if isinstance(item, LockedPackage)))
    metadata = document.metadata.custom_metadata or {}
    _check_names(path, metadata)
    return Lockfile(
        platform=chosen,
        channels=tuple(
            _clean(path, item if isinstance(item, str) else item.url)
            for item in document.metadata.channels
        ),
        sources=document.metadata.sources,
        content_hash=document.metadata.content_hash.get(chosen, ""),
        packages=packages,
        metadata=metadata,
        digest=sha256_of(data),
        unusable=tuple(item for item in entries if isinstance(item, Unusable)),
    )


def _check_names(path: Path, metadata: Mapping[str, str]) -> None:
    """Refuse names that a shell or a path would take for more than names."""
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
    with raised_as(LockError, f"{path} is not valid YAML", REMEDY, YamlError):
        values = parse_yaml(data)
    return _document(path, values)


def _document(path: Path, values: object) -> _Document:
    with raised_as(LockError, f"{path} is not a lockfile", REMEDY, msgspec.ValidationError):
        document = convert(values, _Document)
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
    with raised_as(LockError, path, REMEDY, ValueError):
        return parse_platform(name)


def _entry(path: Path, item: _Package, known: Mapping[Digest, Digest]) -> LockedPackage | Unusable:
    """The package, or why it cannot be installed."""
    kind = _kind_of_place(item)
    with raised_as(LockError, f"{path}: {item.name}", REMEDY, ValueError):
        found = Found(
            name=item.name,
            version=item.version,
            manager=item.manager,
            url=_clean(path, item.url),
            sha256=Digest.sha256(item.hash.sha256) if item.hash.sha256 and not kind else None,
            md5=Digest.md5(item.hash.md5) if item.hash.md5 and not kind else None,
            dependencies={name: query or "" for name, query in item.dependencies.items()},
            reason=f"{kind}, of which the lock has no archive" if kind else "",
            categories=(item.category,) if item.optional else (MAIN,),
        ).settled(known)
        if isinstance(found, LockedPackage) and found.manager is Manager.CONDA:
            for name, constraint in found.dependencies.items():
                dependency_name(f"{name} {constraint}")
        return found


def _kind_of_place(item: _Package) -> str:
    """What a pip package is at its URL, where that is no archive; or empty."""
    if item.manager is Manager.CONDA or not item.url.startswith(_LOCAL):
        return ""
    if not item.url.startswith("file:"):
        return "a repository"
    is_archive = item.url.partition("#")[0].endswith((".whl", ".tar.gz", ".zip"))
    return "" if is_archive else "a directory"


def _clean(path: Path, url: str) -> str:
    """The URL without credentials."""
    try:
        return without_credentials(url)
    except SpecError as error:
        raise LockError(f"{path}: {error.message}", hint=error.hint) from error


def _unique(path: Path, packages: Iterable[LockedPackage]) -> tuple[LockedPackage, ...]:
    """The packages, sorted, each once.

    conda-lock writes a package that several optional categories need once for each of them.
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
