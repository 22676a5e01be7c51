"""Lockfiles: model, conda-lock adapter, solving per platform."""
