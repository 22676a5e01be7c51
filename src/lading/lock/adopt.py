"""What other tools left behind, as pins for a lock: a prefix, a lockfile of conda-lock.

Nothing is taken over unseen: the pins go into a solve of the sources like those of an own lockfile,
so what does not satisfy them moves, and what nobody needs is left out.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from lading.conda import MirrorMap, Platform
from lading.engine import compare_versions
from lading.errors import LockError, NotAPrefixError
from lading.lock.model import LockedPackage, Manager, parse_lockfiles
from lading.system import Digest, without_credentials

_log = logging.getLogger(__name__)

__all__ = ["merge_pins", "pins_of_conda_lock", "pins_of_prefix"]


def pins_of_conda_lock(path: Path) -> dict[Platform, tuple[LockedPackage, ...]]:
    """Platform → what the conda-lock.yml at `path` locks for it.

    Raises:
        LockError: It cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LockError(f"{path}: {error.strerror}", hint="name a conda-lock.yml") from error
    return {lock.platform: lock.packages for lock in parse_lockfiles(path, data)}


def pins_of_prefix(
    prefix: Path, platform: Platform, mirrors: MirrorMap
) -> dict[Platform, tuple[LockedPackage, ...]]:
    """`platform` → the conda packages that are installed in `prefix`.

    Raises:
        NotAPrefixError: It is no prefix.
        LockError: A prefix record cannot be read.
    """
    if not (prefix / "conda-meta").is_dir():
        raise NotAPrefixError(
            f"{prefix} is no environment: it has no conda-meta", hint="name the root of a prefix"
        )
    paths = sorted((prefix / "conda-meta").glob("*.json"))
    found = (_pin(path, mirrors) for path in paths)
    return {platform: tuple(item for item in found if item is not None)}


def _pin(path: Path, mirrors: MirrorMap) -> LockedPackage | None:
    """A package of a prefix; None where its record names no SHA-256, as those of long ago.

    Raises:
        LockError: Its record is damaged, or does not say where it came from.
    """
    try:
        record: object = json.loads(path.read_bytes())
        if not isinstance(record, dict):
            raise TypeError("it is no mapping")  # noqa: TRY301  # told with the others
        digest = _digest(record)
        if digest is None:
            _log.warning("%s names no sha256, so it is no pin", path.name)
            return None
        return LockedPackage(
            name=str(record["name"]),
            version=str(record["version"]),
            manager=Manager.CONDA,
            url=mirrors.canonical(without_credentials(str(record["url"]))),
            sha256=digest,
            dependencies={},
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise LockError(
            f"{path} is no prefix record: {' '.join(str(error).split())}",
            hint="reinstall this package, or make the lock from the sources alone",
        ) from error


def _digest(record: Mapping[str, object]) -> Digest | None:
    value = record.get("sha256")
    return Digest.sha256(value) if isinstance(value, str) and value else None


def merge_pins(
    base: tuple[LockedPackage, ...],
    ours: tuple[LockedPackage, ...],
    theirs: tuple[LockedPackage, ...],
) -> tuple[LockedPackage, ...]:
    """The pins to prefer when two sides changed a lockfile.

    Where one side moved a package, or took it away, its word holds; where both did, the newer one.
    """
    old, one, other = (
        {(item.manager, item.name): item for item in side} for side in (base, ours, theirs)
    )
    result = []
    for key in sorted(one.keys() | other.keys()):
        mine, yours, before = one.get(key), other.get(key), old.get(key)
        chosen = yours if _same(mine, before) else mine
        if not (_same(mine, before) or _same(yours, before)) and yours is not None:
            chosen = _newer(mine, yours)
        if chosen is not None:
            result.append(chosen)
    return tuple(result)


def _same(one: LockedPackage | None, other: LockedPackage | None) -> bool:
    return (one and one.url) == (other and other.url)


def _newer(one: LockedPackage | None, other: LockedPackage) -> LockedPackage:
    if one is None:
        return other
    try:
        return other if compare_versions(other.version, one.version) > 0 else one
    except ValueError:
        return one
