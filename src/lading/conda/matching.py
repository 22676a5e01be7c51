"""Whether a package is one that a MatchSpec asks for, decided without any engine. Pure.

Source: CEP 29 (MatchSpec).
"""

import fnmatch
from functools import lru_cache

from lading.conda.channels import canonical_channel
from lading.conda.match_spec import MatchSpec, parse_matchspec
from lading.conda.version import matches_version
from lading.errors import SpecError

__all__ = ["admits", "satisfies"]


def satisfies(spec: MatchSpec, version: str, build: str, channel: str) -> bool:
    """Whether a package of the name of `spec` with these properties is one that it asks for.

    Args:
        spec: In the one spelling.
        version: Version literal of the package.
        build: Its build string.
        channel: Canonical URL of its channel.
    """
    return (
        admits(spec.version, version)
        and (not spec.build or fnmatch.fnmatchcase(build, spec.build))
        and (not spec.channel or canonical_channel(spec.channel) == channel)
    )


def admits(query: str, version: str) -> bool:
    """Whether `query`, a version query however a channel writes it, admits `version`.

    A query that is not understood admits everything: the channel wrote it, and the solver read it.
    """
    try:
        return matches_version(_normalised(query), version)
    except ValueError:
        return True


@lru_cache(16_384)
def _normalised(query: str) -> str:
    if not query:
        return ""
    try:
        return parse_matchspec(f"x {query}").version
    except SpecError as error:
        raise ValueError(str(error)) from error
