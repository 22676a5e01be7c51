"""TODO-system."""
