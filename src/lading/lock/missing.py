"""Say which requested packages the channels do not have, and what they have instead.

A solver says only that nothing matches. Why, and what to write, depends on what the channels offer:
another spelling, another name than on PyPI, other versions, other platforms.
"""

import difflib
import os
import re
from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cmp_to_key
from pathlib import Path
from typing import NamedTuple

from packaging.utils import canonicalize_name

from lading.conda import MatchSpec, Platform, is_virtual, parse_matchspec
from lading.engine import (
    Engine,
    Offered,
    Offers,
    SolveRequest,
    compare_versions,
    counts_in,
    present_packages,
    satisfies,
)
from lading.errors import LadingError, SolveError
from lading.lock.requested import Sources, conda_names_of_pypi
from lading.system import without_credentials

SHOWN = 3
"""Names, versions or builds that are proposed."""

LIKENESS = 0.75
"""How like a name must be to be proposed, as `difflib` measures it: 1 is equal."""

_FAMILIES = ("linux", "osx", "win")


class Problem(NamedTuple):
    """Why a requested package cannot be had: one line without file or platform; and what to do."""

    message: str
    hint: str


def refuse_missing(
    engine: Engine, request: SolveRequest, sources: Sources, directory: Path
) -> None:
    """Refuse a request that names what no channel has; do nothing where each has it.

    Places in `sources` are told relative to `directory`.
    """
    present = present_packages((), request.virtual_packages)
    specs = [spec for text in request.specs if counts_in(spec := parse_matchspec(text), present)]
    asked = [spec for spec in specs if not is_virtual(spec.name)]
    try:
        problems = _problems(engine, request, asked)
    except LadingError:
        # A channel cannot be read this time; the solver's words remain.
        return
    lines = []
    for spec, problem in problems:
        place = sources.find_line(spec.name)
        where = f"{os.path.relpath(place[0], directory)}:{place[1]}: " if place else ""
        lines.append(where + problem.message)
    if lines:
        raise SolveError(lines[0], hint=problems[0][1].hint, details=tuple(lines[1:]))


