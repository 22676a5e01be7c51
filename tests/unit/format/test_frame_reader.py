"""Reading frames by the bill."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

import pytest
from msgspec.structs import replace

from lading.conda.paths import Kind
from lading.errors import ArchiveError, DigestMismatchError
from lading.format.compression import Format, Level, compress
from lading.format.contents import FrameSlice
from lading.format.file_list import ManifestFile
from lading.format.frame_reader import Frame, read_members
from lading.format.frames import FRAME_BYTES, Piece, cut_frames, frame_size
from lading.format.manifest import ManifestFrame, ManifestList, ManifestPackage
from lading.format.tar_header import padding
from lading.system.digest import sha256_of

SMALL = b"cargo"
LARGE = bytes(range(256)) * 10_000
MTIME = 1_700_000_000


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


def stream_of(members: Sequence[Listed]) -> bytes:
    """The tar stream of `members`."""
    return b"".join(
        item.file.header(MTIME) + item.content + padding(len(item.content)) for item in members
    )


def placed(stream: bytes, pieces: tuple[Piece, ...], format_: Format) -> tuple[FrameSlice, bytes]:
    """The bill of a frame of `stream`, and its compressed bytes."""
    data = compress(format_, Level.FAST, stream)
    listed = ManifestList(offset=0, length=1, size=1, sha256="", frame_sha256="")
    package = ManifestPackage(
        name="tool", manager="conda", files=0, size=0, listed=listed, frames=()
    )
    frame = ManifestFrame(
        offset=0, length=len(data), size=frame_size(pieces), sha256=sha256_of(data).hex
    )
    return FrameSlice(package=package, mtime=MTIME, frame=frame, pieces=pieces), data


def frame(  # each is one way of being wrong
    members: Sequence[Listed] = MEMBERS,
    *,
    format_: Format = Format.ZSTD,
    edit: Callable[[bytes], bytes] = same,
    damage: Callable[[bytes], bytes] = same,
) -> Frame:
    """A frame of `members`: its tar stream by `edit`, its compressed bytes by `damage`.

    The bill has the digest of what stood there before the damage.
    """
    [pieces] = cut_frames([item.file for item in members])
    bill, data = placed(edit(stream_of(members)), pieces, format_)
    return Frame(bill=bill, format=format_, name="x.tar.zst", read=lambda: damage(data))


def contents(given: Frame) -> list[tuple[str, bytes]]:
    """Path and content of each member."""
    return [(member.file.path, bytes(member.content)) for member in read_members(given)]


@pytest.mark.parametrize("format_", list(Format))
def test_members_come_as_billed(format_: Format) -> None:
    """Each member with its content."""
    assert [(item.file.path, item.content) for item in MEMBERS] == contents(frame(format_=format_))


def test_members_carry_the_time_of_their_package() -> None:
    """The time stands in the list once."""
    assert {MTIME} == {member.mtime for member in read_members(frame())}


@pytest.mark.parametrize("format_", list(Format))
def test_a_large_member_comes_in_pieces(format_: Format) -> None:
    """Each says where in the content it begins; together they are the content."""
    content = sha256(b"x").digest() * (2 * FRAME_BYTES // 32) + b"rest"
    members = (listed("before", SMALL), listed("large", content), listed("behind", SMALL))
    stream = stream_of(members)
    found = bytearray(len(content))
    whole = []
    for pieces in cut_frames([item.file for item in members]):
        size = frame_size(pieces)
        bill, data = placed(stream[:size], pieces, format_)
        stream = stream[size:]
        given = Frame(bill=bill, format=format_, name="x", read=lambda data=data: data)
        for member in read_members(given):
            whole.append((member.file.path, member.is_whole))
            if member.file.path == "large":
                found[member.start : member.start + len(member.content)] = member.content
    assert (content, b"") == (found, stream)
    assert [("before", True), *[("large", False)] * 3, ("behind", True)] == whole


def test_another_header_is_refused() -> None:
    """Every bit of a header is known beforehand: this one has another mode."""
    given = frame(edit=lambda stream: stream.replace(b"0000644\0", b"0000755\0", 1))
    with pytest.raises(ArchiveError, match=r"does not match the bill \(expected bin/a\)"):
        contents(given)


def test_padding_holds_nothing() -> None:
    """What fills the last block is zeros; nothing can be hidden there."""
    given = frame(MEMBERS[:1], edit=lambda stream: stream[:-1] + b"x")
    with pytest.raises(ArchiveError, match="expected bin/a"):
        contents(given)


@pytest.mark.parametrize(
    "edit",
    [
        lambda stream: stream[:1024],
        lambda stream: stream[:514],
        lambda stream: stream + bytes(512),
        lambda stream: stream[:-1],
        lambda stream: stream + b"\0",
    ],
    ids=["a member less", "half a member", "a block more", "a byte less", "a byte more"],
)
@pytest.mark.parametrize("format_", list(Format))
def test_a_frame_is_as_long_as_its_members(edit: Callable[[bytes], bytes], format_: Format) -> None:
    """Neither does anything lack, nor does anything follow."""
    with pytest.raises(ArchiveError, match="has another size than its bill says"):
        contents(frame(edit=edit, format_=format_))


@pytest.mark.parametrize("format_", list(Format))
def test_a_damaged_frame_is_refused_before_it_is_decompressed(format_: Format) -> None:
    """The digest of its compressed bytes is compared first."""
    given = frame(format_=format_, damage=lambda data: data[:20] + b"\xff" * 20 + data[40:])
    with pytest.raises(DigestMismatchError, match="the compressed bytes of tool do not match"):
        contents(given)


def test_other_bytes_of_the_same_content_are_refused() -> None:
    """A frame compressed in another way is not the frame of the bill."""
    other = compress(Format.ZSTD, Level.SMALL, stream_of(MEMBERS[:1]))
    given = replace(frame(MEMBERS[:1]), read=lambda: other)
    with pytest.raises(DigestMismatchError, match="the compressed bytes of tool do not match"):
        contents(given)


def test_nothing_of_a_wrong_frame_is_given_away() -> None:
    """Where nothing is compressed, wrong content reaches nobody."""
    given = frame(
        MEMBERS[:1], format_=Format.TAR, damage=lambda data: data.replace(SMALL, b"CARGO")
    )
    with pytest.raises(DigestMismatchError):
        next(iter(read_members(given)))
