"""Make the frames of one package: write tar members, cut them into frames, compress each.

A frame depends on its package and the options alone. So it can be made beside all others, kept by
its content, and fetched alone. Memory holds one frame, whatever the size of the package.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap
from typing import NamedTuple

import msgspec

from lading.conda import Kind
from lading.errors import ArchiveError
from lading.format import (
    FRAME_BYTES,
    Format,
    Header,
    Level,
    ManifestFile,
    Relocation,
    compress,
    cut,
    describe,
    describe_blocks,
    list_member,
    padding,
    render_file_list,
    render_header,
)
from lading.pack.image_blocks import BlockWriter, ImageBlocks
from lading.pack.members import Buffer, ShippedMember, check_promised
from lading.package import CheckedPackage, Payload
from lading.system import OrderedWork, sha256_of


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


class Origin(msgspec.Struct, frozen=True, array_like=True):
    """What is known of a package besides its frames, so that its archive need not be read again.

    Attributes:
        checked: What the checks on all packages together need; None for pip distributions.
        payload: Without its files, but those with variables for activation.
    """

    checked: CheckedPackage | None
    payload: Payload


class EncodedPackage(msgspec.Struct, frozen=True, array_like=True):
    """What is known of a package whose frames were made.

    Attributes:
        frames: Of its members, in order; none for an image.
        list_frame: Of its file list.
        document: The file list.
        files: What the list lists.
        relocations: What relocation will rewrite of them, in order.
        origin: Where it came from; None where that is not kept.
        blocks: Those of an image, which lie in the file instead of frames; None for a tarball.
    """

    frames: tuple[EncodedFrame, ...]
    list_frame: EncodedFrame
    document: bytes
    files: tuple[ManifestFile, ...]
    relocations: tuple[Relocation, ...]
    origin: Origin | None = None
    blocks: ImageBlocks | None = None

    @property
    def length(self) -> int:
        """The bytes of the frames, or of the blocks."""
        if self.blocks is not None:
            return self.blocks.length
        return sum(frame.length for frame in (*self.frames, self.list_frame))


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How all frames of a tarball are made.

    Attributes:
        format: Of the tarball.
        level: Of compression.
        newest: No member is newer, in Unix seconds; `SOURCE_DATE_EPOCH`, or None.
        prefix: Where the image is mounted that blocks are made for; empty for a tarball.
    """

    format: Format
    level: Level
    newest: int | None = None
    prefix: str = ""

    @property
    def compressor(self) -> dict[str, str]:
        """What determines the compressed bytes, for the bill."""
        if self.prefix:
            return describe_blocks(self.level)
        return describe(self.format, self.level)


def encode_package(
    members: Iterable[ShippedMember],
    *,
    path: str,
    mtime: int,
    style: Style,
    keep: Callable[[bytes], object],
    threads: int = 1,
) -> EncodedPackage:
    """Make the frames of a package, or blocks for an image; `keep` gets each when it is made.

    Args:
        members: In the order of the archive; each is read once, when it is its turn.
        path: Where the file list will stand, archive-relative.
        mtime: What the members carry, in Unix seconds.
        style: Of the tarball.
        keep: Gets the compressed bytes of the frames in order, then those of the file list's; or
            those of the blocks.
        threads: How many frames are compressed at once; as many more are held in memory.

    Raises:
        LadingError: A member cannot be read, or is not as long as it should be.
    """
    if not style.prefix:
        return _encode(members, path, mtime, _FrameWriter.opened(style, keep, threads))
    with BlockWriter.opened(style.level, style.prefix, keep, threads) as blocks:
        frames = _NoFrames.opened(style, _forget, 1)
        encoded = _encode(map(blocks.teed, members), path, mtime, frames)
        return msgspec.structs.replace(encoded, blocks=blocks.finish())


def _encode(
    members: Iterable[ShippedMember],
    path: str,
    mtime: int,
    opened: AbstractContextManager["_FrameWriter"],
) -> EncodedPackage:
    files = []
    relocations = []
    with opened as writer:
        for member in members:
            item = writer.write(member, mtime)
            files.append(item)
            if member.occurrences is not None:
                relocations.append(Relocation.of(member.path, member.size, member.occurrences))
        document = render_file_list(mtime, files)
        writer.write_alone(list_member(path, document, mtime))
    *frames, list_frame = writer.frames
    return EncodedPackage(
        frames=tuple(frames),
        list_frame=list_frame,
        document=document,
        files=tuple(files),
        relocations=tuple(relocations),
    )


