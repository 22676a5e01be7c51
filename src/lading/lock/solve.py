"""Locking: from sources to lockfiles, all platforms at once.

    inputs  = read_lock_inputs(request)      sources and old lockfiles, from disk
    plan    = plan_lock(request, inputs)     what each platform is to be solved with; pure
    solved  = solve_lock(plan, engine, ...)  the new lockfiles, in memory; network
    outcome = apply_lock(solved)             written, and what changed; or describe_lock(solved)

Nothing is written before every platform is solved and every lockfile is read back by conda-lock.
The same inputs and the same state of the channels give the same bytes.
"""

import logging
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from lading.conda import Platform
from lading.engine import Engine, SolveRequest
from lading.errors import LadingError, LockError, SolveError, UsageError
from lading.lock.exchange import LockEntry, Operation, ValidationQuestion
from lading.lock.file_conflicts import ListFiles, refuse_file_conflicts
from lading.lock.model import Lockfile, Manager, lock_path, read_lockfile
from lading.lock.pip import PipRequest, solve_pip
from lading.lock.rendering import LockContent, conda_entries, lock_document, render_document
from lading.lock.request import (
    LockInputs,
    LockOutcome,
    LockPlan,
    LockRequest,
    PlatformOutcome,
    PlatformPlan,
    SolvedLock,
)
from lading.lock.sources import read_sources
from lading.lock.unsatisfiable import explained
from lading.system import Progress, no_progress, write_atomically

__all__ = [
    "LockInputs",
    "LockOutcome",
    "LockPlan",
    "LockRequest",
    "PlatformOutcome",
    "PlatformPlan",
    "SolvedLock",
    "apply_lock",
    "describe_lock",
    "plan_lock",
    "read_lock_inputs",
    "solve_lock",
]

_log = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")


def read_lock_inputs(request: LockRequest) -> LockInputs:
    """The sources and the lockfiles that there are.

    Raises:
        SpecError: A source is wrong.
        EngineFailedError: conda-lock failed.
    """
    locks: dict[Platform, Lockfile] = {}
    for platform in request.platforms:
        path = lock_path(request.directory, request.name, platform)
        if not path.is_file():
            continue
        try:
            locks[platform] = read_lockfile(path, platform)
        except LockError as error:
            # Half merged or written by hand: it is being made again, so nothing of it is kept.
            _log.warning("no pin is kept: %s", error)
    spec = read_sources(
        request.sources,
        {platform: request.virtual_packages_of(platform) for platform in request.platforms},
        request.channels,
        request.conda_lock,
    )
    return LockInputs(spec=spec, locks=locks)


def plan_lock(request: LockRequest, inputs: LockInputs) -> LockPlan:
    """How each platform is to be locked. Pure.

    Raises:
        UsageError: A package to be updated is locked for no platform.
    """
    locked = {item.name for lock in inputs.locks.values() for item in lock.packages}
    locked |= {item.name for pins in inputs.preferred.values() for item in pins}
    unknown = sorted(request.update - locked)
    if unknown:
        raise UsageError(
            f"cannot update {unknown[0]}: it is not locked",
            hint="name a locked package, or use --update-all",
        )
    return LockPlan(
        request=request,
        spec=inputs.spec,
        platforms=tuple(
            _plan_platform(request, inputs, platform) for platform in request.platforms
        ),
    )


def _plan_platform(request: LockRequest, inputs: LockInputs, platform: Platform) -> PlatformPlan:
    before = inputs.locks.get(platform)
    pins = () if before is None or request.update_all else before.packages
    pins = inputs.preferred.get(platform, pins)
    kept = [item for item in pins if item.name not in request.update]
    return PlatformPlan(
        path=lock_path(request.directory, request.name, platform),
        before=before,
        update=request.update,
        update_all=request.update_all,
        spec=inputs.spec.platforms[platform],
        solve=SolveRequest(
            platform=platform,
            specs=inputs.spec.platforms[platform].specs,
            channels=inputs.spec.channels,
            virtual_packages=request.virtual_packages_of(platform),
            mirrors=request.mirrors,
            locked=tuple(item.to_record() for item in kept if item.manager is Manager.CONDA),
            strict_priority=request.strict_priority,
            timeout=request.timeout,
            exclude_newer=request.exclude_newer,
        ),
        pip_pins=tuple(
            LockEntry(
                name=item.name,
                version=item.version,
                manager=item.manager.value,
                url=item.url,
                sha256=item.sha256.hex,
                dependencies=dict(item.dependencies),
            )
            for item in kept
            if item.manager is Manager.PIP
        ),
    )


