"""Versions, version queries and MatchSpecs against packages, as py-rattler reads them.

py-rattler is loaded when the first version is compared: it takes 0.1 s.

Source: CEP 33 (order of versions), CEP 29 (MatchSpec).
"""

import fnmatch
from functools import lru_cache
from typing import TYPE_CHECKING

from lading.conda import MatchSpec, canonical_channel, parse_matchspec
from lading.errors import SpecError

if TYPE_CHECKING:
    from rattler import Version

_REMEMBERED = 16_384


@lru_cache(_REMEMBERED)
def parse_version(text: str) -> "Version":
    """The version written as `text`.

    Raises:
        ValueError: It is not a version literal.
    """
    import rattler  # noqa: PLC0415  # slow to load
    from rattler.exceptions import InvalidVersionError  # noqa: PLC0415

    try:
        return rattler.Version(text)
    except InvalidVersionError as error:
        raise ValueError(str(error)) from error


def compare_versions(one: str, other: str) -> int:
    """Less than, equal to or greater than 0, as the version `one` is to `other`.

    Raises:
        ValueError: Either is not a version literal.
    """
    left, right = parse_version(one), parse_version(other)
    return (left > right) - (left < right)


def is_newer(one: str, other: str) -> bool:
    """Whether the version `one` is higher than `other`; a channel may call anything a version."""
    try:
        return compare_versions(one, other) > 0
    except ValueError:
        return False


def version_query(text: str) -> str:
    """The version query of a dependency; empty where it is not understood: the solver read it."""
    try:
        return parse_matchspec(text).version
    except SpecError:
        return ""


def satisfies(spec: MatchSpec, version: str, build: str, channel: str) -> bool:
    """Whether a package of the name of `spec` with these properties is one that it asks for.

    `channel` is the canonical URL of its channel.
    """
    return (
        admits(spec.version, version)
        and (not spec.build or fnmatch.fnmatchcase(build, spec.build))
        and (not spec.channel or canonical_channel(spec.channel) == channel)
    )


@lru_cache(_REMEMBERED)
def admits(query: str, version: str) -> bool:
    """Whether `query`, a version query however a channel writes it, admits `version`.

    A query that is not understood admits everything: the channel wrote it, and the solver read it.
    """
    if not query:
        return True
    import rattler  # noqa: PLC0415  # slow to load
    from rattler.exceptions import InvalidVersionSpecError  # noqa: PLC0415

    try:
        spec = parse_matchspec(f"x {query}").version
        return not spec or rattler.VersionSpec(spec).matches(parse_version(version))
    except (InvalidVersionSpecError, SpecError, ValueError):
        return True
