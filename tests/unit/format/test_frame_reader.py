"""Reading frames by the bill."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import pytest

from lading.conda.paths import Kind
from lading.errors import ArchiveError, DigestMismatchError
from lading.format.compression import Format, Level, compressor
from lading.format.frame_reader import Frame, Member, read_members
from lading.format.manifest import FrameSlice, ManifestFile, ManifestFrame, ManifestPackage
from lading.format.tar_header import END_OF_ARCHIVE, padding
from lading.system.digest import sha256_of

SMALL = b"cargo"
LARGE = bytes(range(256)) * 10_000


@dataclass(frozen=True, slots=True)
class Listed:
    """A member as billed, and its content."""

    file: ManifestFile
    content: bytes = b""


def listed(path: str, content: bytes) -> Listed:
    """A file."""
    digest = sha256_of(content).hex
    entry = ManifestFile(path=path, type=Kind.FILE, mode="0644", size=len(content), sha256=digest)
    return Listed(entry, content)


MEMBERS = (
    listed("bin/a", SMALL),
    Listed(ManifestFile(path="bin/b", type=Kind.LINK, mode="0777", target="a")),
    listed("empty", b""),
    Listed(ManifestFile(path="var", type=Kind.DIRECTORY, mode="0755")),
    listed("x" * 150, LARGE),
)


def same(data: bytes) -> bytes:
    """The bytes as they are."""
    return data


def chunks(data: bytes, size: int) -> Iterator[bytes]:
    """`data` in pieces."""
    return (data[start : start + size] for start in range(0, len(data), size))


def frame(  # each is one way of being wrong
    members: Sequence[Listed] = MEMBERS,
    *,
    format_: Format = Format.ZSTD,
    is_last: bool = False,
    edit: Callable[[bytes], bytes] = same,
    damage: Callable[[bytes], bytes] = same,
    chunk: int = 1 << 20,
) -> Frame:
    """A frame of `members`: its tar stream by `edit`, its compressed bytes by `damage`.

    The bill has the digest of what stood there before the damage.
    """
    package = ManifestPackage(name="tool", manager="conda", mtime=1_700_000_000, frames=())
    empty = ManifestFrame(offset=0, length=0, size=0, sha256="", files=len(members))
    files = tuple(item.file for item in members)
    bill = FrameSlice(package=package, frame=empty, files=files, is_last=is_last)
    stream = b"".join(
        header + item.content + padding(len(item.content))
        for header, item in zip(bill.headers(), members, strict=True)
    )
    stream = edit(stream + (END_OF_ARCHIVE if is_last else b""))
    engine = compressor(format_, Level.FAST, len(stream))
    data = engine.feed(stream) + engine.finish()
    placed = ManifestFrame(
        offset=0, length=len(data), size=len(stream), sha256=sha256_of(data).hex, files=len(files)
    )
    bill = FrameSlice(package=package, frame=placed, files=files, is_last=is_last)
    read = partial(chunks, damage(data), chunk)
    return Frame(bill=bill, format=format_, name="x.tar.zst", read=read)


def contents(given: Frame) -> list[tuple[str, bytes]]:
    """Path and content of each member."""
    return [(member.file.path, b"".join(member.content)) for member in read_members(given)]


def read_all(given: Frame) -> None:
    """Read a frame to its end."""
    contents(given)


@pytest.mark.parametrize("format_", list(Format))
@pytest.mark.parametrize("chunk", [1 << 20, 7])
@pytest.mark.parametrize("is_last", [False, True])
def test_members_come_as_billed(format_: Format, chunk: int, *, is_last: bool) -> None:
    """Each member with its content, however its bytes arrive."""
    members = MEMBERS[:4] if chunk == 7 else MEMBERS
    assert [(item.file.path, item.content) for item in members] == contents(
        frame(members, format_=format_, chunk=chunk, is_last=is_last)
    )


def test_members_carry_the_time_of_their_package() -> None:
    """The time stands on the bill once a package."""
    members: list[Member] = []
    for member in read_members(frame(MEMBERS[:1])):
        members.append(member)
        b"".join(member.content)
    assert [1_700_000_000] == [member.mtime for member in members]


def test_a_frame_without_members_is_the_end() -> None:
    """The last frame may hold nothing but the end of the archive."""
    assert [] == contents(frame((), is_last=True))


def test_another_header_is_refused() -> None:
    """Every bit of a header is known beforehand: this one has another mode."""
    given = frame(edit=lambda stream: stream.replace(b"0000644\0", b"0000755\0", 1))
    with pytest.raises(ArchiveError, match=r"does not match the bill \(expected bin/a\)"):
        read_all(given)


def test_a_frame_that_ends_early_is_refused() -> None:
    """A tar stream cut off between two members lacks a header."""
    given = frame(MEMBERS[:2], edit=lambda stream: stream[:1024])
    with pytest.raises(ArchiveError, match=r"\(expected bin/b, after bin/a\)"):
        read_all(given)


def test_a_content_that_ends_early_is_refused() -> None:
    """A tar stream cut off in the content lacks its padding."""
    given = frame(MEMBERS[:1], edit=lambda stream: stream[:514])
    with pytest.raises(ArchiveError, match="damaged at bin/a"):
        read_all(given)


def test_padding_holds_nothing() -> None:
    """What fills the last block is zeros; nothing can be hidden there."""
    given = frame(MEMBERS[:1], edit=lambda stream: stream[:-1] + b"x")
    with pytest.raises(ArchiveError, match="damaged at bin/a"):
        read_all(given)


def test_nothing_follows_the_members() -> None:
    """A member that is not on the bill is more than the bill lists."""
    given = frame(edit=lambda stream: stream + bytes(512))
    with pytest.raises(ArchiveError, match="contains more than its bill lists"):
        read_all(given)


@pytest.mark.parametrize(
    "edit", [lambda stream: stream[:-1], lambda stream: stream + b"\0"], ids=["short", "long"]
)
def test_the_archive_ends_as_it_must(edit: Callable[[bytes], bytes]) -> None:
    """Two blocks of zeros, not a byte less and not one more."""
    with pytest.raises(ArchiveError, match="contains more than its bill lists"):
        read_all(frame(is_last=True, edit=edit))


@pytest.mark.parametrize("format_", [Format.ZSTD, Format.GZIP])
def test_a_frame_that_cannot_be_decompressed_is_refused(format_: Format) -> None:
    """A compressor's own complaint is ours."""
    given = frame(format_=format_, damage=lambda data: data[:20] + b"\xff" * 20 + data[40:])
    with pytest.raises(ArchiveError):
        read_all(given)


def test_other_bytes_of_the_same_content_are_refused() -> None:
    """A frame compressed in another way is not the frame of the bill."""
    whole = frame(MEMBERS[:1], format_=Format.ZSTD)
    stream = b"".join(whole.bill.headers()) + SMALL + padding(len(SMALL))
    engine = compressor(Format.ZSTD, Level.SMALL, len(stream))
    other = engine.feed(stream) + engine.finish()
    given = replace(whole, read=partial(chunks, other, 1 << 20))
    with pytest.raises(DigestMismatchError, match="the compressed bytes of tool do not match"):
        read_all(given)


def test_other_content_is_given_to_whoever_hashes_it() -> None:
    """Where nothing is compressed, wrong content reaches the reader; the digest ends it."""
    given = frame(
        MEMBERS[:1], format_=Format.TAR, damage=lambda data: data.replace(SMALL, b"CARGO")
    )
    found: list[bytes] = []
    with pytest.raises(DigestMismatchError):
        found.extend(b"".join(member.content) for member in read_members(given))
    assert [b"CARGO"] == found
