"""What a package ships: its members in order, each with a way to read its content.

Here they are read from files: of an extracted package, or those that `archive_members` put on a
disk because they must be rewritten. What they are does not depend on that.
"""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec

from lading.conda import Kind, Occurrences
from lading.errors import ArchiveError, DigestMismatchError
from lading.pack.conda_pack import Shipped, shipped_form, shipped_pip_form
from lading.package import Payload, PayloadFile
from lading.system import CHUNK_BYTES, Digest, sha256_of

Buffer = bytes | memoryview


class ShippedMember(msgspec.Struct, frozen=True, kw_only=True):
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


def check_promised(path: str, sha256: str, promised: Digest | None, place: str) -> None:
    """Compare the digest of a file, hexadecimal, with what its package says, if anything.

    Raises:
        DigestMismatchError: It has another.
    """
    if promised is not None and sha256 != promised.hex:
        raise DigestMismatchError(
            f"{place or path} is not what its package says of {path}",
            hint="if it was changed, run `lading install --force`; else the package is broken:"
            " take another build of it, and lock again",
            expected=str(promised),
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
        yield shipped_member(item, payload.manager, prefix)


def mtime_of(time: int, newest: int | None) -> int:
    """The time that the members of a package of `time` carry, in Unix seconds."""
    return time if newest is None else min(time, newest)


def shipped_member(item: PayloadFile, manager: str, prefix: Path) -> ShippedMember:
    """A file, link or directory as a member; see `shipped_members`."""
    try:
        shipped = _shipped(item, manager, prefix)
        is_placed = shipped is None and item.place
        content = shipped.content if shipped is not None else item.content or b""
        # No Path: there are tens of thousands of files.
        size = os.stat(item.place).st_size if is_placed else len(content)  # noqa: PTH116
    except OSError as error:
        raise _unreadable(item, error) from error
    return ShippedMember(
        path=item.path,
        kind=item.kind,
        size=size if item.kind is Kind.FILE else 0,
        executable=item.executable,
        target=item.target,
        occurrences=shipped.occurrences or None if shipped is not None else None,
        read=partial(_read_place, item, size) if is_placed else partial(iter, (content,)),
        # What is at hand was compared with its digest when it was read.
        sha256=item.sha256.hex if item.sha256 and content is item.content else "",
        promised=item.sha256 if is_placed else None,
        place=item.place,
    )


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
    if item.kind is Kind.FILE and manager == "pip" and item.place:
        return shipped_pip_form(item, _read_checked(item), prefix)
    if item.placeholder:
        content = _read_checked(item) if item.content is None else item.content
        return shipped_form(item, content)
    return None


def _read_checked(item: PayloadFile) -> bytes:
    content = Path(item.place).read_bytes()
    check_promised(item.path, sha256_of(content).hex, item.sha256, item.place)
    return content


def _unreadable(item: PayloadFile, error: OSError) -> ArchiveError:
    return ArchiveError(
        f"{error.filename or item.path} cannot be read: {error.strerror or error}",
        hint="the package cache was changed: run `lading install --force`",
    )
