"""Locks of other tools as lockfiles: conda-lock.yml, pixi.lock, explicit files, pylock.toml.

What they say is taken as it is; nothing is solved. What an entry lacks to be installed makes it
`Unusable`, never silently absent.

Source: CEP 37 (conda-lock.yml), CEP 23 (explicit files), PEP 751 (pylock.toml); pixi.lock as
py-rattler reads it.
"""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement

from lading.conda import (
    Platform,
    archive_stem,
    dependency_name,
    is_environment_name,
    parse_platform,
)
from lading.engine import PixiEnvironment, PixiPackage, parse_pixi_lock
from lading.errors import LockError, SpecError, raised_as
from lading.lock.model import (
    ENVIRONMENT_KEY,
    LOCK_SUFFIX,
    SPECS_KEY,
    VIRTUAL_PACKAGES_KEY,
    Found,
    LockedPackage,
    Lockfile,
    Manager,
    Unusable,
)
from lading.lock.reading import NO_DIGESTS, parse_lockfiles
from lading.lock.requested import FOREIGN, read_sources
from lading.system import Digest, YamlError, read_document, sha256_of, without_credentials

PIXI_DEFAULT = "default"
"""What pixi calls the environment that a project has without naming one."""

_TOOL_NAMES = {"conda", "explicit", "spec-file", "requirements"}
"""Names that tools give to explicit files, which say nothing of the environment."""

_EXPLICIT = re.compile(rb"(?m)^@EXPLICIT\s*$")
_PIXI = re.compile(rb"(?m)^environments:\s*$")
_PLATFORM = re.compile(r"#\s*platform:\s*(\S+)")


def is_lock_path(text: str) -> bool:
    """Whether `text` can only be the path of a lockfile, and not the name of an environment."""
    return text.endswith((".yml", ".yaml", ".lock", ".txt"))


def read_foreign(
    path: Path, known: Mapping[Digest, Digest], platform: Platform | None = None
) -> tuple[Lockfile, ...]:
    """The lockfiles in the file at `path`, each with the name of its environment.

    `known` is MD5 → SHA-256 of archives for which the file has the first alone; `platform` is for
    an explicit file that does not say its own.

    Raises:
        LockError: It is missing, or none of these.
    """
    with raised_as(LockError, path, "name a lockfile", (OSError, YamlError)):
        data = read_document(path)
    return parse_foreign(path, data, known, platform)


def parse_foreign(
    path: Path,
    data: bytes,
    known: Mapping[Digest, Digest] = NO_DIGESTS,
    platform: Platform | None = None,
) -> tuple[Lockfile, ...]:
    """The lockfiles in `data`, see `read_foreign`; `path` need not exist.

    Raises:
        LockError: It is none of these.
    """
    if _EXPLICIT.search(data):
        return (_explicit(path, data, known, platform),)
    if path.name == "pixi.lock" or _PIXI.search(data):
        return tuple(
            _of_pixi(path, data, environment, name, known)
            for environment in parse_pixi_lock(path, data)
            for name in sorted(environment.packages)
        )
    return tuple(_named(path, lock) for lock in parse_lockfiles(path, data, known))


def default_environment(path: Path, locks: Sequence[Lockfile], platform: Platform) -> Lockfile:
    """Of the locks in the file at `path` the one for `platform`; of several the default's.

    Raises:
        LockError: None of several is the default.
    """
    found = [lock for lock in locks if lock.platform is platform]
    own = [lock for lock in found if lock.environment == path.resolve().parent.name]
    if len(found) > 1 and len(own) != 1:
        names = ", ".join(lock.environment for lock in found)
        raise LockError(
            f"{path} has several environments: {names}", hint=f"run `lading adopt {path.name}`"
        )
    return (own if len(found) > 1 else found)[0]


def _named(path: Path, lock: Lockfile) -> Lockfile:
    """A lock of conda-lock with the name of its environment, and of lading's own metadata."""
    if path.name.removesuffix(LOCK_SUFFIX) in set(Platform):
        return lock
    metadata = dict(lock.metadata)
    # A file of all platforms, as `lading export --unified` writes it.
    for platform, key in itertools.product(Platform, (VIRTUAL_PACKAGES_KEY, SPECS_KEY)):
        text = metadata.pop(f"{key}-{platform}", None)
        if text and platform is lock.platform:
            metadata[key] = text
    metadata[ENVIRONMENT_KEY] = lock.environment or _name_of(path, lock.sources)
    return replace(lock, metadata=metadata)


def _name_of(path: Path, sources: Sequence[str]) -> str:
    """The name of an environment whose lock does not say it: of its file, source or directory."""
    if path.name.endswith(LOCK_SUFFIX):
        return path.name.removesuffix(LOCK_SUFFIX)
    try:
        readable = [path.parent / source for source in sources]
        found = read_sources([item for item in readable if item.name not in FOREIGN]).name
    except SpecError:
        # They are not there, or another tool's.
        found = ""
    name = found or path.resolve().parent.name
    return name if is_environment_name(name) else "environment"


