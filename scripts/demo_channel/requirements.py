"""Requires-Dist to MatchSpec: PEP 440 in, CEP 29 out. Pure.

Names are normalised PyPI names, of packages and dependencies alike: the channel is closed, so there
is nothing to map to. Pre-releases need no care: none is in the channel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from demo_channel.failure import DemoChannelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from packaging.requirements import Requirement
    from packaging.specifiers import Specifier, SpecifierSet

_ORDER = ("===", "==", "~=", ">=", ">", "!=", "<=", "<")


def render_depends(
    name: str,
    requirements: Sequence[Requirement],
    catalogue: Mapping[str, Sequence[Requirement]],
    environment: Mapping[str, str],
) -> tuple[str, ...]:
    """The dependencies of one package: markers evaluated, extras replaced by what they stand for.

    Args:
        name: Normalised name of the package itself; a requirement on itself only adds extras.
        requirements: Its Requires-Dist.
        catalogue: Normalised name to Requires-Dist, of every package in the channel.
        environment: Marker variables of the target interpreter, without `extra`.

    Returns:
        MatchSpecs, sorted, each once.

    Raises:
        DemoChannelError: A requirement is a URL, or has an extra of a package that is not there.
    """
    specs: set[str] = set()
    seen: set[tuple[str, str]] = set()
    pending = [(requirement, "") for requirement in requirements]
    while pending:
        requirement, extra = pending.pop()
        if not _applies(requirement, environment, extra):
            continue
        wanted = canonicalize_name(requirement.name)
        if wanted != name:
            specs.add(render_match_spec(requirement))
        for other in requirement.extras - {e for n, e in seen if n == wanted}:
            if wanted not in catalogue:
                message = f"{name} needs {wanted}[{other}], which is not in the channel"
                raise DemoChannelError(
                    message,
                    hint=f"add {wanted} to wheels.toml",
                )
            seen.add((wanted, other))
            pending += [
                (extra_requirement, other)
                for extra_requirement in catalogue[wanted]
                if not _applies(extra_requirement, environment, "")
            ]
    return tuple(sorted(specs))


def render_match_spec(requirement: Requirement) -> str:
    """The MatchSpec of one requirement, without its extras and marker.

    Raises:
        DemoChannelError: The requirement is a URL.
    """
    if requirement.url:
        message = f"{requirement.name} is required from a URL"
        raise DemoChannelError(
            message,
            hint="a closed channel has no such package: remove its dependant from wheels.toml",
        )
    name = canonicalize_name(requirement.name)
    return f"{name} {render_version_spec(requirement.specifier)}".rstrip()


def render_version_spec(specifiers: SpecifierSet) -> str:
    """The version part of a MatchSpec; empty if any version will do.

    Clauses stand from lower to upper bound, then by text.
    """
    ordered = sorted(specifiers, key=lambda s: (_ORDER.index(s.operator), str(s)))
    return ",".join(clause for s in ordered for clause in convert_specifier(s))


def convert_specifier(specifier: Specifier) -> tuple[str, ...]:
    """The clauses that together mean the same as one PEP 440 clause, versions normalised.

    `~=` becomes a range: libsolv reads `==0.*`, half of its literal translation, as `==0`.

    Source: PEP 440, "Version specifiers"; CEP 29.
    """
    operator, text = specifier.operator, specifier.version
    if operator == "===":
        return (f"=={text}",)
    version, wildcard = Version(text.removesuffix(".*")), ".*" if text.endswith(".*") else ""
    match operator, wildcard:
        case "~=", _:
            *head, last = version.release[:-1]
            epoch = f"{version.epoch}!" if version.epoch else ""
            upper = ".".join(map(str, (*head, last + 1)))
            return f">={version}", f"<{epoch}{upper}"
        case "==", ".*":
            return (f"{version}.*",)
        case _:
            return (f"{operator}{version}{wildcard}",)


def _applies(requirement: Requirement, environment: Mapping[str, str], extra: str) -> bool:
    """Whether the marker holds for the target, with one extra (or none) asked for."""
    marker = requirement.marker
    return marker is None or marker.evaluate({**environment, "extra": extra})
