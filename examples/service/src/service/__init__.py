"""A service that greets with the words of its model."""

import json
import sys
from pathlib import Path

import greeting

MODEL = Path(sys.prefix, "share/models/model.json")


def main() -> None:
    """Greet everyone whom the model knows."""
    for name in json.loads(MODEL.read_text("utf-8"))["names"]:
        sys.stdout.write(f"{greeting.word}, {name}\n")
