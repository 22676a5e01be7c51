"""Whether a lockfile is whole: for each dependency there is a package that satisfies it."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import rattler
import yaml
from rattler.exceptions import InvalidMatchSpecError
from rattler.package import BuildString

__all__ = ["Closure", "check_lockfiles"]


class _Package(msgspec.Struct, frozen=True):
    name: str
    version: str
    manager: str
    platform: str
    url: str
    dependencies: dict[str, str] = msgspec.field(default_factory=dict)


class _Lockfile(msgspec.Struct, frozen=True):
    package: list[_Package]


@dataclass(frozen=True, slots=True)
class Closure:
    """What was found.

    Attributes:
        entries: Packages, each counted once a platform.
        broken: Dependencies that nothing satisfies, as `platform: package needs spec`.
    """

    entries: int
    broken: tuple[str, ...]


def check_lockfiles(paths: Iterable[Path]) -> Closure:
    """The closure of lockfiles of conda-lock's format, platform by platform; conda part only."""
    platforms: dict[str, list[_Package]] = defaultdict(list)
    for path in paths:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        document = yaml.load(path.read_bytes(), Loader=loader)  # noqa: S506  # a safe loader
        for item in msgspec.convert(document, _Lockfile).package:
            if item.manager == "conda":
                platforms[item.platform].append(item)
    broken = tuple(line for packages in platforms.values() for line in _broken(packages))
    return Closure(sum(len(packages) for packages in platforms.values()), broken)


def _broken(packages: list[_Package]) -> Iterable[str]:
    records = {item.name: _record(item) for item in packages}
    for item in packages:
        for name, version in item.dependencies.items():
            if name.startswith("__"):
                continue
            record = records.get(name)
            if record is None or not _satisfies(record, name, version):
                yield f"{item.platform}: {item.name} needs {name} {version}"


def _satisfies(record: rattler.PackageRecord, name: str, version: str) -> bool:
    try:
        return rattler.MatchSpec(f"{name} {version}".strip()).matches(record)
    except InvalidMatchSpecError:
        return False


def _record(item: _Package) -> rattler.PackageRecord:
    stem = item.url.rpartition("/")[2].partition("#")[0]
    stem = stem.removesuffix(".conda").removesuffix(".tar.bz2")
    build = stem.rpartition("-")[2]
    return rattler.PackageRecord(
        item.name, item.version, BuildString.new_unchecked(build), 0, item.platform
    )
