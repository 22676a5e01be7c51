"""The version of lading."""

__all__ = ["VERSION"]

VERSION = "0.1.0"
