"""What a package ships: its members in order, each with a way to read its content.

Here they are read from files: of an extracted package, or those that `archive_members` put on a
disk because they must be rewritten. What they are does not depend on that.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lading.conda import Kind, Occurrences
from lading.errors import ArchiveError, DigestMismatchError
from lading.pack.conda_pack import Shipped, shipped_form, shipped_pip_form
from lading.package import Payload, PayloadFile
from lading.system import CHUNK_BYTES, Digest, sha256_of

Buffer = bytes | memoryview


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedMember:
    """A member as it is shipped.

    Attributes:
        path: Archive-relative, POSIX.
        kind: File, link or directory.
        size: Of the content in bytes.
        executable: Whether its mode is 0755 instead of 0644.
        target: Of a link.
        occurrences: What relocation replaces in it, or None.
        read: Gives the content of a file chunk by chunk; who reads it compares it with `promised`.
        sha256: Digest of the content, hexadecimal, where it was compared already; or empty.
        promised: What its package says of the digest; None where it says nothing.
        place: Where the content was read from, for messages.
    """

    path: str
    kind: Kind
    size: int
    executable: bool = False
    target: str = ""
    occurrences: Occurrences | None = None
    read: Callable[[], Iterator[Buffer]]
    sha256: str = ""
    promised: Digest | None = None
    place: str = ""

    def check(self, sha256: str) -> None:
        """Compare the digest of the content, hexadecimal, with what the package says.

        Raises:
            DigestMismatchError: It has another.
        """
        if self.promised is not None and sha256 != self.promised.hex:
            raise DigestMismatchError(
                f"{self.place or self.path} is not what its package says of {self.path}",
                hint="if it was changed, run `lading install --force`; else the package is broken:"
                " take another build of it, and lock again",
                expected=str(self.promised),
                actual=f"sha256:{sha256}",
            )


def shipped_members(payload: Payload, prefix: Path) -> Iterator[ShippedMember]:
    """The members of `payload`, in its order.

    Args:
        payload: Its files lie where they say.
        prefix: Where pip distributions were installed, absolute.

    Raises:
        DigestMismatchError: A file is not what its package says.
        ArchiveError: A file cannot be read, or cannot be shipped. Reading a member may raise too.
    """
    for item in payload.files:
        yield _member(item, payload.manager, prefix)


def mtime_of(time: int, newest: int | None) -> int:
    """The time that the members of a package of `time` carry, in Unix seconds."""
    return time if newest is None else min(time, newest)


def _member(item: PayloadFile, manager: str, prefix: Path) -> ShippedMember:
    try:
        shipped = _shipped(item, manager, prefix)
        if shipped is not None:
            size = len(shipped.content)
        elif item.place:
            size = os.stat(item.place).st_size  # noqa: PTH116  # no Path for tens of thousands
        else:
            size = len(item.content or b"")
    except OSError as error:
        raise _unreadable(item, error) from error
    content = shipped.content if shipped is not None else item.content or b""
    is_placed = shipped is None and item.place
    return ShippedMember(
        path=item.path,
        kind=item.kind,
        size=size if item.kind is Kind.FILE else 0,
        executable=item.executable,
        target=item.target,
        occurrences=shipped.occurrences or None if shipped is not None else None,
        read=partial(_read_place, item, size) if is_placed else partial(_once, content),
        promised=item.sha256 if is_placed else None,
        place=item.place,
    )


def _once(content: bytes) -> Iterator[bytes]:
    yield content


def _read_place(item: PayloadFile, size: int) -> Iterator[bytes]:
    """The content of a file in the package cache, at most one chunk more than it should have."""
    try:
        with open(item.place, "rb", buffering=0) as stream:  # noqa: PTH123  # as above
            found = 0
            while found <= size and (chunk := stream.read(CHUNK_BYTES)):
                found += len(chunk)
                yield chunk
    except OSError as error:
        raise _unreadable(item, error) from error


def _shipped(item: PayloadFile, manager: str, prefix: Path) -> Shipped | None:
    """The shipped form of a file that may be rewritten, or None for all others."""
    if item.kind is not Kind.FILE or not item.place:
        return None
    # A `Path` is made only where one is needed: there are tens of thousands of files.
    if manager == "pip":
        return shipped_pip_form(item, _read_checked(item, Path(item.place)), prefix)
    if not item.placeholder:
        return None
    source = Path(item.place)
    _read_checked(item, source)
    return shipped_form(item, source)


def _read_checked(item: PayloadFile, source: Path) -> bytes:
    content = source.read_bytes()
    digest = sha256_of(content)
    if item.sha256 is not None and digest != item.sha256:
        raise _changed(item, str(item.sha256), str(digest))
    return content


def _unreadable(item: PayloadFile, error: OSError) -> ArchiveError:
    return ArchiveError(
        f"{error.filename or item.path} cannot be read: {error.strerror or error}",
        hint="the package cache was changed: run `lading install --force`",
    )


def _changed(item: PayloadFile, expected: str, actual: str) -> DigestMismatchError:
    return DigestMismatchError(
        f"{item.place} is not what its package says of {item.path}",
        hint="the package cache was changed: run `lading install --force`",
        expected=expected,
        actual=actual,
    )
