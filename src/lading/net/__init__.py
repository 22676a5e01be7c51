"""TODO-net."""
