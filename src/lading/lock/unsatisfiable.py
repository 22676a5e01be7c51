"""Explain why there is no solution, in terms of the specs that the user wrote.

An engine explains in terms of packages that nobody asked for. Here it is asked again with fewer and
fewer specs, until none can be left out: these requirements conflict. Then it is asked with higher
virtual packages: if that has a solution, the packages of it that require more than the lock targets
are the reason.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from lading.conda import (
    MatchSpecText,
    RepodataRecord,
    VirtualPackage,
    dependency_name,
    is_virtual,
)
from lading.engine import Engine, SolveRequest, admits
from lading.errors import LadingError, SolveError

BUDGET_SECONDS = 60.0
GENEROUS = {
    "__cuda": "99.0",
    "__glibc": "9.99",
    "__linux": "99.0",
    "__osx": "99.0",
    "__win": "99",
}
_FAMILIES = {"__glibc": "linux", "__linux": "linux", "__osx": "osx", "__win": "win"}

_log = logging.getLogger(__name__)


def explained(
    error: SolveError,
    engine: Engine,
    request: SolveRequest,
    clock: Callable[[], float] = time.monotonic,
) -> SolveError:
    """The error that explains `error`, which `engine` raised for `request`."""
    search = _Search(engine, replace(request, locked=()), clock() + BUDGET_SECONDS, clock)
    conflict = search.reduce(tuple(sorted(request.specs)))
    if not conflict:
        return error
    lines = [
        f"{conflict[0]} cannot be installed"
        if len(conflict) == 1
        else f"these requirements conflict: {'; '.join(conflict)}"
    ]
    required = search.required_virtual_packages(conflict)
    lines += required
    details = search.last_words or error.details
    if required:
        message = required[0]
        hint = "set it under `virtual-packages` if the machines have it, or relax the spec"
    else:
        message, hint = lines[0], f"relax {' or '.join(conflict[:3])}"
        lines = lines[1:]
    return SolveError(message, hint=hint, details=(*lines, *details))


class _Search:
    """Asks an engine again and again, up to a point in time."""

    def __init__(
        self, engine: Engine, request: SolveRequest, deadline: float, clock: Callable[[], float]
    ) -> None:
        self.last_words: tuple[str, ...] = ()
        self._engine = engine
        self._request = request
        self._deadline = deadline
        self._clock = clock

    def reduce(self, specs: tuple[MatchSpecText, ...]) -> tuple[MatchSpecText, ...]:
        """A smallest part of `specs` without solution; empty where they have one.

        When time is up it is only a smaller part. Source: Junker, QuickXplain (AAAI 2004).
        """
        if self._is_solvable(specs):
            return ()
        conflict = self._quick_xplain((), False, specs)  # noqa: FBT003  # as in the paper
        self._is_solvable(conflict)
        return tuple(sorted(conflict))

    def _quick_xplain(
        self,
        background: tuple[MatchSpecText, ...],
        changed: bool,  # noqa: FBT001  # as in the paper
        specs: tuple[MatchSpecText, ...],
    ) -> tuple[MatchSpecText, ...]:
        if changed and not self._is_solvable(background):
            return ()
        if len(specs) <= 1:
            return specs
        middle = len(specs) // 2
        left, right = specs[:middle], specs[middle:]
        second = self._quick_xplain((*background, *left), True, right)  # noqa: FBT003
        first = self._quick_xplain((*background, *second), bool(second), left)
        return (*first, *second)

    def required_virtual_packages(self, specs: Sequence[MatchSpecText]) -> list[str]:
        """What the packages of a solution require of a machine beyond what the lock targets."""
        request = replace(
            self._request, specs=tuple(specs), virtual_packages=_generous(self._request)
        )
        try:
            records = self._engine.solve(request)
        except LadingError:
            return []
        targeted = {item.name: item.version for item in self._request.virtual_packages}
        found = {line: None for record in records for line in _unmet(record, targeted)}
        return list(found)

    def _is_solvable(self, specs: tuple[MatchSpecText, ...]) -> bool:
        if self._clock() > self._deadline:
            # Taken for solvable, a part that was not asked about is kept: too many, never too few.
            return True
        try:
            self._engine.solve(replace(self._request, specs=specs))
        except SolveError as error:
            self.last_words = error.details
            return False
        return True


def _generous(request: SolveRequest) -> tuple[VirtualPackage, ...]:
    """The virtual packages of `request`, with the highest versions of all that fit its platform."""
    result = {item.name: item for item in request.virtual_packages}
    for name, version in GENEROUS.items():
        family = _FAMILIES.get(name)
        if family is None or request.platform.value.startswith(family):
            result[name] = VirtualPackage(name, version)
    return tuple(sorted(result.values()))


def _unmet(record: RepodataRecord, targeted: Mapping[str, str]) -> Iterator[str]:
    for text in record.depends:
        name = dependency_name(text)
        query = text.strip()[len(name) :].strip().split(" ")[0]
        if not is_virtual(name) or (name in targeted and admits(query, targeted[name])):
            continue
        known = targeted.get(name, f"no {name}")
        yield f"{record.name} {record.version} requires {text}; the lock targets {known}"