def _forget(_frame: bytes) -> None:
    """The list of a package stands in an image as a file."""


class _Frame(NamedTuple):
    """A compressed frame, the size of its content, and its SHA-256, hexadecimal."""

    data: bytes
    size: int
    sha256: str


def _buffer() -> memoryview:
    """Room for a frame, of which only what is used takes memory: most packages are small.

    Bytes that are assigned to a view are copied once, to a bytearray twice.
    """
    return memoryview(mmap(-1, FRAME_BYTES, MAP_PRIVATE | MAP_ANONYMOUS))


@dataclass(slots=True, kw_only=True)
class _FrameWriter:
    """The stream of a package, cut into frames by the rule of the format."""

    keep: Callable[[bytes], object]
    frames: list[EncodedFrame] = field(default_factory=list)
    buffer: memoryview = field(default_factory=_buffer)
    filled: int = 0
    compressing: OrderedWork[Buffer, _Frame] = field(init=False)

    @classmethod
    @contextmanager
    def opened(
        cls, style: Style, keep: Callable[[bytes], object], threads: int
    ) -> Iterator["_FrameWriter"]:
        """A writer with threads of its own; with one thread there are none."""
        writer = cls(keep=keep)
        compress = partial(_compressed, style)
        with OrderedWork.opened(compress, writer._keep, threads) as compressing:
            writer.compressing = compressing
            yield writer

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
        cuts = list(cut(self.filled, len(block) + member.size + len(filling)))
        position = self._append(block, 0, cuts)
        digest = member.sha256
        if member.kind is Kind.FILE:
            hasher = hashlib.sha256()
            for chunk in member.read():
                if not digest:
                    hasher.update(chunk)
                position = self._append(chunk, position, cuts)
            if position != len(block) + member.size:
                raise ArchiveError(
                    f"{member.path} has not the {member.size} bytes that it should have",
                    hint="clear the package cache and fetch it again",
                )
            if not digest:
                digest = hasher.hexdigest()
                check_promised(member.path, digest, member.promised, member.place)
        self._append(filling, position, cuts)
        where = member.occurrences
        return ManifestFile(
            path=member.path,
            type=member.kind,
            mode=f"{header.mode:04o}",
            size=member.size,
            sha256=digest,
            target=member.target,
            placeholder=where.placeholder.decode() if where else "",
            placeholder_mode=where.mode if where else None,
        )

    def _append(self, data: Buffer, position: int, cuts: list[int]) -> int:
        """Append a part of a member that begins at `position` in it; return where it ends."""
        end = position + len(data)
        rest = data
        while cuts and cuts[0] <= end and len(rest):
            here = cuts[0] - position
            self._put(rest[:here])
            rest, position = rest[here:], cuts.pop(0)
            self.end_frame()
        self._put(rest)
        return end

    def _put(self, data: Buffer) -> None:
        filled = self.filled + len(data)
        self.buffer[self.filled : filled] = data
        self.filled = filled

    def end_frame(self) -> None:
        """Compress what has come since the last frame, if anything has."""
        if not self.filled:
            return
        content = self.buffer[: self.filled]
        self.filled = 0
        self.compressing.give(content)
        if self.compressing.pool is not None:
            # A thread still reads this one.
            self.buffer = _buffer()

    def write_alone(self, content: bytes) -> None:
        """Make a last frame of `content` alone, and wait for all."""
        self.end_frame()
        self.compressing.give(content)
        self.compressing.finish()

    def _keep(self, frame: _Frame) -> None:
        self.keep(frame.data)
        self.frames.append(EncodedFrame(len(frame.data), frame.size, frame.sha256))


class _NoFrames(_FrameWriter):
    """The stream of a package of an image: its members are counted and hashed, and not kept."""

    def _append(self, data: Buffer, position: int, cuts: list[int]) -> int:  # noqa: ARG002  # as above
        return position + len(data)


def _compressed(style: Style, content: Buffer) -> _Frame:
    data = compress(style.format, style.level, content)
    return _Frame(data, len(content), sha256_of(data).hex)
