"""The `Engine` port and its two adapters, micromamba and py-rattler."""
