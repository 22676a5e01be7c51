"""Adopt the packages of a prefix, or of a lockfile of conda-lock, as pins for a lock.

The pins go into a solve of the sources like those of an own lockfile: what does not satisfy the
sources moves, and what nothing needs is left out.
"""

import logging
from pathlib import Path

import msgspec

from lading.conda import MirrorMap, Platform
from lading.engine import is_newer
from lading.errors import LockError, NotAPrefixError, SpecError
from lading.lock.model import ENVIRONMENT_KEY, LockedPackage, Lockfile, Manager
from lading.lock.reading import parse_lockfiles, read_lockfiles
from lading.lock.rendering import document_of, dump_lockfile
from lading.system import Digest, decode_json, read_regular, without_credentials

_log = logging.getLogger(__name__)


def pins_of_conda_lock(path: Path) -> dict[Platform, tuple[LockedPackage, ...]]:
    """Platform → what the conda-lock.yml at `path` locks for it.

    Raises:
        LockError: It cannot be read.
    """
    return {lock.platform: lock.packages for lock in read_lockfiles(path)}


def pins_of_prefix(
    prefix: Path, platform: Platform, mirrors: MirrorMap
) -> dict[Platform, tuple[LockedPackage, ...]]:
    """`platform` → the conda packages that are installed in `prefix`.

    Raises:
        NotAPrefixError: It is not a prefix.
        LockError: A prefix record cannot be read.
    """
    if not (prefix / "conda-meta").is_dir():
        raise NotAPrefixError(
            f"{prefix} is not an environment: it has no conda-meta",
            hint="name the root of a prefix",
        )
    paths = sorted((prefix / "conda-meta").glob("*.json"))
    found = (_pin(path, mirrors) for path in paths)
    return {platform: tuple(item for item in found if item is not None)}


class _Record(msgspec.Struct, frozen=True):
    name: str
    version: str
    url: str
    sha256: str | None = None


def _pin(path: Path, mirrors: MirrorMap) -> LockedPackage | None:
    """A package of a prefix; None where its record names no SHA-256, as old records do."""
    try:
        record = decode_json(read_regular(path, follow=True), _Record)
        if not record.sha256:
            _log.warning("%s has no sha256, so its version is not kept", path.name)
            return None
        return LockedPackage(
            name=record.name,
            version=record.version,
            manager=Manager.CONDA,
            url=mirrors.canonical(without_credentials(record.url)),
            sha256=Digest.sha256(record.sha256),
            dependencies={},
        )
    except (OSError, ValueError, SpecError) as error:
        raise LockError(
            f"{path} is not a prefix record: {' '.join(str(error).split())}",
            hint="reinstall this package, or make the lock from the sources alone",
        ) from error


def adopted_bytes(lock: Lockfile, name: str) -> bytes:
    """The lockfile that holds `lock` as the environment `name`; read back before it is given."""
    document = document_of(
        content_hash={lock.platform.value: lock.content_hash},
        channels=lock.channels,
        sources=lock.sources,
        custom={**lock.metadata, ENVIRONMENT_KEY: name},
        packages=[(item, lock.platform) for item in lock.packages],
    )
    data = dump_lockfile(document, name, lock.platform)
    parse_lockfiles(Path(name), data)
    return data


def merge_pins(
    base: tuple[LockedPackage, ...],
    ours: tuple[LockedPackage, ...],
    theirs: tuple[LockedPackage, ...],
) -> tuple[LockedPackage, ...]:
    """The pins to prefer when two sides changed a lockfile.

    Where one side changed or removed a package, that side holds; where both did, the newer version.
    """
    old, one, other = ({item.key: item for item in side} for side in (base, ours, theirs))
    result = []
    for key in sorted(one.keys() | other.keys()):
        mine, yours, before = one.get(key), other.get(key), old.get(key)
        chosen = yours if _same(mine, before) else mine
        if not (_same(mine, before) or _same(yours, before)) and yours is not None:
            chosen = yours if mine is None or is_newer(yours.version, mine.version) else mine
        if chosen is not None:
            result.append(chosen)
    return tuple(result)


def _same(one: LockedPackage | None, other: LockedPackage | None) -> bool:
    return (one and one.url) == (other and other.url)
