"""What an engine complains of, as one of our errors.

Both engines put everything that can go wrong with an installation into one class, or into text;
what it was is told by its words. Pure: text in, an error out.
"""

import re
from collections.abc import Iterable

from lading.conda import without_credentials
from lading.errors import (
    ArchiveError,
    DigestMismatchError,
    EngineFailedError,
    FetchError,
    LadingError,
    SolveError,
)

__all__ = ["BLAME_HINT", "BrokenRecordError", "clean_lines", "install_error", "solve_error"]

BLAME_HINT = "tell the maintainers of the channel, or use another one"
"""What to do about a record that is wrong."""

REFETCH = "delete it from the cache and fetch it again"

_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s'\"<>\[\]()]+")
_DIGEST = re.compile(
    r"(?i)hash mismatch|mismatched hash|incorrect (sha256|md5)|(sha256|md5) doesn't match"
)
_UNREADABLE = re.compile(r" is excluded because the .* failed to parse")
_DISK = re.compile(r"(?i)no space left|os error 28\b|disk quota exceeded")
_LOCK = re.compile(r"(?i)could not (?:set|acquire) lock|cannot lock|lock file|locked by")
_MISSING = re.compile(r"(?i)download error|io error occurred: no such file|failed to download")
_DAMAGED = re.compile(
    r"(?i)unpack|extract|archive|checksum|zip|zstd|bz|unexpected end|corrupt|(index|paths)\.json"
)


class BrokenRecordError(FetchError):
    """A channel describes a package wrongly; no other location of it will do better."""


def clean_lines(text: str, noise: Iterable[str] = ()) -> tuple[str, ...]:
    """The lines of `text` that say something, URLs without credentials.

    Args:
        text: What an engine printed.
        noise: Regular expressions; a line that one of them matches from its beginning is dropped.
    """
    patterns = [re.compile(pattern) for pattern in noise]
    lines = (
        _URL.sub(lambda match: without_credentials(match[0]), line).rstrip()
        for line in text.splitlines()
    )
    return tuple(
        line for line in lines if line and not any(pattern.match(line) for pattern in patterns)
    )


def solve_error(lines: tuple[str, ...]) -> LadingError:
    """The error for a request without solution; `lines` explain it.

    Where all that stands against it is that records cannot be read, the channel is to blame.
    """
    leaves = [line for line in lines if not line.rstrip().endswith((":", "incompatible"))]
    if leaves and all(_UNREADABLE.search(line) for line in leaves):
        reason = leaves[0].strip(" └├│─")
        return BrokenRecordError(
            f"a channel describes a package wrongly: {reason}", hint=BLAME_HINT, details=lines
        )
    return SolveError(
        "no set of packages satisfies the request",
        hint="relax one of the constraints",
        details=lines,
    )


def install_error(lines: tuple[str, ...]) -> LadingError:
    """The error for an installation that failed, `lines` say why."""
    text = "\n".join(lines)
    message = _decisive_line(lines)
    if _DIGEST.search(text):
        return DigestMismatchError(
            f"an archive is not what the lock promises: {message}", hint=REFETCH, details=lines
        )
    if _DISK.search(text):
        return EngineFailedError(
            f"the disk is full: {message}",
            hint="free space, or put the build directory on another disk",
            details=lines,
        )
    if _LOCK.search(text):
        return EngineFailedError(
            f"the package cache is in use: {message}",
            hint="wait for the other process, or give this build a cache of its own",
            details=lines,
        )
    if _MISSING.search(text):
        return FetchError(
            f"an archive could not be read: {message}", hint="fetch it again", details=lines
        )
    if _DAMAGED.search(text):
        return ArchiveError(f"an archive is damaged: {message}", hint=REFETCH, details=lines)
    return EngineFailedError(
        f"the installation failed: {message}",
        hint="run again with -vv, or try the other engine",
        details=lines,
    )


def _decisive_line(lines: tuple[str, ...]) -> str:
    """The first line, without the severity that a program puts before it."""
    first = lines[0] if lines else "the engine does not say why"
    return re.sub(r"^(error|critical|warning)\s+libmamba\s+", "", first).strip()
