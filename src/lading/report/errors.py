"""Errors, for people and for programs."""

from lading.errors import LadingError
from lading.report.document import Answer


def render_error(error: LadingError) -> Answer:
    """`error:` and one line, details indented, expected and found, and `hint:` with what to do."""
    lines = [f"error: {error}"]
    lines += [f"  {line}" for line in error.details]
    if error.expected:
        lines.append(f"  expected: {error.expected}")
    if error.actual:
        lines.append(f"  found:    {error.actual}")
    if error.hint:
        lines.append(f"hint: {error.hint}")
    return Answer(
        "\n".join(lines) + "\n",
        "error/1",
        error=type(error).__name__,
        exit_code=error.exit_code,
        message=str(error),
        hint=error.hint,
        details=list(error.details),
        expected=error.expected,
        found=error.actual,
    )
