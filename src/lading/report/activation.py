"""What activation does, for programs; the JSON document names its schema."""

import msgspec

from lading.node import Activation

__all__ = ["render_activation_json"]


def render_activation_json(activation: Activation) -> str:
    """What is set, what is taken away, what comes first on PATH, and what is sourced."""
    document: dict[str, object] = {
        "schema": "lading.shell-hook/1",
        "prefix": str(activation.prefix),
        "path": str(activation.programs),
        "variables": {k: v for k, v in activation.variables.items() if v is not None},
        "unset": [name for name, value in activation.variables.items() if value is None],
        "scripts": [str(path) for path in activation.scripts],
    }
    return msgspec.json.encode(document).decode() + "\n"
