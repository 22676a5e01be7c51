"""Paths of packages and prefixes: their types, and where links lead.

Source: CEP 34 (`info/paths.json`).
"""

from collections.abc import Mapping
from enum import StrEnum

MOST_LINKS = 40
"""What Linux follows before it gives up."""


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


def link_steps(path: str, links: Mapping[str, str]) -> int | None:
    """How many names a file system looks at to follow a link; None if it leaves the prefix.

    `path` is relative to the prefix; `links`: path → target of all links in the prefix, each path
    without `.`, `..`.
    """
    place = path.split("/")[:-1]
    target = links[path]
    ahead = target.split("/")[::-1]
    followed = steps = 0
    if target.startswith("/"):
        return None
    while ahead:
        step = ahead.pop()
        steps += 1
        if step == "..":
            if not place:
                return None
            place.pop()
        elif step not in {"", "."}:
            place.append(step)
            further = links.get("/".join(place))
            if further is not None:
                followed += 1
                if followed > MOST_LINKS or further.startswith("/"):
                    # A loop leads nowhere; an absolute target is refused where it is listed.
                    return steps
                place.pop()
                ahead += further.split("/")[::-1]
    return steps
