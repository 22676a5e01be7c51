"""Lading's YAML reader gives what PyYAML gives, or refuses."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, strategies as st

from lading.system import YamlError, parse_yaml

ROOT = Path(__file__).parents[2]
_scalars = st.one_of(
    st.text(max_size=12),
    st.integers(),
    st.booleans(),
    st.none(),
    st.dates(),
    st.floats(allow_nan=False),
    st.sampled_from(["1.0", "2026-01-01", "null", "~", "yes", "0x1f", "1e3", "1_0", "a: b", "=="]),
)
_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_scalars, inner, max_size=3),
)


@given(_values)
def test_what_was_dumped(value: object) -> None:
    """What PyYAML dumps is read as PyYAML reads it."""
    text = yaml.safe_dump(value)
    assert parse_yaml(text) == yaml.safe_load(text)


@given(st.integers(0, 400), st.text(max_size=3), st.integers(0, 4))
def test_what_was_edited(place: int, new: str, cut: int) -> None:
    """A lockfile that was changed anywhere is read as PyYAML reads it, or refused."""
    text = (ROOT / "locks/pangeo-notebook/linux-64.conda-lock.yml").read_text()[:2000]
    text = text.rpartition("\n- name")[0]
    edited = text[:place] + new + text[place + cut :]
    try:
        found = parse_yaml(edited)
    except YamlError:
        return
    # The scanner in C takes a few texts that the one in Python refuses.
    assert found == yaml.load(edited, Loader=yaml.CSafeLoader)


@pytest.mark.parametrize("path", sorted((ROOT / "locks/pangeo-notebook").glob("*.yml")))
def test_published(path: Path) -> None:
    """The committed locks are read as PyYAML reads them."""
    data = path.read_bytes()
    assert parse_yaml(data) == yaml.load(data, Loader=yaml.CSafeLoader)
