"""The content of a package as blocks of a squashfs file system, relocated to one prefix.

A file is cut into blocks, each compressed by itself. Files that are smaller than a block share one,
a fragment, with others of the package. So the blocks depend on the package, the prefix and the
level alone: they can be made beside those of all others, and kept for the next image.

Memory holds one file with a placeholder, and a few blocks for each thread.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import msgspec

from lading.conda import Kind, replace_placeholder
from lading.format import Level, block_size, compress_blocks
from lading.pack.members import Buffer, ShippedMember
from lading.system import OrderedWork

RAW = 1 << 24
"""In the size of a block: it is stored as it is."""

IN_FRAGMENT = -1
"""Instead of the number of blocks: the file lies in a fragment."""

_BATCH = 4
"""How many blocks a thread gets at once."""

_Stored = list[tuple[bytes, int]]
"""Blocks as they are stored, each with the size that says how."""


class FilePlace(msgspec.Struct, frozen=True, array_like=True):
    """Where the content of a file lies among the blocks of its package.

    Attributes:
        size: In bytes, with the prefix of the image in it.
        first: Number of its first block, or of its fragment.
        count: How many blocks it has, or `IN_FRAGMENT`.
        offset: Of its first byte in its fragment.
    """

    size: int
    first: int = 0
    count: int = 0
    offset: int = 0


class ImageBlocks(msgspec.Struct, frozen=True, array_like=True):
    """The blocks of a package, which lie behind each other.

    Attributes:
        length: Of all in bytes.
        sizes: Of each block where it is stored, plus `RAW` where it was not compressed. One that
            holds nothing but zeros has the size 0.
        fragments: Which blocks are fragments, by number.
        places: Of the files, in the order of the file list.
    """

    length: int
    sizes: tuple[int, ...]
    fragments: tuple[int, ...]
    places: tuple[FilePlace, ...]


@dataclass(slots=True, kw_only=True)
class BlockWriter:
    """Makes the blocks of one package.

    Attributes:
        level: Of compression.
        prefix: Of the image.
        keep: Gets the blocks in order.
    """

    level: Level
    prefix: bytes
    keep: Callable[[bytes], object]
    _length: int = 0
    _sizes: list[int] = field(default_factory=list)
    _fragments: list[int] = field(default_factory=list)
    _places: list[FilePlace] = field(default_factory=list)
    _known: dict[str, FilePlace] = field(default_factory=dict)
    _fragment: bytearray = field(default_factory=bytearray)
    _begun: int = 0
    _first: int = 0
    _size: int = 0
    _block: bytearray = field(default_factory=bytearray)
    _batch: list[bytearray] = field(default_factory=list)
    _compressing: OrderedWork[list[bytearray], _Stored] = field(init=False)

    @classmethod
    @contextmanager
    def opened(
        cls, level: Level, prefix: str, keep: Callable[[bytes], object], threads: int
    ) -> Iterator["BlockWriter"]:
        """A writer with threads of its own; with one thread there are none."""
        writer = cls(level=level, prefix=prefix.encode(), keep=keep)
        compress = partial(_compressed, level)
        with OrderedWork.opened(compress, writer._store, threads, ahead=2) as compressing:
            writer._compressing = compressing
            yield writer

    def teed(self, member: ShippedMember) -> ShippedMember:
        """The same member; while its content is read, blocks are made of it."""
        if member.kind is not Kind.FILE:
            return member
        return msgspec.structs.replace(member, read=partial(self._read, member))

    def finish(self) -> ImageBlocks:
        """Make the last blocks; return where everything lies."""
        self._end_fragment()
        self._compress()
        self._compressing.finish()
        return ImageBlocks(
            length=self._length,
            sizes=tuple(self._sizes),
            fragments=tuple(self._fragments),
            places=tuple(self._places),
        )

    def write(self, content: Buffer) -> None:
        """Place a whole file."""
        self._add(content)
        self._places.append(self._end_file())

    def _read(self, member: ShippedMember) -> Iterator[Buffer]:
        """Yield the content as shipped, and place it as the image has it."""
        if member.occurrences is not None:
            shipped = b"".join(member.read())
            yield shipped
            self.write(replace_placeholder(shipped, member.occurrences, self.prefix))
            return
        # What is read is compared with what was promised: files that promise the same are the same.
        digest = member.sha256 or (member.promised.hex if member.promised else "")
        known = self._known.get(digest)
        for chunk in member.read():
            if known is None:
                self._add(chunk)
            yield chunk
        place = known or self._end_file()
        self._places.append(place)
        if digest:
            self._known[digest] = place

    def _add(self, chunk: Buffer) -> None:
        """Cut a part of a file into blocks."""
        self._size += len(chunk)
        size = block_size(self.level)
        view = memoryview(chunk)
        while view:
            room = size - len(self._block)
            self._block += view[:room]
            view = view[room:]
            if len(self._block) == size:
                self._end_block()

    def _end_file(self) -> FilePlace:
        """Where the file lies whose parts have come."""
        size, self._size = self._size, 0
        if 0 < size < block_size(self.level):
            return self._in_fragment()
        if self._block:
            self._end_block()
        first, self._first = self._first, self._begun
        return FilePlace(size, first, self._begun - first)

    def _in_fragment(self) -> FilePlace:
        """Put what is smaller than a block behind others."""
        content, self._block = self._block, bytearray()
        if len(self._fragment) + len(content) > block_size(self.level):
            self._end_fragment()
        offset = len(self._fragment)
        self._fragment += content
        return FilePlace(len(content), len(self._fragments), IN_FRAGMENT, offset)

    def _end_fragment(self) -> None:
        """End a fragment. It is stored even if it is zeros: Linux takes no size of 0 here."""
        if self._fragment:
            self._fragments.append(self._begun)
            fragment, self._fragment = self._fragment, bytearray()
            self._give(fragment)
            self._first = self._begun

    def _end_block(self) -> None:
        """End a block of a file; of one that is zeros nothing is stored."""
        block, self._block = self._block, bytearray()
        self._give(block if any(block) else bytearray())

    def _give(self, block: bytearray) -> None:
        self._batch.append(block)
        self._begun += 1
        if len(self._batch) == _BATCH:
            self._compress()

    def _compress(self) -> None:
        """Compress the blocks that have come."""
        batch, self._batch = self._batch, []
        self._compressing.give(batch)

    def _store(self, blocks: _Stored) -> None:
        for data, size in blocks:
            self._sizes.append(size)
            self._length += len(data)
            self.keep(data)


def _compressed(level: Level, blocks: list[bytearray]) -> _Stored:
    """What is stored of each block, and the size that says how."""
    compressed = compress_blocks(level, blocks)
    return [
        (data, len(data) | RAW if data and len(data) == len(block) else len(data))
        for block, data in zip(blocks, compressed, strict=True)
    ]
