"""Versions and MatchSpecs mean what conda means by them, over what conda-forge really writes.

rattler compares for lading; conda's own code, which conda-lock brings along, is the other opinion.
"""

import functools
import importlib
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from lading.engine.matching import admits, compare_versions
from simulators.corpus import corpus_channel, corpus_is_missing

MOST = 6
"""Versions of a package that each query is compared on."""

needs_corpus = pytest.mark.skipif(corpus_is_missing(), reason="the conda-forge corpus is not there")

# The example that conda documents its order with; CEP 33 describes the same order.
ORDERED = (
    ("0.4", "0.4.1.rc", "0.4.1", "0.5a1", "0.5b3", "0.5C1", "0.5", "0.9.6", "0.960923", "1.0"),
    ("1.0", "1.1dev1", "1.1_", "1.1a1", "1.1.0dev1", "1.1.a1", "1.1.0rc1", "1.1.0", "1.1.0post1"),
    ("1.1.0post1", "1.1post1", "1996.07.12", "1!0.4.1", "1!3.1.1.6", "2!0.4.1"),
)


def records(channel: Path) -> Iterator[dict[str, object]]:
    """Every record of the corpus for linux-64, noarch ones included."""
    for path in channel.glob("*/repodata.json"):
        document = json.loads(path.read_bytes())
        yield from (*document["packages"].values(), *document["packages.conda"].values())


@pytest.mark.parametrize("versions", ORDERED)
def test_order_of_the_standard(versions: tuple[str, ...]) -> None:
    """Conda's own example stands in its order."""
    key = functools.cmp_to_key(compare_versions)
    assert list(versions) == sorted(sorted(versions), key=key)


@pytest.mark.parametrize(
    ("one", "other", "order"),
    [
        ("1.1", "1.1.0.0", 0),
        ("1.1.0rc", "1.1.rc", 0),
        ("1.1.rc", "1.1rc", 1),
        ("1.1.a1", "1.1.0a1", 0),
        ("1.1dev", "1.1a", -1),
        ("1.0.1_", "1.0.1a", -1),
        ("1.1post", "1.1", 1),
        ("1.0+2", "1.0+10", -1),
        ("1.0", "1.0+0", 0),
        ("1!0.1", "2", 1),
        ("1.0RC1", "1.0rc1", 0),
    ],
)
def test_sentences_of_the_standard(one: str, other: str, order: int) -> None:
    """What CEP 33 says of missing parts, fill values, `dev`, `post`, epochs and local versions."""
    assert (order, -order) == (compare_versions(one, other), compare_versions(other, one))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    """The records for linux-64."""
    channel = corpus_channel(tmp_path_factory.mktemp("corpus"), ("linux-64", "noarch"))
    return list(records(channel))


@pytest.fixture(scope="module")
def conda() -> ModuleType:
    """Conda's module of versions."""
    with warnings.catch_warnings():
        # Of what conda itself brings along.
        warnings.simplefilter("ignore")
        return importlib.import_module("conda_lock._vendor.conda.models.version")


@needs_corpus
def test_order_of_versions(corpus: list[dict[str, object]], conda: ModuleType) -> None:
    """The versions of each package of conda-forge stand in the same order for both."""
    versions: dict[str, set[str]] = {}
    for record in corpus:
        versions.setdefault(record["name"], set()).add(record["version"])
    for name, found in versions.items():
        ours = sorted(found, key=functools.cmp_to_key(compare_versions))
        theirs = sorted(found, key=conda.VersionOrder)
        # Equal versions that are written differently may stand in any order.
        assert all(
            conda.VersionOrder(one) == conda.VersionOrder(other)
            for one, other in zip(ours, theirs, strict=True)
        ), name
    assert sum(map(len, versions.values())) > 10_000


@needs_corpus
def test_what_dependencies_admit(corpus: list[dict[str, object]], conda: ModuleType) -> None:
    """Each query of a dependency admits the same versions of its package, for both."""
    versions: dict[str, set[str]] = {}
    queries: set[tuple[str, str]] = set()
    for record in corpus:
        versions.setdefault(record["name"], set()).add(record["version"])
        queries |= {tuple(text.split()[:2]) for text in record["depends"] if " " in text}
    pairs, wrong = 0, []
    for name, query in sorted(queries):
        theirs = conda.VersionSpec(query)
        known = sorted(versions.get(name, ()))
        # Some of each are enough, from all over.
        for version in known[:: len(known) // MOST + 1]:
            pairs += 1
            if theirs.match(version) is not admits(query, version):
                wrong.append((name, query, version))
    assert ([], True) == (wrong, pairs > 10_000)
