"""What is locked and who asked for it, and what is newer in the channels and what holds it back."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lading.conda import MatchSpec, RepodataRecord, dependency_name, is_virtual
from lading.engine import Offered, admits, is_newer, version_query
from lading.errors import SpecError
from lading.lock.dependency_graph import asked_lines, lock_graph, node_of
from lading.lock.model import LockedPackage, Lockfile
from lading.lock.requested import read_sources


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A locked package.

    Attributes:
        asked: The lines of the sources that ask for it, `FILE: LINE`; may be empty.
        needed_by: The packages that depend on it, sorted; may be empty.
    """

    package: LockedPackage
    asked: tuple[str, ...]
    needed_by: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Newer:
    """A locked package of which a channel has a newer version.

    Attributes:
        allowed: The version that locking with `--update-all` would give.
        held_by: What keeps `allowed` below `newest`; empty where nothing does.
    """

    name: str
    locked: str
    allowed: str
    newest: str
    held_by: tuple[str, ...]


def list_packages(lock: Lockfile, directory: Path) -> tuple[Listed, ...]:
    """The packages of `lock`, which lies in `directory`; its sources are read if they are there."""
    graph = lock_graph(lock, directory)
    dependents = graph.graph.dependents()
    asked = _asked(lock, directory)
    return tuple(
        Listed(
            package=item,
            asked=tuple(asked.get(node_of(item), ())),
            needed_by=tuple(sorted(dependents[node_of(item)])),
        )
        for item in lock.packages
    )


def _asked(lock: Lockfile, directory: Path) -> Mapping[str, list[str]]:
    """Node → the lines that ask for it, each with the name of its file."""
    found: dict[str, list[str]] = {}
    try:
        sources = read_sources([(directory / source).resolve() for source in lock.sources])
        for item in (source.on(lock.platform) for source in sources.files):
            for node, line in asked_lines(item):
                found.setdefault(node, []).append(f"{item.path.name}: {line}")
    except SpecError:
        # The sources have gone, or say what cannot be read; the lock knows what is locked.
        return {}
    return found


def newer_packages(
    lock: Lockfile,
    available: Sequence[Offered],
    allowed: Sequence[RepodataRecord],
    specs: Sequence[MatchSpec],
) -> tuple[Newer, ...]:
    """The conda packages of `lock` of which there is a newer version, sorted by name. Pure.

    `available` is what the channels have of its packages, the first channel first; `allowed` what
    would be locked with no pin kept.
    """
    solution = {str(record.name): record for record in allowed}
    offered: dict[str, list[Offered]] = {}
    for record in available:
        others = offered.setdefault(record.name, [])
        # Of several channels that have a name, the first is the one for it.
        if not others or others[0].channel == record.channel:
            others.append(record)
    return tuple(_newer(lock, offered, solution, specs))


def _newer(
    lock: Lockfile,
    offered: Mapping[str, Sequence[Offered]],
    solution: Mapping[str, RepodataRecord],
    specs: Sequence[MatchSpec],
) -> Iterator[Newer]:
    for item in lock.conda:
        newest = _newest(offered.get(item.name, ()))
        if not newest or not is_newer(newest[0].version, item.version):
            continue
        now = solution.get(item.name)
        version = now.version if now is not None else item.version
        held = is_newer(newest[0].version, version)
        yield Newer(
            name=item.name,
            locked=item.version,
            allowed=version,
            newest=newest[0].version,
            held_by=tuple(dict.fromkeys(_holders(newest, solution, specs))) if held else (),
        )


def _newest(records: Sequence[Offered]) -> list[Offered]:
    """The records of the highest version; empty where there is none."""
    found: list[Offered] = []
    for record in records:
        if not found or is_newer(record.version, found[0].version):
            found = [record]
        elif record.version == found[0].version:
            found.append(record)
    return found


def _holders(
    newest: Sequence[Offered], solution: Mapping[str, RepodataRecord], specs: Sequence[MatchSpec]
) -> Iterator[str]:
    """What does not go together with `newest`, the builds of one version of a package."""
    name, version = newest[0].name, newest[0].version
    yield from (
        f"the sources ask for {spec.text}"
        for spec in specs
        if spec.name == name and not admits(spec.version, version)
    )
    for record in solution.values():
        for text in record.depends:
            if dependency_name(text) == name and not admits(version_query(text), version):
                yield f"{record.name} {record.version} needs {text}"
    unmet = [list(_unmet(record, solution)) for record in newest]
    if all(unmet):
        yield from min(unmet, key=len)


def _unmet(record: Offered, solution: Mapping[str, RepodataRecord]) -> Iterator[str]:
    """The dependencies of `record` that the packages of `solution` do not satisfy."""
    for text in record.depends:
        name = dependency_name(text)
        other = solution.get(name)
        if (
            other is not None
            and not is_virtual(name)
            and not admits(version_query(text), other.version)
        ):
            yield f"{record.version} needs {text}, and {name} is {other.version}"
