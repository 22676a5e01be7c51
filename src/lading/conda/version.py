"""Generations and version queries, compared without any engine. Pure.

A query is in the one spelling of `lading.conda.match_spec`: `|` of `,` of terms, each term `*`,
`1.2.*`, `!=1.2.*` or one of `== != >= <= > < ~=` before a version literal.

Source: CEP 33 (order of versions), CEP 29 (version queries), conda 24 `models/version.py`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest

__all__ = ["Version", "matches_version", "parse_version"]

Part = int | float | str
Segment = tuple[Part, ...]

_LITERAL = re.compile(r"[0-9a-z_.!+*-]+")
_PARTS = re.compile(r"[0-9]+|[*]+|[^0-9*]+")
_TERM = re.compile(r"(==|!=|>=|<=|~=|>|<|)(.*?)(\.?\*|)")
_REMEMBERED = 16_384


@dataclass(frozen=True, slots=True)
class Version:
    """A version literal, taken apart.

    Attributes:
        release: The epoch as a segment of its own, then the segments; each begins with a number.
        local: The segments after `+`, may be empty.
    """

    release: tuple[Segment, ...]
    local: tuple[Segment, ...] = ()

    def compare(self, other: "Version") -> int:
        """Less than, equal to or greater than 0, as this one is to `other`."""
        return _compare(self.release, other.release) or _compare(self.local, other.local)

    def starts_with(self, prefix: "Version") -> bool:
        """Whether this one is `prefix` or a version below it, as `1.2.*` means it."""
        if prefix.local:
            return _compare(self.release, prefix.release) == 0 and _starts(self.local, prefix.local)
        return _starts(self.release, prefix.release)


@lru_cache(_REMEMBERED)
def parse_version(text: str) -> Version:
    """The version written as `text`, in any case.

    Raises:
        ValueError: It is no version literal.
    """
    version = text.strip().lower()
    if not _LITERAL.fullmatch(version):
        raise ValueError(f"{text!r} is no version")
    if "-" in version and "_" not in version:
        version = version.replace("-", "_")
    epoch, separator, rest = version.rpartition("!")
    if separator and not epoch.isdigit():
        raise ValueError(f"{text!r} has no number before its `!`")
    release, _, local = rest.partition("+")
    if not release or "-" in release or rest.endswith("+") or "+" in local:
        raise ValueError(f"{text!r} is no version")
    # An underscore at the end belongs to the last segment: openssl's `1.1.1_` is before `1.1.1a`.
    trailing = "_" if release.endswith("_") else ""
    names = release.removesuffix("_").replace("_", ".").split(".")
    names[-1] += trailing
    try:
        return Version(
            ((int(epoch or "0"),), *map(_segment, names)),
            tuple(map(_segment, local.replace("_", ".").split("."))) if local else (),
        )
    except IndexError as error:
        raise ValueError(f"{text!r} has an empty part") from error


@lru_cache(_REMEMBERED)
def matches_version(query: str, version: str) -> bool:
    """Whether `version` is one of those that `query` means; an empty query means all.

    Raises:
        ValueError: Either is not understood.
    """
    if query in {"", "*"}:
        return True
    parsed = parse_version(version)
    return any(
        all(_matches_term(term.strip(), parsed) for term in alternative.split(","))
        for alternative in query.split("|")
    )


def _matches_term(term: str, version: Version) -> bool:
    match = _TERM.fullmatch(term)
    if match is None or not term:
        raise ValueError(f"{term!r} is no version query")
    operator, literal, star = match.groups()
    if not literal:
        return not operator or operator == "=="
    wanted = parse_version(literal)
    if star:
        return version.starts_with(wanted) is (operator != "!=")
    if operator == "~=":
        upper = Version(wanted.release[:-1])
        return version.compare(wanted) >= 0 and version.starts_with(upper)
    order = version.compare(wanted)
    return {
        "": order == 0,
        "==": order == 0,
        "!=": order != 0,
        ">=": order >= 0,
        "<=": order <= 0,
        ">": order > 0,
        "<": order < 0,
    }[operator]


def _segment(text: str) -> Segment:
    parts: list[Part] = []
    for part in _PARTS.findall(text):
        if part.isdigit():
            parts.append(int(part))
        elif part == "post":
            parts.append(float("inf"))
        else:
            # Upper case sorts before lower case: `dev` comes before `alpha`.
            parts.append("DEV" if part == "dev" else part)
    return tuple(parts) if text[0].isdigit() else (0, *parts)


def _compare(one: Sequence[Segment], other: Sequence[Segment]) -> int:
    for mine, theirs in zip_longest(one, other, fillvalue=()):
        for left, right in zip_longest(mine, theirs, fillvalue=0):
            if left == right:
                continue
            if isinstance(left, str):
                return -1 if not isinstance(right, str) or left < right else 1
            return 1 if isinstance(right, str) or left > right else -1
    return 0


def _starts(one: Sequence[Segment], prefix: Sequence[Segment]) -> bool:
    last = len(prefix) - 1
    if _compare(one[:last], prefix[:last]) != 0:
        return False
    mine, wanted = one[last] if len(one) > last else (), prefix[last]
    end = len(wanted) - 1
    if _compare((mine[:end],), (wanted[:end],)) != 0:
        return False
    found: Part = mine[end] if len(mine) > end else 0
    if isinstance(wanted[end], str):
        return isinstance(found, str) and found.startswith(str(wanted[end]))
    return found == wanted[end]
