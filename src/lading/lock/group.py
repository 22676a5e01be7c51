"""Lock environments that share versions.

What all of them ask for is solved at once; then each is solved alone, with that solution as its
pins. Since these satisfy it already, it takes of them what it needs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lading.conda import Platform
from lading.engine import Engine
from lading.errors import SolveError
from lading.lock.model import LockedPackage, Manager
from lading.lock.request import LockInputs, LockPlan, LockRequest, PlatformOutcome
from lading.lock.requested import ask_conda_lock
from lading.lock.solve import plan_lock, solve_lock
from lading.lock.virtual_packages import targets_of
from lading.system import Progress, no_progress

Solved = tuple[PlatformOutcome, ...]


def solve_group(
    name: str,
    members: Sequence[tuple[LockRequest, LockInputs]],
    engine: Engine,
    progress: Progress = no_progress,
) -> tuple[Solved, ...]:
    """Solve the environments of the group `name`; each has the versions of all others.

    `progress` is called with the name of a platform and its steps.

    Raises:
        SolveError: They have no common solution.
        LadingError: As `solve_lock`.
    """
    requests = [request for request, _ in members]
    union = _union(name, requests)
    try:
        together = solve_lock(
            plan_lock(union, _inputs(union, [inputs for _, inputs in members])), engine, progress
        )
    except SolveError as error:
        environments = ", ".join(request.name for request in requests)
        raise SolveError(
            f"the solve-group {name} ({environments}) has no solution: {error.message}",
            hint=error.hint,
            details=error.details,
        ) from error
    pins = {item.platform: item.lockfile.packages for item in together}
    solved = []
    for request, inputs in members:
        plan = _member_plan(request, inputs, pins)
        solved.append(solve_lock(plan, engine, progress))
        _refuse_difference(name, request.name, solved[-1], pins)
    return tuple(solved)


def _union(name: str, requests: Sequence[LockRequest]) -> LockRequest:
    """One request for everything; its platforms are those of all."""
    files = {item.path: item for request in requests for item in request.sources.files}
    paths = dict.fromkeys(path for request in requests for path in request.sources.paths)
    projects = dict.fromkeys(item for request in requests for item in request.sources.projects)
    platforms = dict.fromkeys(item for request in requests for item in request.platforms)
    return replace(
        requests[0],
        name=name,
        sources=replace(
            requests[0].sources,
            paths=tuple(paths),
            files=tuple(files.values()),
            projects=tuple(projects),
            # They have no versions to share.
            project_files=(),
        ),
        platforms=tuple(platforms),
        # They are compared when each member is solved.
        file_lists=None,
        update=frozenset().union(*(request.update for request in requests)),
    )


def _inputs(union: LockRequest, members: Sequence[LockInputs]) -> LockInputs:
    """What all ask for together, and what they had so far as its pins."""
    targets = targets_of(union.platforms, union.virtual_packages)
    requested = ask_conda_lock(union.sources, targets, union.channels, union.conda_lock)
    preferred = {platform: _pins(platform, members) for platform in union.platforms}
    return LockInputs(
        requested=requested, locks={}, preferred={} if union.update_all else preferred
    )


def _pins(platform: Platform, members: Sequence[LockInputs]) -> tuple[LockedPackage, ...]:
    """The packages that the members had on `platform`, the first of each name."""
    found: dict[tuple[Manager, str], LockedPackage] = {}
    for inputs in members:
        lock = inputs.locks.get(platform)
        for item in inputs.preferred.get(platform, lock.packages if lock else ()):
            found.setdefault(item.key, item)
    return tuple(found.values())


def _member_plan(
    request: LockRequest, inputs: LockInputs, pins: Mapping[Platform, tuple[LockedPackage, ...]]
) -> LockPlan:
    pinned = replace(request, update=frozenset(), update_all=False)
    plan = plan_lock(pinned, replace(inputs, preferred=pins))
    # What the user asked to move explains what moved.
    platforms = [
        replace(item, update=request.update, update_all=request.update_all)
        for item in plan.platforms
    ]
    return replace(plan, platforms=tuple(platforms))


def _refuse_difference(
    group: str, name: str, solved: Solved, pins: Mapping[Platform, tuple[LockedPackage, ...]]
) -> None:
    """Refuse a solution that left the common one."""
    for item in solved:
        common = {pin.key: pin.url for pin in pins[item.platform]}
        for package in item.lockfile.packages:
            if common.get(package.key) != package.url:
                raise SolveError(
                    f"{name} cannot have the versions of the solve-group {group} on"
                    f" {item.platform}: {package.name} would be {package.version}",
                    hint="give these environments the same channels and virtual packages",
                )