def _problems(
    engine: Engine, request: SolveRequest, specs: Sequence[MatchSpec]
) -> Sequence[tuple[MatchSpec, Problem]]:
    names = sorted({spec.name for spec in specs})
    here = engine.look_up(request, names, [request.platform])
    known = {record.name for record in here.records}
    absent = [name for name in names if name not in known]
    others = [platform for platform in Platform if platform is not request.platform]
    elsewhere = engine.look_up(request, absent, others) if absent else here
    look = _Look(request=request, here=here, elsewhere=elsewhere)
    found = [(spec, look.problem(spec)) for spec in specs]
    return [(spec, problem) for spec, problem in found if problem is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What is offered for the platform of `request`, and (of what is absent there) elsewhere."""

    request: SolveRequest
    here: Offers
    elsewhere: Offers

    def problem(self, spec: MatchSpec) -> Problem | None:
        records = [item for item in self.here.records if item.name == spec.name]
        if records:
            return self._unmatched(spec, records)
        reasons: tuple[Callable[[MatchSpec], Problem | None], ...] = (
            self._platform_without_packages,
            self._on_other_platforms,
            self._other_separator,
            self._name_of_pypi,
        )
        for reason in reasons:
            found = reason(spec)
            if found is not None:
                return found
        near = difflib.get_close_matches(spec.name, sorted(self._names), SHOWN, LIKENESS)
        hint = "check its name, add the channel that has it, or ask for it below `pip:`"
        return Problem(
            f"no package is named {spec.name} in {self._channels}",
            f"did you mean {' or '.join(near)}?" if near else hint,
        )

    @property
    def _names(self) -> frozenset[str]:
        return frozenset().union(*self.here.names.values())

    @property
    def _channels(self) -> str:
        return ", ".join(map(without_credentials, self.request.channels))

    def _platform_without_packages(self, _spec: MatchSpec) -> Problem | None:
        if self.here.names.get(self.request.platform.value):
            return None
        offered = [name for name in Platform if self.elsewhere.names.get(name.value)]
        return Problem(
            f"{self._channels} has no packages for {self.request.platform}",
            f"it has them for {', '.join(offered)}; name these platforms, or another channel"
            if offered
            else "check the URL of the channel",
        )

    def _on_other_platforms(self, spec: MatchSpec) -> Problem | None:
        found = sorted({item.subdir for item in self.elsewhere.records if item.name == spec.name})
        if not found:
            return None
        families = {name for name in _FAMILIES for subdir in found if subdir.startswith(name)}
        return Problem(
            f"{spec.name} is offered only for {', '.join(found)}",
            f"write `- {spec.plain}  # [{min(families)}]`, and it is asked for only there"
            if len(families) == 1
            else "leave it out for this platform: write it into a source of its own",
        )

    def _other_separator(self, spec: MatchSpec) -> Problem | None:
        normal = canonicalize_name(spec.name)
        found = sorted(name for name in self._names if canonicalize_name(name) == normal)
        if not found:
            return None
        return Problem(
            f"{spec.name} is written {found[0]} in {self._channels}", f"write {found[0]}"
        )

    def _name_of_pypi(self, spec: MatchSpec) -> Problem | None:
        name = conda_names_of_pypi().get(canonicalize_name(spec.name), spec.name)
        if name not in self._names:
            return None
        return Problem(
            f"{spec.name} is a name of PyPI; in {self._channels} the package is {name}",
            f"write {name}, or put {spec.name} below `pip:`",
        )

    def _unmatched(self, spec: MatchSpec, records: Sequence[Offered]) -> Problem | None:
        """The problem of a package that exists, and not as it is asked for."""
        first = next(
            channel
            for channel in self.request.channels
            if any(item.channel == channel for item in records)
        )
        if self.request.strict_priority and not spec.channel:
            near = [item for item in records if item.channel == first]
        else:
            near = list(records)
        if any(_fits(spec, item) for item in near):
            return None
        later = sorted({item.channel for item in records if _fits(spec, item)})
        if later:
            return Problem(
                f"{spec.plain} is in {later[0]}; {first} comes first, and has others",
                f"write {later[0]}::{spec.plain}, or set channel-priority to disabled",
            )
        return _without_version(spec, near) or Problem(
            f"{spec.plain} is not offered with such a build; there are"
            f" {', '.join(_some_builds(spec, near)) or 'none'}",
            "take one of them, or another version",
        )


def _fits(spec: MatchSpec, item: Offered) -> bool:
    return satisfies(spec, item.version, item.build, item.channel)


def _without_version(spec: MatchSpec, records: Sequence[Offered]) -> Problem | None:
    """The problem of a version that was never published, None where it was."""
    bare = MatchSpec(name=spec.name, version=spec.version)
    if any(_fits(bare, item) for item in records):
        return None
    versions = sorted({item.version for item in records}, key=cmp_to_key(compare_versions))
    nearest = list(_nearest(spec.version, versions))
    return Problem(
        f"{bare.text} was never published in {records[0].channel}; it has {', '.join(nearest)}",
        f"ask for one of them, such as {spec.name} {nearest[0]}",
    )


def _nearest(query: str, versions: Sequence[str]) -> Iterator[str]:
    """Those of `versions`, which are sorted, that lie next to the first version in `query`."""
    literal = re.search(r"[0-9][^,|]*", query)
    wanted = literal[0].rstrip("*").rstrip(".") if literal else versions[-1]
    place = bisect(versions, 0, key=lambda version: compare_versions(version, wanted))
    around = versions[max(0, place - SHOWN + 1) : place + 1] or versions[-SHOWN:]
    yield from reversed(around)


def _some_builds(spec: MatchSpec, records: Sequence[Offered]) -> list[str]:
    bare = MatchSpec(name=spec.name, version=spec.version)
    return sorted({item.build for item in records if _fits(bare, item)})[:SHOWN]
