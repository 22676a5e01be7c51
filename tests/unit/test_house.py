"""Rules of the house that no linter knows."""

from pathlib import Path

import lading

SOURCE = Path(lading.__file__).parent
MOST_LINES = 450


def test_no_module_is_too_long() -> None:
    """A module that grows past 450 lines has two subjects."""
    lengths = {path: len(path.read_text().splitlines()) for path in SOURCE.rglob("*.py")}
    assert {} == {str(path): lines for path, lines in lengths.items() if lines > MOST_LINES}
