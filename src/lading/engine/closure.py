"""Check that a solution is complete: everything it requires is part of it.

Solvers have returned solutions with packages left out (micromamba 2.1.1 to 2.3.2, from a damaged
solver cache). Such a lock installs without an error and fails on the node, so every solution of
either engine is checked, by name only: the solver has compared the versions.
"""

from collections.abc import Iterable, Sequence

from lading.conda import MatchSpecText, RepodataRecord, VirtualPackage, dependency_name
from lading.errors import EngineFailedError
from lading.graph import dependencies_of, reachable


def missing_dependencies(
    records: Sequence[RepodataRecord], virtual_packages: Iterable[VirtualPackage]
) -> tuple[tuple[str, str], ...]:
    """Pairs of (package name, a MatchSpec in its `depends` that no package of the set matches).

    Returns:
        In the order of `records` and of their `depends`; empty for a complete set.
    """
    present: set[str] = {record.name for record in records}
    present |= {package.name for package in virtual_packages}
    return tuple(
        (record.name, text)
        for record in records
        for text in record.depends
        if dependency_name(text) not in present
    )


def needed_records(
    records: Sequence[RepodataRecord], specs: Iterable[MatchSpecText]
) -> tuple[RepodataRecord, ...]:
    """Those of `records` that `specs` require, directly or indirectly; in the order given."""
    needed = reachable(dependencies_of(records), map(dependency_name, specs))
    return tuple(record for record in records if record.name in needed)


def check_closure(
    records: Sequence[RepodataRecord],
    specs: Iterable[MatchSpecText],
    virtual_packages: Iterable[VirtualPackage],
) -> None:
    """Refuse a solution that leaves out a requested package, or one that another requires.

    Raises:
        EngineFailedError: The solution is incomplete; `details` list all gaps.
    """
    virtual = tuple(virtual_packages)
    names = {record.name for record in records} | {package.name for package in virtual}
    unmet = [
        f"{text} is requested, and no package has this name"
        for text in specs
        if dependency_name(text) not in names
    ]
    unmet += [
        f"{name} requires {text}, and no package has this name"
        for name, text in missing_dependencies(records, virtual)
    ]
    if unmet:
        raise EngineFailedError(
            f"the engine's solution is incomplete: {unmet[0]}",
            hint="delete .lading/state and try again, or use the other engine with --engine",
            details=tuple(unmet),
        )
