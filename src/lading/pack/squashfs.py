"""The tables of a squashfs file system: which paths there are, and where their content lies.

The content is there already, as blocks, see `image_blocks`. Behind it stand the inodes, the
directories, where the fragments lie, and the one owner, root. The first bytes of the file, written
last, say where these begin. Directories that nothing lists have the mode 0755.

Source: `fs/squashfs/squashfs_fs.h` of Linux; file systems are little-endian.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from lading.conda import Kind
from lading.format import SQUASHFS_MAGIC, Level, ManifestFile, block_size, compress_blocks
from lading.pack.image_blocks import IN_FRAGMENT, RAW, FilePlace, ImageBlocks

HEAD_BYTES = 96

_VERSION = (4, 0)
_ZSTD = 6
_NO_XATTRS, _IS_DEDUPLICATED = 0x200, 0x40
_NOTHING = (1 << 64) - 1
_NO_FRAGMENT = (1 << 32) - 1
_TABLE_BLOCK_BYTES = 8 << 10
_PLAIN = 1 << 15
"""In the size of a block of a table: it is not compressed."""

_DIRECTORY, _FILE, _LINK, _LARGE_DIRECTORY, _LARGE_FILE = 1, 2, 3, 8, 9
_TYPES = {Kind.DIRECTORY: _DIRECTORY, Kind.FILE: _FILE, Kind.LINK: _LINK}
_MOST_IN_RUN = 256
_MOST_AWAY = 1 << 15
_PADDING = 4096

_HEAD = struct.Struct("<4s4I6H8Q")
_INODE = struct.Struct("<4H2I")
_RUN = struct.Struct("<3I")
_ENTRY = struct.Struct("<HhHH")


@dataclass(slots=True, kw_only=True)
class _Node:
    """A path.

    Attributes:
        kind: What is there.
        mode: Permission bits.
        mtime: In Unix seconds.
        content: Of a file: where it lies, its first byte in the image, and the sizes of its blocks.
        target: Of a link.
        children: Of a directory: name → path.
        number: Of its inode, from 1.
        parent: Number of its directory; that of the root is one that no inode has.
        place: Of its inode: the block of the table, and the byte in that.
    """

    kind: Kind = Kind.DIRECTORY
    mode: int = 0o755
    mtime: int = 0
    content: tuple[FilePlace, int, tuple[int, ...]] = (FilePlace(0), 0, ())
    target: bytes = b""
    children: dict[bytes, "_Node"] = field(default_factory=dict)
    number: int = 0
    parent: int = 0
    place: tuple[int, int] = (0, 0)


@dataclass(slots=True, kw_only=True)
class FileSystem:
    """A squashfs file system whose content is being written.

    Attributes:
        level: Of compression.
        position: Where its next byte goes in the file.
    """

    level: Level
    position: int = HEAD_BYTES
    _nodes: dict[str, _Node] = field(default_factory=lambda: {"": _Node()})
    _fragments: list[tuple[int, int]] = field(default_factory=list)

    def add(self, files: Iterable[ManifestFile], blocks: ImageBlocks, mtime: int) -> None:
        """Add a package whose blocks go to `position`; its members carry `mtime`."""
        starts = [self.position]
        for size in blocks.sizes:
            starts.append(starts[-1] + (size & (RAW - 1)))
        base = len(self._fragments)
        self._fragments += [(starts[number], blocks.sizes[number]) for number in blocks.fragments]
        places = iter(blocks.places)
        for item in files:
            node = self._node(item.path)
            node.kind, node.mode, node.mtime = item.type, int(item.mode, 8), mtime
            node.target = item.target.encode()
            if item.type is Kind.FILE:
                node.content = _content(next(places), base, starts, blocks.sizes)
        self.position = starts[-1]

    def tables(self) -> tuple[bytes, bytes]:
        """What stands behind the content, up to the end of the file; and what goes to its head."""
        root = self._nodes[""]
        order = _numbered(root)
        inodes, directories = _Table(self.level), _Table(self.level)
        for node in reversed(order):
            if node.kind is Kind.DIRECTORY:
                _write_directory(node, inodes, directories)
        entries = [struct.pack("<QII", *entry, 0) for entry in self._fragments]
        starts = [self.position]
        parts = [inodes.finish(), directories.finish()]
        starts.append(starts[0] + len(parts[0]))
        end = starts[1] + len(parts[1])
        for table in (entries, [bytes(4)]):
            blocks, index = _indexed(self.level, table, end)
            parts += [blocks, index]
            starts.append(end + len(blocks))
            end = starts[-1] + len(index)
        block, offset = root.place
        size = block_size(self.level)
        head = _HEAD.pack(
            *(SQUASHFS_MAGIC, len(order), 0, size, len(entries)),
            *(_ZSTD, size.bit_length() - 1, _NO_XATTRS | _IS_DEDUPLICATED, 1, *_VERSION),
            *(block << 16 | offset, end, starts[3], _NOTHING, *starts[:3], _NOTHING),
        )
        return b"".join([*parts, bytes(-end % _PADDING)]), head

    def _node(self, path: str) -> _Node:
        """The node at `path`, made where it is missing; the root has no name."""
        found = self._nodes.get(path)
        if found is None:
            found = self._nodes[path] = _Node()
            parent, _, name = path.rpartition("/")
            self._node(parent).children[name.encode()] = found
        return found


def _content(
    place: FilePlace, base: int, starts: list[int], sizes: tuple[int, ...]
) -> tuple[FilePlace, int, tuple[int, ...]]:
    """Where a file lies in the image: its fragment's number counts from `base` on."""
    if place.count == IN_FRAGMENT:
        return FilePlace(place.size, place.first + base, IN_FRAGMENT, place.offset), 0, ()
    return place, starts[place.first], sizes[place.first : place.first + place.count]


