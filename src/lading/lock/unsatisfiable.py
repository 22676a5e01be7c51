"""Explain why there is no solution, in terms of the specs that the user wrote.

An engine explains in terms of packages that nobody asked for. Here it is asked again with fewer and
fewer specs, until none can be left out: these requirements conflict. Then it is asked with higher
virtual packages: if that has a solution, the packages of it that require more than the lock targets
are the reason.
"""

import json
import logging
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from lading.conda import (
    MatchSpecText,
    Platform,
    RepodataRecord,
    VirtualPackage,
    dependency_name,
    is_virtual,
)
from lading.engine import Engine, SolveRequest, admits, compare_versions, version_query
from lading.errors import LadingError, SolveError

BUDGET_SECONDS = 60.0
GENEROUS = {
    "__cuda": "99.0",
    "__cuda_arch": "99.0",
    # conda-forge's packages exclude 3.
    "__glibc": "2.99",
    "__linux": "99.0",
    "__osx": "99.0",
    "__win": "99",
}
LEAST = {"__cuda": "12.0"}
"""Version to propose where any will do."""

_ARCH = "__cuda_arch"
_CUDA = ("__cuda", _ARCH)
_FAMILIES = {"__glibc": "linux", "__linux": "linux", "__osx": "osx", "__win": "win"}

_log = logging.getLogger(__name__)


def explained(
    error: SolveError,
    engine: Engine,
    request: SolveRequest,
    environment: str,
    clock: Callable[[], float] = time.monotonic,
) -> SolveError:
    """The error that explains `error`, which `engine` raised for `request`.

    `environment` is its name, for the lines to write into the configuration.
    """
    search = _Search(engine, replace(request, locked=()), clock() + BUDGET_SECONDS, clock)
    conflict = search.reduce(tuple(sorted(request.specs)))
    if not conflict:
        return error
    lines = [
        f"{conflict[0]} cannot be installed"
        if len(conflict) == 1
        else f"these requirements conflict: {'; '.join(conflict)}"
    ]
    unmet = search.required_virtual_packages(conflict)
    required = list(dict.fromkeys(item.text for item in unmet))
    lines += required
    details = search.last_words or error.details
    if required:
        message = required[0]
        hint = "if the machines have it, write the lines above into lading.toml; or relax the spec"
        details = (*details, *_settings(environment, request.platform, unmet))
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

    def required_virtual_packages(self, specs: Sequence[MatchSpecText]) -> "list[_Unmet]":
        """What the packages of a solution require of a machine beyond what the lock targets."""
        targeted = {item.name: item.version for item in self._request.virtual_packages}
        # One at a time first: where more is there, newer packages may ask for more than is needed.
        for names in (*((name,) for name in GENEROUS), _CUDA, GENEROUS, GENEROUS.keys() - {_ARCH}):
            virtual = _generous(self._request, names)
            if virtual == self._request.virtual_packages or self._clock() > self._deadline:
                continue
            request = replace(self._request, specs=tuple(specs), virtual_packages=virtual)
            try:
                records = self._engine.solve(request)
            except LadingError as error:
                # Not every engine can be told of all of them.
                _log.debug("no solution with other %s: %s", " ".join(names), error)
                continue
            return [item for record in records for item in _unmet(record, targeted)]
        return []

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unmet:
    """A virtual package that a package requires and the lock does not target."""

    name: str
    query: str
    text: str


def _generous(request: SolveRequest, names: Collection[str]) -> tuple[VirtualPackage, ...]:
    """The virtual packages of `request`, with the highest versions of those of `names` that fit."""
    result = {item.name: item for item in request.virtual_packages}
    for name in names:
        family = _FAMILIES.get(name)
        if family is None or request.platform.value.startswith(family):
            result[name] = VirtualPackage(name, GENEROUS[name])
    if _ARCH in result and "__cuda" not in result:
        # CEP 46: there is none without the other.
        del result[_ARCH]
    return tuple(sorted(result.values()))


def _unmet(record: RepodataRecord, targeted: Mapping[str, str]) -> Iterator[_Unmet]:
    for text in record.depends:
        name = dependency_name(text)
        if not is_virtual(name):
            continue
        query = version_query(text)
        if name in targeted and admits(query, targeted[name]):
            continue
        known = targeted.get(name, f"no {name}")
        yield _Unmet(
            name=name,
            query=query,
            text=f"{record.name} {record.version} requires {text}; the lock targets {known}",
        )


def _settings(environment: str, platform: Platform, unmet: Sequence[_Unmet]) -> tuple[str, ...]:
    """The lines for lading.toml that target what is unmet, in the least version that will do."""
    versions: dict[str, str] = {}
    for item in unmet:
        literal = re.search(r"[0-9][0-9.]*[0-9]|[0-9]", item.query)
        version = literal[0] if literal else LEAST.get(item.name, "0")
        known = versions.get(item.name)
        if known is None or compare_versions(version, known) > 0:
            versions[item.name] = version
    if _ARCH in versions:
        # CEP 46: there is none without the other.
        versions.setdefault("__cuda", LEAST["__cuda"])
    plain = re.fullmatch(r"[A-Za-z0-9_-]+", environment)
    key = environment if plain else json.dumps(environment, ensure_ascii=False)
    table = f"[environments.{key}.virtual-packages.{platform}]"
    pairs = (f'{name.removeprefix("__")} = "{text}"' for name, text in sorted(versions.items()))
    return ("lading.toml:", f"  {table}", *(f"  {pair}" for pair in pairs))
