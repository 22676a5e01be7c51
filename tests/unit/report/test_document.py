"""What `--json` writes."""

import json
from pathlib import Path

from lading.report.document import render_json


def test_a_document_is_one_line_with_its_schema_first() -> None:
    """Paths are text; line breaks in names do not break the line."""
    text = render_json("example/1", path=Path("/a\nb"), sizes=(1, 2))
    assert ('{"schema":"lading.example/1",', 1) == (text[:29], text.count("\n"))
    assert {"schema": "lading.example/1", "path": "/a\nb", "sizes": [1, 2]} == json.loads(text)
