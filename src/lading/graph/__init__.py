"""The dependency graph of a set of records."""
