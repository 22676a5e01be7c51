"""Which lines of a source are for a platform."""

import pytest

from lading.conda.names import Platform
from lading.errors import SpecError
from lading.lock.selectors import has_selectors, selected_lines


@pytest.mark.parametrize(
    ("expression", "platform", "expected"),
    [
        ("linux", "linux-64", True),
        ("linux", "osx-64", False),
        ("not win", "linux-64", True),
        ("not win", "win-64", False),
        ("linux or osx", "osx-arm64", True),
        ("linux and aarch64", "linux-64", False),
        ("linux and aarch64", "linux-aarch64", True),
        ("not (osx and arm64)", "osx-arm64", False),
        ("unix", "win-64", False),
        ("osx64", "osx-arm64", False),
        ("x86_64 and not win", "linux-64", True),
        ("linux-64", "linux-64", True),
        ("linux-64", "linux-aarch64", False),
        ("riscv64", "linux-riscv64", True),
    ],
)
def test_expressions(expression: str, platform: str, expected: bool) -> None:  # noqa: FBT001  # a table
    """Words, `not`, `and`, `or` and parentheses, on any platform."""
    line = f"- a  # [{expression}]"
    assert list(selected_lines(line, Platform(platform))) == ([line] if expected else [])


@pytest.mark.parametrize(
    "expression", ["py>=38", "linux or py38", "lunix", "see below", "1", "linux(", "(" * 500]
)
def test_what_is_not_about_platforms(expression: str) -> None:
    """Anything else is refused, wherever the rest would have decided; nothing is dropped."""
    with pytest.raises(SpecError, match="cannot use the selector"):
        list(selected_lines(f"- a  # [{expression}]", Platform.LINUX_64))


def test_lines_without_selectors() -> None:
    """Comments alone are left out, lists in brackets are not selectors."""
    text = "# [win]\n- a\n- [b, c]\n- d[version='>=1']"
    assert not has_selectors(text)
    assert list(selected_lines(text, Platform.LINUX_64)) == text.splitlines()[1:]
