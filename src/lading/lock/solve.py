"""Locking: from sources to lockfiles, all platforms at once.

    inputs  = read_lock_inputs(request)      what is asked for, and old lockfiles, from disk
    plan    = plan_lock(request, inputs)     what each platform is to be solved with; pure
    solved  = solve_lock(plan, engine, ...)  the new lockfiles, in memory; network
    outcome = apply_lock(solved)             written, and what changed

Nothing is written before every platform is solved, and every lockfile passed the checks of reading.
The same inputs and the same state of the channels give the same bytes.
"""

import logging
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from packaging.utils import NormalizedName

from lading.conda import Platform, RepodataRecord
from lading.engine import Engine, SolveRequest
from lading.errors import LockError, SolveError, UsageError, raised_as
from lading.lock.file_conflicts import refuse_file_conflicts
from lading.lock.missing import refuse_missing
from lading.lock.model import (
    CATEGORY_KEY,
    ENVIRONMENT_KEY,
    SPECS_KEY,
    VARIABLE_KEY,
    VIRTUAL_PACKAGES_KEY,
    LockedPackage,
    Lockfile,
    Manager,
    lock_path,
)
from lading.lock.on_platforms import on_every_platform
from lading.lock.own_wheels import find_own_wheels
from lading.lock.pip import solve_pip
from lading.lock.project_files import lock_files
from lading.lock.reading import lockfile_of, read_lockfile
from lading.lock.rendering import document_of, dump_lockfile, locked_packages
from lading.lock.request import (
    LockInputs,
    LockOutcome,
    LockPlan,
    LockRequest,
    PlatformOutcome,
    PlatformPlan,
)
from lading.lock.requested import ask_conda_lock
from lading.lock.revisions import locked_platforms
from lading.lock.side_list import Built, ProjectFiles, side_list_of
from lading.lock.unsatisfiable import explained
from lading.lock.virtual_packages import targeted_virtual_packages, targets_of
from lading.system import Progress, no_progress, write_atomically

_log = logging.getLogger(__name__)


def read_lock_inputs(request: LockRequest) -> LockInputs:
    """Ask conda-lock what the sources ask for; read the lockfiles there are.

    Raises:
        SpecError: A source is wrong.
        LockError: A lockfile is there and may not be read.
        EngineFailedError: conda-lock failed.
    """
    locks: dict[Platform, Lockfile] = {}
    for platform in locked_platforms(request.directory, request.name):
        if platform not in request.platforms:
            continue
        try:
            path = lock_path(request.directory, request.name, platform)
            locks[platform] = read_lockfile(path, platform)
        except LockError as error:
            if isinstance(error.__cause__, OSError):
                # What it pins is not known, so it is not written again.
                raise
            # Half merged or written by hand: it is made again, so nothing of it is kept.
            _log.warning("no pin is kept: %s", error)
    targets = targets_of(request.platforms, request.virtual_packages)
    requested = ask_conda_lock(request.sources, targets, request.channels, request.conda_lock)
    return LockInputs(requested=requested, locks=locks)


def plan_lock(request: LockRequest, inputs: LockInputs) -> LockPlan:
    """How to lock each platform. Pure.

    Raises:
        UsageError: A package to be updated is locked for no platform.
    """
    locked = {item.name for lock in inputs.locks.values() for item in lock.packages}
    locked |= {item.name for pins in inputs.preferred.values() for item in pins}
    refuse_unlocked(request.update, locked)
    platforms = tuple(_plan_platform(request, inputs, name) for name in request.platforms)
    return LockPlan(request=request, platforms=platforms)


def refuse_unlocked(update: Collection[str], locked: Collection[str]) -> None:
    """Refuse to update what is not locked.

    Raises:
        UsageError: `update` names such a package.
    """
    for name in sorted(set(update) - set(locked)):
        raise UsageError(
            f"cannot update {name}: it is not locked",
            hint="name a locked package, or use --update-all",
        )


def _plan_platform(request: LockRequest, inputs: LockInputs, platform: Platform) -> PlatformPlan:
    before, requested = inputs.locks.get(platform), inputs.requested[platform]
    pins = () if before is None or request.update_all else before.packages
    pins = inputs.preferred.get(platform, pins)
    kept = [item for item in pins if item.name not in request.update]
    return PlatformPlan(
        path=lock_path(request.directory, request.name, platform),
        before=before,
        update=request.update,
        update_all=request.update_all,
        requested=requested,
        solve=SolveRequest(
            platform=platform,
            specs=tuple(spec.text for spec in requested.specs),
            channels=requested.channels,
            virtual_packages=targeted_virtual_packages(platform, request.virtual_packages),
            mirrors=request.mirrors,
            locked=tuple(item.to_record() for item in kept if item.manager is Manager.CONDA),
            strict_priority=request.strict_priority,
            timeout=request.timeout,
            exclude_newer=request.exclude_newer,
        ),
        pip_pins=tuple(item for item in kept if item.manager is Manager.PIP),
    )


