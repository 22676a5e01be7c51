"""TODO-node."""
