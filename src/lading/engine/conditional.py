"""What a solution depends on: conditions decided, optional groups taken in.

A record of repodata v3 may say that a dependency counts only `when` something holds, and may have
groups of further dependencies, of which others ask for (`extras`). In a solution all of this is
decided, and a lockfile keeps only names and versions. So each record is given the dependencies
that it has in this solution, as if its channel had written them.

Source: CEP 43 (conditions), CEP 44 (extras), CEP 45 (flags), CEP 48 (repodata v3).
"""

import fnmatch
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lading.conda import (
    MatchSpec,
    MatchSpecText,
    RepodataRecord,
    VirtualPackage,
    condition_holds,
    parse_matchspec,
)
from lading.engine.matching import admits
from lading.errors import EngineFailedError, SpecError

_COMPARISONS: Mapping[str, Callable[[int, int], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """A package of a solution, as a condition sees it.

    Attributes:
        build_number: None where it is not known.
        flags: None where they are not known.
    """

    version: str
    build: str = ""
    build_number: int | None = None
    flags: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SolvedRecord:
    """A record of a solution with what only solving looks at.

    Attributes:
        record: Its `depends` as the channel writes them.
        extra_depends: Name of an optional group → MatchSpecs.
    """

    record: RepodataRecord
    extra_depends: Mapping[str, Sequence[str]]
    flags: tuple[str, ...] = ()


def counts_in(spec: MatchSpec, present: Mapping[str, Present]) -> bool:
    """Whether `spec` counts in an environment: it has no condition, or its condition holds.

    Where the flags or the build number of a package are not known, they are taken to fit.

    `present`: name → package, virtual ones included.
    """
    condition = spec.condition
    return condition is None or condition_holds(condition, lambda query: _matches(query, present))


def _matches(query: MatchSpec, present: Mapping[str, Present]) -> bool:
    found = present.get(query.name)
    if found is None or not admits(query.version, found.version):
        return False
    if query.build and not fnmatch.fnmatchcase(found.build, query.build):
        return False
    if query.build_number and found.build_number is not None:
        sign = query.build_number.rstrip("0123456789")
        number = int(query.build_number.removeprefix(sign))
        if not _COMPARISONS[sign](found.build_number, number):
            return False
    return found.flags is None or all(
        any(fnmatch.fnmatchcase(flag, pattern) for flag in found.flags) for pattern in query.flags
    )


def present_packages(
    records: Iterable[RepodataRecord], virtual_packages: Iterable[VirtualPackage]
) -> dict[str, Present]:
    """Name → package of an environment; flags and build numbers of `records` are not known."""
    virtual = {
        item.name: Present(version=item.version, build=item.build, build_number=0, flags=())
        for item in virtual_packages
    }
    return virtual | {
        str(record.name): Present(version=record.version, build=record.build) for record in records
    }


def decide(
    solution: Sequence[SolvedRecord],
    specs: Iterable[MatchSpecText],
    virtual_packages: Iterable[VirtualPackage],
) -> tuple[tuple[RepodataRecord, ...], tuple[MatchSpecText, ...]]:
    """The records of a solution with the dependencies that they have in it, and what counts.

    Returns:
        The records in the order of `solution`; those of `specs` whose condition holds.
    """
    present = present_packages((item.record for item in solution), virtual_packages)
    for item in solution:
        known = present[item.record.name]
        present[item.record.name] = replace(
            known, build_number=item.record.build_number, flags=item.flags
        )
    by_name = {str(item.record.name): item for item in solution}
    depends = {name: _decided(item.record.depends, present) for name, item in by_name.items()}
    asked = [spec for text in specs if counts_in(spec := parse_matchspec(text), present)]
    waiting = list(asked)
    waiting += [spec for found in depends.values() for spec in found if isinstance(spec, MatchSpec)]
    taken: set[tuple[str, str]] = set()
    while waiting:
        spec = waiting.pop()
        for extra in spec.extras if spec.name in by_name else ():
            if (spec.name, extra) in taken:
                continue
            taken.add((spec.name, extra))
            found = _decided(by_name[spec.name].extra_depends.get(extra, ()), present)
            depends[spec.name] = [*depends[spec.name], *found]
            waiting += [one for one in found if isinstance(one, MatchSpec)]
    records = tuple(
        replace(item.record, depends=_texts(depends[item.record.name])) for item in solution
    )
    return records, tuple(spec.text for spec in asked)


def _decided(texts: Iterable[str], present: Mapping[str, Present]) -> list[MatchSpec | str]:
    """Those of `texts` that count; one without brackets as its channel writes it."""
    found: list[MatchSpec | str] = []
    for text in texts:
        if "[" not in text:
            found.append(text)
            continue
        try:
            spec = parse_matchspec(text)
        except SpecError as error:
            if not re.search(r"\b(when|extras|flags)\s*=", text):
                found.append(text)
                continue
            raise EngineFailedError(
                f"a channel writes a dependency that cannot be understood: {error.message}",
                hint="tell the maintainers of the channel, or use another one",
            ) from error
        if counts_in(spec, present):
            found.append(spec)
    return found


def _texts(found: Iterable[MatchSpec | str]) -> tuple[MatchSpecText, ...]:
    """Each once, without what a lockfile does not keep."""
    texts = (item.plain if isinstance(item, MatchSpec) else item for item in found)
    return tuple(MatchSpecText(text) for text in dict.fromkeys(texts))
