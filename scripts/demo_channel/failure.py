"""The one error of the demo channel: a line that names the thing, and what to do next."""

from __future__ import annotations


class DemoChannelError(Exception):
    """The channel cannot be built.

    Attributes:
        message: One line without full stop.
        hint: The next action, one line.
    """

    def __init__(self, message: str, *, hint: str) -> None:
        """Keep both lines; `str(error)` is the message alone."""
        super().__init__(message)
        self.message = message
        self.hint = hint
