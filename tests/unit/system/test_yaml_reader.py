"""YAML is read within limits; what exceeds them is refused before it is built."""

import time
from pathlib import Path

import pytest

from lading.system import YamlError, parse_yaml, read_document

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)
"""11 kB of which the values would be a million million."""


def test_scalars() -> None:
    """Plain scalars are numbers, truth values and dates; quoted ones are texts."""
    assert {"a": 1, "b": "1", "c": True, "d": None, "e": 1.5, "f": "yes it is"} == parse_yaml(
        "{a: 1, b: '1', c: yes, d: ~, e: 1.5, f: yes it is}"
    )


def test_long_text() -> None:
    """A text may be long, with or without its tag."""
    text = "x" * 10_000
    assert {"a": text, "b": text} == parse_yaml(f"a: {text}\nb: !!str {text}\n")


def test_empty() -> None:
    """A document without content is nothing."""
    assert parse_yaml(b"# only a comment\n") is None


def test_aliases() -> None:
    """An alias is the value of its anchor."""
    assert {"a": [1, 2], "b": [1, 2]} == parse_yaml("a: &x [1, 2]\nb: *x\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "64 lists and mappings inside each other, line 1, column 65"),
        ("{a: " * 100_000, "64 lists and mappings inside each other"),
        ("- " * 100_000, "64 lists and mappings inside each other"),
        (BOMB, "more than 5,000,000 values"),
        (BOMB + "? *a11\n: x\n", "more than 5,000,000 values"),
        ("a: &x [1]\n? *x\n: 2\n", "a key is a list, a mapping or an alias, line 2"),
        ("? [a]\n: 2\n", "a key is a list"),
        ("a: &x [*x]\n", "stands for nothing, or for itself"),
        ("a: 1\nb: 2\na: 3\n", "the key 'a' stands there twice, line 3"),
        ("a: " + "9" * 5000, "a number or date has more than 1000 characters"),
        ("a: 1" + ":59" * 300_000, "a number or date has more than 1000 characters"),
        ("a: !!int ''", "a value cannot be used"),
        ("a: !!float '_'", "a value cannot be used"),
        ("a: !!bool maybe", "a value cannot be used"),
        ("a: !!timestamp soon", "a value cannot be used"),
        ("a: 2026-02-30", "a value cannot be used"),
        ("a: !!python/object/apply:os.system [id]", "is not supported"),
        ("a: !!python/name:os.system ''", "is not supported"),
        ("!!map <<:", "is not supported"),
        ("a: !!set x", "is not supported"),
        ("<<: {}", "tag:yaml.org,2002:merge is not supported"),
        ("!!set {a, b}", "is not supported"),
        ("a\n---\nb\n", "a second document begins"),
        ("a: [", "line"),
        ("a: \x01", "line|unacceptable character|control"),
    ],
)
def test_refused(text: str, message: str) -> None:
    """What is broken, deep, huge or ambiguous is refused at once, by line."""
    started = time.monotonic()
    with pytest.raises(YamlError, match=message) as caught:
        parse_yaml(text)
    assert time.monotonic() - started < 10
    assert "\n" not in str(caught.value)


def test_large_text() -> None:
    """A comment of 50 MB is refused by its size."""
    with pytest.raises(YamlError, match="larger than 32 MiB"):
        parse_yaml("#" * 50_000_000)


def test_large_file(tmp_path: Path) -> None:
    """Of a file that is too large, or has no end, only so much is read."""
    path = tmp_path / "large.yml"
    with path.open("wb") as stream:
        stream.truncate(1 << 40)
    for item in (path, Path("/dev/zero")):
        with pytest.raises(YamlError, match="larger than 32 MiB"):
            read_document(item)
