"""Generations are compared, and version queries read, as py-rattler does it."""

import json
import random
from itertools import pairwise
from pathlib import Path

import pytest
import rattler
from hypothesis import given, strategies as st
from rattler.package import BuildString

from lading.conda.match_spec import parse_matchspec
from lading.conda.version import matches_version, parse_version
from lading.errors import SpecError
from simulators.corpus import corpus_channel, corpus_is_missing

_SIGNS = [">=", "<=", ">", "<", "==", "!=", "", "~="]
_literals = st.from_regex(
    r"([1-9]!)?[0-9]{1,3}([._][0-9]{1,3}){0,3}(\.?(a|b|rc|post|dev|alpha)[0-9]{0,2})?(\+[0-9a-z]{1,4})?",
    fullmatch=True,
)


def _order(one: str, other: str) -> int:
    left, right = rattler.Version(one), rattler.Version(other)
    return (left > right) - (left < right)


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


def _rattler_matches(query: str, version: str) -> bool:
    record = rattler.PackageRecord("x", version, BuildString("0"), 0, "noarch")
    return rattler.MatchSpec(f"x {query}", strict=True).matches(record)


@given(_literals, _literals)
def test_order(one: str, other: str) -> None:
    """CEP 33: any two versions have the order that rattler gives them, both ways round."""
    assert _sign(parse_version(one).compare(parse_version(other))) == _order(one, other)
    assert _sign(parse_version(other).compare(parse_version(one))) == _order(other, one)


@given(st.sampled_from(_SIGNS), _literals, st.sampled_from(["", ".*"]), _literals)
def test_terms(sign: str, literal: str, star: str, version: str) -> None:
    """CEP 29: a term admits the versions that rattler admits."""
    try:
        query = parse_matchspec(f"x {sign}{literal}{star}").version
    except SpecError:
        return
    if query.startswith("~=") and "." not in literal:
        return
    assert matches_version(query, version) == _rattler_matches(query, version)


@given(st.text(max_size=20))
def test_any_text(text: str) -> None:
    """No text does anything but being a version or being refused."""
    try:
        parsed = parse_version(text)
    except ValueError:
        return
    assert parsed.compare(parsed) == 0


@pytest.mark.skipif(corpus_is_missing(), reason="the conda-forge corpus is not there")
def test_conda_forge(tmp_path: Path) -> None:
    """Every version of conda-forge against the dependencies that name its package."""
    channel = corpus_channel(tmp_path, ("linux-64", "noarch"))
    versions: dict[str, set[str]] = {}
    queries: dict[str, set[str]] = {}
    for path in channel.glob("*/repodata.json"):
        document = json.loads(path.read_bytes())
        for record in (*document["packages"].values(), *document["packages.conda"].values()):
            versions.setdefault(record["name"], set()).add(record["version"])
            for text in (*(record.get("depends") or ()), *(record.get("constrains") or ())):
                spec = parse_matchspec(text)
                queries.setdefault(spec.name, set()).add(spec.version)
    pairs = sorted(
        (query, version)
        for name, asked in queries.items()
        for query in asked
        if query
        for version in versions.get(name, ())
    )
    assert len(pairs) > 10_000
    for query, version in random.Random(1).sample(pairs, 20_000):  # no secret
        assert matches_version(query, version) == _rattler_matches(query, version), (query, version)
    for found in versions.values():
        ordered = sorted(found)
        for one, other in pairwise(ordered):
            assert _sign(parse_version(one).compare(parse_version(other))) == _order(one, other)
