"""Lockfiles are read without a YAML parser as the parser reads them."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, strategies as st

from lading.lock.rendering import dump_document
from lading.lock.written import packages_written

ROOT = Path(__file__).parents[2]
_texts = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["1.0", "2026-01-01", "null", "~", "yes", "0x1f", "1e3", "1_0"]),
    st.sampled_from(["a: b", "a #b"]),
    st.from_regex(r"[a-z0-9<>=,.*|! ']{0,12}", fullmatch=True),
)
_digests = st.from_regex(r"[0-9a-f]{8}", fullmatch=True)
_packages = st.fixed_dictionaries(
    {
        "name": _texts,
        "version": _texts,
        "manager": st.sampled_from(["conda", "pip"]),
        "platform": st.just("linux-64"),
        "dependencies": st.dictionaries(_texts, _texts, max_size=3),
        "url": _texts,
        "hash": st.fixed_dictionaries({"md5": _digests, "sha256": _digests}),
        "category": _texts,
        "optional": st.booleans(),
    }
)


def _parsed(text: str) -> object:
    return yaml.load(text, Loader=yaml.CSafeLoader)


@given(st.lists(_packages, min_size=1, max_size=3))
def test_what_was_written(packages: list[dict[str, object]]) -> None:
    """Whatever is dumped is read as the parser reads it, or left to the parser."""
    text = dump_document({"package": packages}).decode().partition("\n")[2]
    found = packages_written(text)
    assert found is None or found == _parsed(text)


@given(st.integers(0, 200), st.text(max_size=3), st.integers(0, 4))
def test_what_was_edited(place: int, new: str, cut: int) -> None:
    """A text that was changed anywhere is read as the parser reads it, or left to the parser."""
    path = ROOT / "locks/pangeo-notebook/linux-64.conda-lock.yml"
    text = path.read_text()[:9000].partition("\npackage:\n")[2].rpartition("\n- name")[0] + "\n"
    edited = text[:place] + new + text[place + cut :]
    found = packages_written(edited)
    assert found is None or found == _parsed(edited)


@pytest.mark.parametrize("path", sorted((ROOT / "locks/pangeo-notebook").glob("*.yml")))
def test_published(path: Path) -> None:
    """The committed locks are of the form that is read quickly."""
    text = path.read_text().partition("\npackage:\n")[2]
    assert packages_written(text) == _parsed(text)
