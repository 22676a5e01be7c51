"""Properties of the one spelling of MatchSpecs."""

import json
from pathlib import Path

import pytest
import rattler
from hypothesis import given, strategies as st

from lading.conda.match_spec import parse_matchspec
from lading.errors import SpecError
from simulators.corpus import corpus_channel, corpus_is_missing

_literals = st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,3}((a|rc|post)[0-9])?", fullmatch=True)
_terms = st.one_of(
    _literals,
    st.builds("{}{}".format, st.sampled_from([">=", "<=", ">", "<", "==", "!=", "="]), _literals),
    st.builds("{}.*".format, _literals),
    st.builds("~={}.1".format, st.integers(0, 99)),
)
_queries = st.lists(
    st.lists(_terms, min_size=1, max_size=3).map(",".join), min_size=1, max_size=3
).map("|".join)
_names = st.from_regex(r"[a-z][a-z0-9]{0,8}([-_.][a-z0-9]{1,8})?", fullmatch=True)
_conditions = st.recursive(
    st.builds("{}{}".format, _names, _terms.filter(lambda term: term[0] in "<>=!~")),
    lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner),
    max_leaves=4,
)
_fields = st.one_of(
    st.just(""),
    st.builds("[extras=[{}]]".format, _names),
    st.builds("[flags=[cuda,{}:*]]".format, st.sampled_from(["blas", "mpi"])),
    st.builds('[build_number="{}{}"]'.format, st.sampled_from(["", ">=", "!="]), st.integers(0, 9)),
    st.builds('[when="{}"]'.format, _conditions),
)
_builds = st.sampled_from(["", " *", " py312*", " h1a2b3c_0", " *_cpython"])


@given(_names, _queries, _builds, _fields)
def test_idempotent_and_understood(name: str, query: str, build: str, fields: str) -> None:
    """The one spelling of a query is its own one spelling, and rattler reads it, strictly too."""
    spelled = parse_matchspec(f"{name} {query}{build}{fields}").text
    assert spelled == parse_matchspec(spelled).text
    assert str(rattler.MatchSpec(spelled, strict=True)) == str(rattler.MatchSpec(spelled))


@given(st.text(max_size=40))
def test_any_text_is_understood_or_refused(text: str) -> None:
    """No text does anything but being normalised to what rattler reads, or being refused."""
    try:
        spelled = parse_matchspec(text).text
    except SpecError:
        return
    assert spelled == parse_matchspec(spelled).text
    rattler.MatchSpec(spelled, strict=True)


@pytest.mark.skipif(corpus_is_missing(), reason="the conda-forge corpus is not there")
def test_every_dependency_of_conda_forge(tmp_path: Path) -> None:
    """Each of conda-forge's own dependencies has one spelling, and rattler reads both alike."""
    channel = corpus_channel(tmp_path, ("linux-64", "osx-arm64", "noarch"))
    texts: set[str] = set()
    for path in channel.glob("*/repodata.json"):
        document = json.loads(path.read_bytes())
        for record in (*document["packages"].values(), *document["packages.conda"].values()):
            texts.update(record.get("depends") or ())
            texts.update(record.get("constrains") or ())
    assert len(texts) > 10_000
    for text in texts:
        read = str(rattler.MatchSpec(text))
        spelled = parse_matchspec(text).text
        assert read.removesuffix(" *") == str(rattler.MatchSpec(spelled, strict=True))
