"""How long work tells how far it is."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, how many are done, how many there are), from any thread.

Where it is not known yet how many there are, that is 0."""


def no_progress(_what: str, _done: int, _total: int) -> None:
    """Ignore progress."""
