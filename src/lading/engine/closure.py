"""Is a solution closed: is everything there that it needs?

Solvers have returned solutions with packages left out (micromamba 2.1.1 to 2.3.2, from a damaged
solver cache). Such a lock installs without complaint and fails on the node, so every solution of
either engine is checked. By name: that versions fit is what the solver was asked for.
"""

from collections.abc import Iterable, Sequence

from lading.conda import MatchSpecText, RepodataRecord, VirtualPackage, dependency_name
from lading.errors import EngineFailedError
from lading.graph import dependencies_of, reachable

__all__ = ["check_closure", "missing_dependencies", "needed_records"]


def missing_dependencies(
    records: Sequence[RepodataRecord], virtual_packages: Iterable[VirtualPackage]
) -> tuple[tuple[str, str], ...]:
    """Pairs of (name of a package, a MatchSpec of it that no package of the set has the name of).

    Returns:
        In the order of `records` and of their `depends`; empty for a closed set.
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
    """Those of `records` that `specs` need, directly or through others; in the order given."""
    needed = reachable(dependencies_of(records), map(dependency_name, specs))
    return tuple(record for record in records if record.name in needed)


def check_closure(
    records: Sequence[RepodataRecord],
    specs: Iterable[MatchSpecText],
    virtual_packages: Iterable[VirtualPackage],
) -> None:
    """Refuse a solution that leaves out what was asked for or what one of its packages needs.

    Raises:
        EngineFailedError: Something is left out; the message names the first, `details` all.
    """
    virtual = tuple(virtual_packages)
    names = {record.name for record in records} | {package.name for package in virtual}
    unmet = [
        f"{text} was asked for, and no package has this name"
        for text in specs
        if dependency_name(text) not in names
    ]
    unmet += [
        f"{name} needs {text}, and no package has this name"
        for name, text in missing_dependencies(records, virtual)
    ]
    if unmet:
        raise EngineFailedError(
            f"the solution is not closed: {unmet[0]}",
            hint="clear the engine's state directory and try again, or use the other engine",
            details=tuple(unmet),
        )
