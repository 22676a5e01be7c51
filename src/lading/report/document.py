"""What commands answer: text for people, and with `--json` a document that names its schema."""

import msgspec


class Answer:
    """What a command answers.

    Attributes:
        text: For people; its lines end with a line break.
        schema: Of the document, without `lading.`.
    """

    def __init__(self, text: str, schema: str, /, **fields: object) -> None:
        """An answer; the fields of the document are keyword arguments."""
        self.text = text
        self.schema = schema
        self.fields = fields

    @property
    def json(self) -> str:
        """The answer as a JSON document on one line."""
        return render_json(self.schema, **self.fields)


def render_json(schema: str, /, **fields: object) -> str:
    """One line: an object with the key `schema`, `lading.<schema>`, and `fields`; paths as text."""
    document = {"schema": f"lading.{schema}", **fields}
    return msgspec.json.encode(document, enc_hook=str).decode() + "\n"
