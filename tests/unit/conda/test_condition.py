"""`lading.conda.condition`: `and`, `or` and parentheses around queries."""

import re

import pytest

from lading.conda.condition import condition_holds, condition_text, parse_condition


@pytest.mark.parametrize(
    ("text", "true", "expected"),
    [
        ("a", "a", True),
        ("a", "b", False),
        ("a and b", "a", False),
        ("a or b", "b", True),
        # `and` binds closer.
        ("a or b and c", "a", True),
        ("(a or b) and c", "a", False),
        ("((a) or (b)) and c", "bc", True),
    ],
)
def test_truth(text: str, true: str, *, expected: bool) -> None:
    """A condition holds by the queries that hold."""
    condition = parse_condition(text, str)
    assert expected is condition_holds(condition, lambda query: query in true)


def test_one_spelling() -> None:
    """Queries keep their brackets and quotes; parentheses stand where they are needed."""
    condition = parse_condition("(a >=1)or( b[version='1.*',flags=[x,y]]  and(c) )", str)
    assert condition_text(condition, str) == "a >=1 or (b[version='1.*',flags=[x,y]] and c)"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "a query is expected at its end"),
        ("a and", "a query is expected at its end"),
        ("and a", "a query is expected before 'and'"),
        ("a b", "'b' stands where"),
        ("(a", "not closed"),
        ("a)", "')' stands where"),
        ("a[b", "'[b' is not a query"),
        ("(" * 30 + "a" + ")" * 30, "nested too deeply"),
    ],
)
def test_refused(text: str, reason: str) -> None:
    """What is not a condition is refused with the reason."""
    with pytest.raises(ValueError, match=re.escape(reason)):
        parse_condition(text, str)
