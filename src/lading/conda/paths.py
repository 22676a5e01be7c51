"""What the conda standards say of one path: its type, and how its placeholder is replaced.

Source: CEP 34 (`info/paths.json`).
"""

from enum import StrEnum

__all__ = ["FileMode", "Kind", "PathType"]


class PathType(StrEnum):
    """How a package says that a path is linked (CEP 34)."""

    HARDLINK = "hardlink"
    SOFTLINK = "softlink"
    DIRECTORY = "directory"


class FileMode(StrEnum):
    """How the placeholder of a file is replaced (CEP 34)."""

    TEXT = "text"
    BINARY = "binary"


class Kind(StrEnum):
    """What a path is, in a prefix and in a tarball."""

    FILE = "file"
    LINK = "link"
    DIRECTORY = "directory"
