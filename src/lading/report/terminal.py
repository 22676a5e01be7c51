"""Text that is safe to print: without secrets, and without characters that steer a terminal."""

import re
from collections.abc import Sequence

from lading.system import redact

# Control characters but line break and tab; those that change the direction of text; surrogates,
# which stand for bytes of file names that are not UTF-8.
_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_BREAKING = re.compile(r"[\t\n\u2028\u2029]")


def printable(text: str) -> str:
    r"""`text` without secrets, control characters as `\u001b`; a JSON document stays the same."""
    return _STEERING.sub(_escaped, redact(text))


def one_line(name: str) -> str:
    """A name from a tarball or a package as it may stand in a list, one a line."""
    return _BREAKING.sub(_escaped, name)


def render_table(rows: Sequence[Sequence[str]]) -> str:
    """Lines of columns, each as wide as its widest cell; the last is not padded."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "".join(
        "  ".join(
            cell.ljust(width) for cell, width in zip(row, (*widths[:-1], 0), strict=True)
        ).rstrip()
        + "\n"
        for row in rows
    )


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
