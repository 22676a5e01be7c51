"""The tree of errors and their exit codes."""

import inspect

import pytest

from lading import errors
from lading.errors import LadingError

CLASSES = {
    name: item
    for name, item in vars(errors).items()
    if inspect.isclass(item) and issubclass(item, LadingError)
}


def test_each_direct_child_owns_a_code() -> None:
    """No two branches of the tree share an exit code, and none has that of a yes or a no."""
    codes = [item.exit_code for item in LadingError.__subclasses__()]
    assert [*range(2, 10), 71] == sorted(codes)


def test_descendants_share_the_code_of_their_branch() -> None:
    """A class below a direct child has the exit code of that child."""
    branches = LadingError.__subclasses__()
    assert {
        name: next(branch.exit_code for branch in branches if issubclass(item, branch))
        for name, item in CLASSES.items()
        if item is not LadingError
    } == {name: item.exit_code for name, item in CLASSES.items() if item is not LadingError}


@pytest.mark.parametrize("name", sorted(set(CLASSES) - {"LadingError"}))
def test_the_drawing_shows_every_class(name: str) -> None:
    """The tree drawn at the head of the module is the tree that is there."""
    assert f"─ {name}" in (errors.__doc__ or "")


def test_text_is_one_line() -> None:
    """Line breaks in a message do not reach the line that a person reads."""
    assert "a b c" == str(LadingError("a\nb\n\n c"))


def test_fields_are_kept_apart() -> None:
    """What an error consists of can be read by itself."""
    error = LadingError("m", hint="h", details=("d",), expected="e", actual="a")
    assert ("m", "h", ("d",), "e", "a") == (
        error.message,
        error.hint,
        error.details,
        error.expected,
        error.actual,
    )