def solve_lock(
    plan: LockPlan,
    engine: Engine,
    progress: Progress = no_progress,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[PlatformOutcome, ...]:
    """Solve all platforms at once; the new lockfiles are in the order of the plan, not written.

    `progress` is called with the name of a platform and its steps.

    Raises:
        SolveError: A platform has no solution; the message names it.
        FetchError: A channel or the package index could not be read.
        SpecError: A source is wrong, a package is asked for twice, by conda and by pip, or a pip
            package overwrites a file of a conda package.
        LockError: A record cannot be locked.
        EngineError: The engine failed.
    """

    def solve(item: PlatformPlan) -> PlatformOutcome:
        started, platform = clock(), item.solve.platform.value
        has_pip = item.requested.has_pip
        steps = 3 if has_pip else 1
        progress(platform, 0, steps)
        records = _solve_conda(plan.request, item, engine)
        packages = locked_packages(records, item.requested.categories)
        built: Mapping[NormalizedName, Built] = {}
        if has_pip:
            progress(platform, 1, steps)
            packages, built = solve_pip(plan.request, item, packages, own)
            progress(platform, 2, steps)
        solved = _solved(plan.request, item, packages, built, files)
        if item.solve.exclude_newer is not None:
            undated = sorted(record.name for record in records if not record.indexed_timestamp)
            solved = replace(solved, dated_by_builder=tuple(undated))
        lists = plan.request.file_lists
        if lists is not None:
            unchecked = refuse_file_conflicts(solved.lockfile, plan.request.sources, lists)
            solved = replace(solved, unchecked=unchecked)
        progress(platform, steps, steps)
        seconds = clock() - started
        _log.info("%s: solved in %.1f s", platform, seconds)
        return replace(solved, seconds=seconds)

    own = find_own_wheels(plan)
    request = plan.request
    files = lock_files(request.sources.project_files, request.project, request.own_tree)
    return on_every_platform(solve, plan.platforms)


def apply_lock(solved: Sequence[PlatformOutcome]) -> LockOutcome:
    """Write the new lockfiles, except those whose bytes are on disk already.

    Raises:
        LockError: A directory or file cannot be written.
    """
    for item in solved:
        if item.written:
            hint = "make room, or correct its permissions"
            with raised_as(LockError, f"cannot write {item.path}", hint):
                write_atomically(item.path, item.data, sync=True)
    return LockOutcome(platforms=tuple(solved))


def _solve_conda(
    request: LockRequest, item: PlatformPlan, engine: Engine
) -> tuple[RepodataRecord, ...]:
    try:
        return engine.solve(item.solve)
    except SolveError as error:
        refuse_missing(engine, item.solve, request.sources, request.directory)
        raise explained(error, engine, item.solve, request.name) from error


def _solved(
    request: LockRequest,
    item: PlatformPlan,
    packages: tuple[LockedPackage, ...],
    built: Mapping[NormalizedName, Built],
    files: Sequence[ProjectFiles],
) -> PlatformOutcome:
    platform, directory = item.solve.platform, item.path.parent
    variables = sorted(request.sources.variables.items())
    specs = "; ".join(item.requested.specs_with_fields)
    document = document_of(
        content_hash={platform.value: item.requested.content_hash},
        channels=item.requested.channels,
        sources=[
            Path(os.path.relpath(path, directory)).as_posix() for path in request.sources.paths
        ],
        custom={
            ENVIRONMENT_KEY: request.name,
            VIRTUAL_PACKAGES_KEY: " ".join(map(str, sorted(item.solve.virtual_packages))),
            **({SPECS_KEY: specs} if specs else {}),
            **{f"{VARIABLE_KEY}{name}": value for name, value in variables},
            **{
                f"{CATEGORY_KEY}{name}": " ".join(nodes)
                for name, nodes in item.requested.optional.items()
            },
            **side_list_of(built, files),
        },
        packages=[(package, platform) for package in packages],
    )
    data = dump_lockfile(document, request.name, platform)
    # Checked as any other before it takes the place of the old one.
    lockfile = lockfile_of(item.path, document, data)
    return PlatformOutcome(plan=item, data=data, lockfile=lockfile)
