"""How long work tells how far it is."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, how many are done, how many there are), from any thread."""


def no_progress(_what: str, _done: int, _total: int) -> None:
    """Ignore progress."""