def _explicit(
    path: Path, data: bytes, known: Mapping[Digest, Digest], wanted: Platform | None
) -> Lockfile:
    """An explicit file: the URL of an archive on each line, with a digest behind `#`."""
    text = data.decode(errors="replace")
    lines = [line.strip() for line in text.splitlines()]
    urls = [line for line in lines if line and not line.startswith(("#", "@"))]
    found = [_of_url(path, line) for line in urls]
    said = _PLATFORM.search(text)
    subdirs = {urlsplit(item.url).path.rsplit("/", 2)[-2] for item in found} - {"noarch"}
    names = {said[1]} if said else subdirs
    if wanted is None and len(names) != 1:
        listed = ", ".join(sorted(names)) or "noarch packages alone"
        raise LockError(f"{path} holds {listed}", hint="name its platform with -p")
    with raised_as(LockError, path, "name its platform with -p", ValueError):
        platform = wanted or parse_platform(names.pop())
    channels = dict.fromkeys(item.url.rsplit("/", 2)[0] for item in found)
    name = path.name.removesuffix(path.suffix).removesuffix(f"-{platform}")
    if name in _TOOL_NAMES:
        name = path.resolve().parent.name
    return _lockfile(
        platform=platform,
        channels=tuple(channels),
        name=name if is_environment_name(name) else "environment",
        found=[item.settled(known) for item in found],
        data=data,
    )


def _of_url(path: Path, line: str) -> Found:
    """The package at the URL that `line` gives."""
    url, _, fragment = line.partition("#")
    with raised_as(
        LockError,
        f"{path}: {url.rpartition('/')[2]}",
        "write URLs with digests: `conda list --explicit --sha256`, or --md5",
        (ValueError, SpecError),
    ):
        cleaned = without_credentials(url)
        stem = archive_stem(unquote(urlsplit(cleaned).path.rpartition("/")[2]))
        name, version, _ = stem.rsplit("-", 2)
        digest = fragment.removeprefix("sha256:").removeprefix("sha256=")
        is_sha256 = digest != fragment or len(digest) == len("0" * 64)
        sha256 = Digest.sha256(digest) if digest and is_sha256 else None
        md5 = Digest.md5(digest) if digest and not is_sha256 else None
    if sha256 is None and md5 is None:
        reason = "a URL without a digest; write it with `conda list --explicit --sha256`"
    else:
        reason = ""
    return Found(
        name=name,
        version=version,
        manager=Manager.CONDA,
        url=cleaned,
        sha256=sha256,
        md5=md5,
        dependencies={},
        reason=reason,
    )


def _of_pixi(
    path: Path,
    data: bytes,
    environment: PixiEnvironment,
    platform: str,
    known: Mapping[Digest, Digest],
) -> Lockfile:
    name = environment.name
    if name == PIXI_DEFAULT:
        name = path.resolve().parent.name
    return _lockfile(
        platform=parse_platform(platform),
        channels=environment.channels,
        name=name if is_environment_name(name) else "environment",
        found=[_pixi_package(item).settled(known) for item in environment.packages[platform]],
        data=data,
    )


def _pixi_package(item: PixiPackage) -> Found:
    depends = _requirements(item.depends) if item.is_pypi else _matchspecs(item.depends)
    reason = "" if item.is_archive else "built from its source, of which the lock has no archive"
    return Found(
        name=item.name,
        version=item.version,
        manager=Manager.PIP if item.is_pypi else Manager.CONDA,
        url=without_credentials(item.location),
        sha256=item.sha256,
        md5=item.md5,
        dependencies=dict(depends),
        reason=reason,
    )


def _matchspecs(depends: Sequence[str]) -> Iterator[tuple[str, str]]:
    for text in depends:
        name = dependency_name(text)
        yield name, text.strip()[len(name) :].strip()


def _requirements(depends: Sequence[str]) -> Iterator[tuple[str, str]]:
    for text in depends:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue  # pixi locked it all the same; only the graph would show it
        if requirement.marker is None or "extra" not in str(requirement.marker):
            yield requirement.name, str(requirement.specifier) or "*"


def _lockfile(
    *,
    platform: Platform,
    channels: tuple[str, ...],
    name: str,
    found: Sequence[LockedPackage | Unusable],
    data: bytes,
) -> Lockfile:
    packages = [item for item in found if isinstance(item, LockedPackage)]
    packages.sort(key=lambda item: item.key)
    names = [item.key for item in packages]
    for one, other in itertools.pairwise(names):
        if one == other:
            raise LockError(f"it lists {one[1]} twice", hint="write it again with its tool")
    return Lockfile(
        platform=platform,
        channels=channels,
        sources=(),
        content_hash="",
        packages=tuple(packages),
        metadata={ENVIRONMENT_KEY: name},
        digest=sha256_of(data),
        unusable=tuple(item for item in found if isinstance(item, Unusable)),
    )
