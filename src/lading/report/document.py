"""JSON documents: what `--json` writes. Each names its schema."""

import msgspec


def render_json(schema: str, /, **fields: object) -> str:
    """One line: an object with the key `schema`, `lading.<schema>`, and `fields`; paths as text."""
    document = {"schema": f"lading.{schema}", **fields}
    return msgspec.json.encode(document, enc_hook=str).decode() + "\n"