def solve_lock(
    plan: LockPlan,
    engine: Engine,
    progress: Progress = no_progress,
    list_files: ListFiles | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[SolvedLock, ...]:
    """The new lockfiles, in the order of the plan; nothing is written.

    Args:
        plan: What to solve.
        engine: Solves the conda part.
        progress: Told, under the name of each platform, of its steps.
        list_files: Knows the files of archives; None: only names are compared.
        clock: Seconds from any moment.

    Raises:
        SolveError: A platform has no solution; the message names it.
        FetchError: A channel or the package index could not be read.
        SpecError: A source is wrong, a package is asked for twice, by conda and by pip, or a pip
            package overwrites a file of a conda package.
        LockError: A record cannot be locked.
        EngineError: The engine failed.
    """

    def solve(item: PlatformPlan) -> SolvedLock:
        started, platform = clock(), item.solve.platform.value
        steps = 3 if item.spec.pip else 1
        progress(platform, 0, steps)
        entries = _solve_conda(item, engine)
        if item.spec.pip:
            progress(platform, 1, steps)
            entries = _solve_pip(plan, item, entries)
            progress(platform, 2, steps)
        solved = _solved(plan, item, entries)
        if list_files is not None:
            unchecked = refuse_file_conflicts(solved.lockfile, plan.request.sources, list_files)
            solved = replace(solved, unchecked=unchecked)
        progress(platform, steps, steps)
        seconds = clock() - started
        _log.info("%s: solved in %.1f s", platform, seconds)
        return replace(solved, seconds=seconds)

    solved = _all_at_once(solve, plan.platforms, lambda item: item.solve.platform)
    question = ValidationQuestion(
        documents={item.plan.solve.platform.value: item.document for item in solved}
    )
    plan.request.conda_lock.ask(Operation.VALIDATE, question, ValidationQuestion)
    return solved


def apply_lock(solved: Sequence[SolvedLock]) -> LockOutcome:
    """Write the new lockfiles; one whose bytes are there already is not touched.

    Raises:
        LockError: A directory or file cannot be written.
    """
    outcome = describe_lock(solved)
    for item, described in zip(solved, outcome.platforms, strict=True):
        if described.written:
            _write(described.path, item.data)
    return replace(outcome, is_dry=False)


def describe_lock(solved: Sequence[SolvedLock]) -> LockOutcome:
    """What `apply_lock` would do; nothing is written."""
    return LockOutcome(
        platforms=tuple(
            PlatformOutcome(
                platform=item.plan.solve.platform,
                path=item.plan.path,
                lockfile=item.lockfile,
                diff=item.diff,
                written=not item.plan.path.is_file() or item.plan.path.read_bytes() != item.data,
                reasons=item.reasons,
                unchecked=item.unchecked,
                seconds=item.seconds,
            )
            for item in solved
        ),
        is_dry=True,
    )


def _solve_conda(item: PlatformPlan, engine: Engine) -> tuple[LockEntry, ...]:
    try:
        records = engine.solve(item.solve)
    except SolveError as error:
        raise explained(error, engine, item.solve) from error
    return conda_entries(records, item.spec.requested)


def _solve_pip(
    plan: LockPlan, item: PlatformPlan, conda: tuple[LockEntry, ...]
) -> tuple[LockEntry, ...]:
    request = plan.request
    pip = PipRequest(
        spec=plan.spec,
        platform=item.solve.platform,
        conda=conda,
        pins=item.pip_pins,
        update=request.update,
        index=request.pip_index,
        mirrors=request.mirrors,
        exclude_newer=request.exclude_newer,
        build_sdists=request.build_sdists,
    )
    return solve_pip(request.conda_lock, pip)


def _solved(plan: LockPlan, item: PlatformPlan, entries: tuple[LockEntry, ...]) -> SolvedLock:
    request = plan.request
    content = LockContent(
        name=request.name,
        platform=item.solve.platform,
        file_name=item.path.name,
        channels=plan.spec.channels,
        sources=tuple(
            Path(os.path.relpath(source, item.path.parent)).as_posix() for source in request.sources
        ),
        content_hash=item.spec.content_hash,
        entries=entries,
        virtual_packages=item.solve.virtual_packages,
        metadata={f"lading-variable-{name}": value for name, value in plan.spec.variables.items()},
    )
    document = lock_document(content)
    data = render_document(content, document)
    return SolvedLock(plan=item, data=data, lockfile=_read_back(item, data), document=document)


def _read_back(item: PlatformPlan, data: bytes) -> Lockfile:
    """What the new lockfile says, read as any other, before it takes the place of the old one."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / item.path.name
        path.write_bytes(data)
        return read_lockfile(path, item.solve.platform)


def _all_at_once(
    work: Callable[[Item], Result], items: Sequence[Item], name: Callable[[Item], str]
) -> tuple[Result, ...]:
    """The result of `work` on each of `items`, in their order.

    Raises:
        LadingError: That of the first item that failed, with what all others say in `details`.
    """
    failures: list[tuple[str, LadingError]] = []

    def attempt(item: Item) -> Result | None:
        try:
            return work(item)
        except LadingError as error:
            failures.append((name(item), error))
            return None

    with ThreadPoolExecutor(max_workers=max(1, len(items))) as pool:
        results = list(pool.map(attempt, items))
    if failures:
        order = [name(item) for item in items]
        failures.sort(key=lambda failure: order.index(failure[0]))
        raise _combined(failures) from failures[0][1]
    return tuple(result for result in results if result is not None)


def _combined(failures: Sequence[tuple[str, LadingError]]) -> LadingError:
    """One error for all platforms that failed, of the kind of the first."""
    first = failures[0][1]
    names = [name for name, _ in failures]
    details: tuple[str, ...] = first.details
    if any(str(error) != str(first) or error.details != details for _, error in failures):
        names = names[:1]
        details = tuple(
            line for name, error in failures for line in (f"{name}: {error}", *error.details)
        )
    return type(first)(
        f"{', '.join(names)}: {first.message}",
        hint=first.hint,
        details=details,
        expected=first.expected,
        actual=first.actual,
    )


def _write(path: Path, data: bytes) -> None:
    try:
        write_atomically(path, data, sync=True)
    except OSError as error:
        raise LockError(
            f"cannot write {path}: {error.strerror}", hint="make room, or correct its permissions"
        ) from error
