"""The messages of engines, turned into our errors. Pure: text in, an error out.

Both engines report every failure of an installation as one class, or as text; which error it was
can only be told from the words.
"""

import re
from collections.abc import Iterable

from lading.errors import (
    ArchiveError,
    DigestMismatchError,
    EngineError,
    EngineFailedError,
    FetchError,
    LadingError,
    SolveError,
)
from lading.system import redact, without_credentials

BLAME_HINT = "tell the maintainers of the channel, or use another one"
"""What to do about a malformed record."""

REFETCH = "delete it from the cache and fetch it again"

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
    """A channel has a malformed package record; its mirrors will have the same."""

    @classmethod
    def of(
        cls, channel: str, file_name: str, fault: str, details: tuple[str, ...] = ()
    ) -> "BrokenRecordError":
        """The error for the record of one archive."""
        return cls(
            f"the channel {without_credentials(channel)} has a malformed record of {file_name}:"
            f" {fault}",
            hint=BLAME_HINT,
            details=details,
        )

    @classmethod
    def told(cls, reason: str, lines: tuple[str, ...]) -> "BrokenRecordError":
        """The error for a record that an engine complains of; `lines` are its words."""
        return cls(
            f"a channel has a malformed package record: {reason}", hint=BLAME_HINT, details=lines
        )


def unread_channel(lines: tuple[str, ...], what: str = "a channel could not be read") -> FetchError:
    """The error for a channel of which no location can be read."""
    return FetchError(what, hint="check its URL, the mirrors and the network", details=lines)


def not_by_micromamba(message: str) -> EngineError:
    """The error for what only the embedded engine can do."""
    return EngineError(message, hint="lock with --engine embedded")


def clean_lines(text: str, noise: Iterable[str] = ()) -> tuple[str, ...]:
    """The meaningful lines of `text`, URLs without credentials.

    Lines that begin with one of the regular expressions `noise` are dropped.
    """
    patterns = [re.compile(pattern) for pattern in noise]
    lines = (line.rstrip() for line in redact(text).splitlines())
    return tuple(
        line for line in lines if line and not any(pattern.match(line) for pattern in patterns)
    )


def solve_error(lines: tuple[str, ...]) -> LadingError:
    """The error for a request without solution; `lines` explain it.

    If every reason is a record that cannot be read, the error blames the channel.
    """
    leaves = [line for line in lines if not line.rstrip().endswith((":", "incompatible"))]
    if leaves and all(_UNREADABLE.search(line) for line in leaves):
        return BrokenRecordError.told(leaves[0].strip(" └├│─"), lines)
    return SolveError(
        "no set of packages satisfies the request",
        hint="relax one of the constraints",
        details=lines,
    )


def install_error(lines: tuple[str, ...]) -> LadingError:
    """The error for an installation that failed; `lines` say why."""
    text = "\n".join(lines)
    message = _decisive_line(lines)
    if _DIGEST.search(text):
        return DigestMismatchError(
            f"an archive does not match the lock: {message}", hint=REFETCH, details=lines
        )
    if _DISK.search(text):
        return EngineFailedError(
            f"the disk is full: {message}",
            hint="free space, or use a directory on another disk",
            details=lines,
        )
    if _LOCK.search(text):
        return EngineFailedError(
            f"the package cache is in use: {message}",
            hint="wait for the other process, or use another cache with --pkgs-dir",
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
        hint="run again with -v, or try the other engine with --engine",
        details=lines,
    )


def _decisive_line(lines: tuple[str, ...]) -> str:
    """The first line, without the severity that a program puts before it."""
    first = lines[0] if lines else "the engine gives no reason"
    return re.sub(r"^(error|critical|warning)\s+libmamba\s+", "", first).strip()
