"""Environment variables that an activated environment sets."""

import pytest

from lading.conda.variables import refusal_of_variables


@pytest.mark.parametrize("name", ["A", "_", "PATH_2", "lower_Case"])
def test_names_that_can_be_set(name: str) -> None:
    """Letters, digits and _, not a digit first; the value may be anything but NUL."""
    assert not refusal_of_variables({name: "a b;\n'\"$x"})


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A B", "A=1;B", "A\n", "Ä", "A\0"])
def test_names_that_cannot(name: str) -> None:
    """They are named."""
    assert refusal_of_variables({"OK": "", name: ""}).startswith(repr(name))


def test_no_value_holds_a_nul() -> None:
    """It ends the value, or the program."""
    assert "the value of A holds a NUL byte" == refusal_of_variables({"A": "x\0"})