def _numbered(root: _Node) -> list[_Node]:
    """All nodes, a directory before what is in it, its entries by name; each gets its number."""
    order = [root]
    for number, node in enumerate(order, start=1):
        node.number = number
        node.children = dict(sorted(node.children.items()))
        for child in node.children.values():
            child.parent = number
        order += node.children.values()
    root.parent = len(order) + 1
    return order


class _Table:
    """Records in compressed blocks; a record may begin in one and end in the next."""

    def __init__(self, level: Level) -> None:
        self._level = level
        self._blocks = bytearray()
        self._rest = bytearray()

    def add(self, record: bytes) -> tuple[int, int]:
        """Add a record; return the block where it begins, and the byte in that."""
        place = len(self._blocks), len(self._rest)
        self._rest += record
        while len(self._rest) >= _TABLE_BLOCK_BYTES:
            self._end_block()
        return place

    def finish(self) -> bytes:
        """The blocks."""
        if self._rest:
            self._end_block()
        return bytes(self._blocks)

    def _end_block(self) -> None:
        block = self._rest[:_TABLE_BLOCK_BYTES]
        del self._rest[:_TABLE_BLOCK_BYTES]
        [data] = compress_blocks(self._level, [block])
        size = len(data) if len(data) < len(block) else len(data) | _PLAIN
        self._blocks += size.to_bytes(2, "little") + data


def _indexed(level: Level, records: list[bytes], start: int) -> tuple[bytes, bytes]:
    """A table that stands at `start`, and the places of its blocks, which stand behind it."""
    table = _Table(level)
    places = {start + table.add(record)[0] for record in records}
    return table.finish(), b"".join(place.to_bytes(8, "little") for place in sorted(places))


def _write_directory(node: _Node, inodes: _Table, directories: _Table) -> None:
    """Write what is in a directory, the inodes of which only directories have, and its own."""
    for child in node.children.values():
        if child.kind is not Kind.DIRECTORY:
            child.place = inodes.add(_inode(child))
    entries = b"".join(_runs(node.children))
    block, offset = directories.add(entries)
    links = 2 + sum(child.kind is Kind.DIRECTORY for child in node.children.values())
    size = len(entries) + 3
    if size < 1 << 16:
        rest = struct.pack("<2I2HI", block, links, size, offset, node.parent)
        node.place = inodes.add(_header(node, _DIRECTORY) + rest)
    else:
        rest = struct.pack("<4I2HI", links, size, block, node.parent, 0, offset, _NO_FRAGMENT)
        node.place = inodes.add(_header(node, _LARGE_DIRECTORY) + rest)


def _runs(children: Mapping[bytes, _Node]) -> Iterator[bytes]:
    """The entries of a directory: those of a run have their inodes near each other."""
    run: list[bytes] = []
    block = base = 0
    for name, child in children.items():
        is_near = child.place[0] == block and abs(child.number - base) < _MOST_AWAY
        if run and (not is_near or len(run) == _MOST_IN_RUN):
            yield _RUN.pack(len(run) - 1, block, base) + b"".join(run)
            run = []
        if not run:
            block, base = child.place[0], child.number
        away = child.number - base
        run.append(_ENTRY.pack(child.place[1], away, _TYPES[child.kind], len(name) - 1) + name)
    if run:
        yield _RUN.pack(len(run) - 1, block, base) + b"".join(run)


def _header(node: _Node, kind: int) -> bytes:
    return _INODE.pack(kind, node.mode, 0, 0, node.mtime, node.number)


def _inode(node: _Node) -> bytes:
    """The inode of a file or a link."""
    if node.kind is Kind.LINK:
        header = _header(node, _LINK)
        return header + struct.pack("<2I", 1, len(node.target)) + node.target
    place, start, sizes = node.content
    fragment = place.first if place.count == IN_FRAGMENT else _NO_FRAGMENT
    blocks = struct.pack(f"<{len(sizes)}I", *sizes)
    if max(start, place.size) < 1 << 32:
        rest = struct.pack("<4I", start, fragment, place.offset, place.size)
        return _header(node, _FILE) + rest + blocks
    rest = struct.pack("<3Q4I", start, place.size, 0, 1, fragment, place.offset, _NO_FRAGMENT)
    return _header(node, _LARGE_FILE) + rest + blocks
