"""Versions and MatchSpecs against packages, as py-rattler reads them."""

import subprocess
import sys

import pytest
from hypothesis import given, strategies as st

from lading.conda import parse_matchspec
from lading.engine.matching import admits, compare_versions, satisfies


@pytest.mark.parametrize(
    ("one", "other", "order"),
    [
        ("1.2", "1.10", -1),
        ("1.1.1_", "1.1.1a", -1),
        ("1.0", "1.0.0", 0),
        ("1!0.1", "9.9", 1),
        ("1.0.post1", "1.0", 1),
        ("1.0dev", "1.0a", -1),
    ],
)
def test_order(one: str, other: str, order: int) -> None:
    """CEP 33: versions are compared segment by segment."""
    assert (order, -order) == (compare_versions(one, other), compare_versions(other, one))


def test_what_is_not_a_version() -> None:
    """It is refused with its text."""
    with pytest.raises(ValueError, match="a b"):
        compare_versions("1", "a b")


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("", True),
        ("*", True),
        (">=1.26,<2", True),
        (">=2|1.26.*", True),
        ("1.26", False),
        ("=1.26", True),
        ("1.26.*", True),
        ("!=1.26.*", False),
        ("~=1.25", True),
        ("no query ]", True),
    ],
)
def test_queries(query: str, answer: object) -> None:
    """CEP 29, in the spellings of channels; a query that is cannot be parsed admits everything."""
    assert answer is admits(query, "1.26.4")


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_text(query: str, version: str) -> None:
    """No text does anything but being admitted or not."""
    assert admits(query, version) in {True, False}


@pytest.mark.parametrize(
    ("spec", "answer"),
    [
        ("numpy", True),
        ("numpy 1.* py312*", True),
        ("numpy 2.*", False),
        ("numpy 1.* py311*", False),
        ("conda-forge::numpy", True),
        ("defaults::numpy", False),
    ],
)
def test_packages(spec: str, answer: object) -> None:
    """Version, build and channel must all fit."""
    found = satisfies(
        parse_matchspec(spec), "1.26.4", "py312h1_0", "https://conda.anaconda.org/conda-forge"
    )
    assert answer is found


def test_rattler_is_loaded_when_it_is_needed() -> None:
    """Commands that compare no version do not wait for it."""
    program = (
        "import sys; from lading.engine import admits; admits('', '1'); "
        "raise SystemExit('rattler' in sys.modules)"
    )
    assert 0 == subprocess.run([sys.executable, "-c", program], check=False).returncode
