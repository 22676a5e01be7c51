"""Check that a solution is complete: everything it requires is part of it.

Solvers have returned solutions with packages left out (micromamba 2.1.1 to 2.3.2, from a damaged
solver cache). Such a lock installs without an error and fails on the node, so every solution of
either engine is checked, by name only: the solver has compared the versions.
"""

from collections.abc import Iterable, Sequence

from lading.conda import MatchSpecText, RepodataRecord, VirtualPackage, dependency_name
from lading.errors import EngineFailedError
from lading.graph import dependencies_of, reachable


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
    """Refuse a solution that leaves out a requested package, or one that another requires."""
    names: set[str] = {record.name for record in records}
    names |= {package.name for package in virtual_packages}
    asked = [(f"{text} is requested", text) for text in specs]
    asked += [(f"{item.name} requires {text}", text) for item in records for text in item.depends]
    unmet = [
        f"{said}, and no package has this name"
        for said, text in asked
        if dependency_name(text) not in names
    ]
    if unmet:
        raise EngineFailedError(
            f"the engine's solution is incomplete: {unmet[0]}",
            hint="delete .lading/state and try again, or use the other engine with --engine",
            details=tuple(unmet),
        )
