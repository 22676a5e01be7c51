"""TODO-format."""
