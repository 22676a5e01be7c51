"""Errors, rendered."""

import json

from lading.errors import DigestMismatchError, LadingError
from lading.report.errors import render_error

FULL = DigestMismatchError(
    "it is\nwrong", hint="do this", details=("one", "two"), expected="e", actual="a"
)


def test_an_error_for_a_person() -> None:
    """One line, the details indented, what was expected and found, and the hint last."""
    assert (
        "error: it is wrong\n  one\n  two\n  expected: e\n  found:    a\nhint: do this\n"
        == render_error(FULL).text
    )


def test_a_plain_error() -> None:
    """What there is not is left out."""
    assert "error: x\n" == render_error(LadingError("x")).text


def test_an_error_for_a_program() -> None:
    """All fields, with the schema and the exit code."""
    assert {
        "schema": "lading.error/1",
        "error": "DigestMismatchError",
        "exit_code": 7,
        "message": "it is wrong",
        "hint": "do this",
        "details": ["one", "two"],
        "expected": "e",
        "found": "a",
    } == json.loads(render_error(FULL).json)
