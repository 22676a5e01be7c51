"""Filling a prefix from a lock."""
