"""Make the frames of one package: write tar members, cut them into frames, compress each.

A frame depends on its package and the options alone. So it can be made beside all others, kept by
its content, and fetched alone. Memory holds one frame, whatever the size of the package.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec

from lading.conda import Kind
from lading.errors import ArchiveError
from lading.format import (
    Format,
    Header,
    Level,
    ManifestFile,
    Relocation,
    compress,
    cut,
    list_member,
    padding,
    render_file_list,
    render_header,
)
from lading.pack.members import ShippedMember
from lading.system import sha256_of


class EncodedFrame(msgspec.Struct, frozen=True, array_like=True):
    """One frame.

    Attributes:
        length: Of its compressed bytes.
        size: Of its content in bytes.
        sha256: Of its compressed bytes, hexadecimal.
    """

    length: int
    size: int
    sha256: str


class EncodedPackage(msgspec.Struct, frozen=True, array_like=True):
    """What is known of a package whose frames were made.

    Attributes:
        frames: Of its members, in order.
        list_frame: Of its file list.
        document: The file list.
        files: What the list lists.
        relocations: What relocation will rewrite of them, in order.
    """

    frames: tuple[EncodedFrame, ...]
    list_frame: EncodedFrame
    document: bytes
    files: tuple[ManifestFile, ...]
    relocations: tuple[Relocation, ...]

    @property
    def length(self) -> int:
        """The compressed bytes of all frames."""
        return sum(frame.length for frame in self.frames) + self.list_frame.length


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How all frames of a tarball are made.

    Attributes:
        format: Of the tarball.
        level: Of compression.
        newest: No member is newer, in Unix seconds; `SOURCE_DATE_EPOCH`, or None.
    """

    format: Format
    level: Level
    newest: int | None = None


def encode_package(
    members: Iterable[ShippedMember],
    *,
    path: str,
    mtime: int,
    style: Style,
    keep: Callable[[bytes], object],
) -> EncodedPackage:
    """Make the frames of a package; `keep` gets each as soon as it is made.

    Args:
        members: In the order of the archive; each is read once, when it is its turn.
        path: Where the file list will stand, archive-relative.
        mtime: What the members carry, in Unix seconds.
        style: Of the tarball.
        keep: Gets the compressed bytes of the frames in order, then those of the file list's.

    Raises:
        LadingError: A member cannot be read, or is not as long as it should be.
    """
    writer = _FrameWriter(style=style, keep=keep)
    files = []
    relocations = []
    for member in members:
        item = writer.write(member, mtime)
        files.append(item)
        if member.occurrences is not None:
            relocations.append(Relocation.of(member.path, member.size, member.occurrences))
    writer.end_frame()
    document = render_file_list(mtime, files)
    return EncodedPackage(
        frames=tuple(writer.frames),
        list_frame=writer.compressed(list_member(path, document, mtime)),
        document=document,
        files=tuple(files),
        relocations=tuple(relocations),
    )


@dataclass(slots=True, kw_only=True)
class _FrameWriter:
    """The stream of a package, cut into frames by the rule of the format."""

    style: Style
    keep: Callable[[bytes], object]
    frames: list[EncodedFrame] = field(default_factory=list)
    buffer: bytearray = field(default_factory=bytearray)

    def write(self, member: ShippedMember, mtime: int) -> ManifestFile:
        """Write a member; return its entry of the file list."""
        header = Header(
            path=member.path,
            kind=member.kind,
            size=member.size,
            executable=member.executable,
            mtime=mtime,
            target=member.target,
        )
        block = render_header(header)
        filling = padding(member.size)
        cuts = list(cut(len(self.buffer), len(block) + member.size + len(filling)))
        position = self._append(block, 0, cuts)
        hasher = hashlib.sha256()
        if member.kind is Kind.FILE:
            for chunk in member.read():
                hasher.update(chunk)
                position = self._append(chunk, position, cuts)
            if position != len(block) + member.size:
                raise ArchiveError(
                    f"{member.path} has not the {member.size} bytes that it should have",
                    hint="clear the package cache and fetch it again",
                )
        self._append(filling, position, cuts)
        where = member.occurrences
        return ManifestFile(
            path=member.path,
            type=member.kind,
            mode=f"{header.mode:04o}",
            size=member.size,
            sha256=hasher.hexdigest() if member.kind is Kind.FILE else "",
            target=member.target,
            placeholder=where.placeholder.decode() if where else "",
            placeholder_mode=where.mode if where else None,
        )

    def _append(self, data: bytes, position: int, cuts: list[int]) -> int:
        """Append a part of a member that begins at `position` in it; return where it ends."""
        view = memoryview(data)
        while view:
            if cuts and cuts[0] == position:
                cuts.pop(0)
                self.end_frame()
            part = view[: cuts[0] - position] if cuts else view
            self.buffer += part
            position += len(part)
            view = view[len(part) :]
        return position

    def end_frame(self) -> None:
        """Compress what has come since the last frame, if anything has."""
        if self.buffer:
            self.frames.append(self.compressed(bytes(self.buffer)))
            self.buffer.clear()

    def compressed(self, content: bytes) -> EncodedFrame:
        """Compress `content` to a frame, and give it away."""
        data = compress(self.style.format, self.style.level, content)
        self.keep(data)
        return EncodedFrame(length=len(data), size=len(content), sha256=sha256_of(data).hex)
