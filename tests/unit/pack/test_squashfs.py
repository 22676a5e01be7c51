"""What other programs read in a file system whose tables we wrote."""

import hashlib
import subprocess
from collections.abc import Mapping
from pathlib import Path

from lading.conda.paths import Kind
from lading.format.compression import Level, block_size
from lading.format.file_list import ManifestFile
from lading.pack.image_blocks import IN_FRAGMENT, RAW, BlockWriter, FilePlace, ImageBlocks
from lading.pack.squashfs import FileSystem
from simulators.handmade import file, payload
from simulators.images import make_image, need

BLOCK = block_size(Level.DEFAULT)
MTIME = 1_700_000_000


def write_file_system(path: Path, contents: Mapping[str, bytes]) -> Path:
    """A file system with files alone."""
    parts: list[bytes] = []
    with BlockWriter.opened(Level.DEFAULT, "/prefix", parts.append, 1) as writer:
        for content in contents.values():
            writer.write(content)
        blocks = writer.finish()
    system = FileSystem(level=Level.DEFAULT)
    system.add([ManifestFile(path=p, type=Kind.FILE, mode="0644") for p in contents], blocks, MTIME)
    tables, head = system.tables()
    path.write_bytes(b"".join([head, *parts, tables]))
    return path


def read_file_system(path: Path, directory: Path) -> dict[str, bytes]:
    """Its files, extracted by unsquashfs."""
    need("unsquashfs")
    subprocess.run(["unsquashfs", "-n", "-d", directory, path], check=True, capture_output=True)
    files = (item for item in directory.rglob("*") if item.is_file())
    return {str(item.relative_to(directory)): item.read_bytes() for item in files}


def noise(size: int) -> bytes:
    """Bytes that nothing compresses."""
    return hashlib.shake_128(b"noise").digest(size)


def test_sizes_around_a_block(tmp_path: Path) -> None:
    """Files that are empty, smaller than a block, just one, some, of zeros, and noise."""
    contents = {
        "empty": b"",
        "one": b"1",
        "below": b"a" * (BLOCK - 1),
        "block": b"b" * BLOCK,
        "above": b"c" * (BLOCK + 1),
        "zeros": bytes(3 * BLOCK + 5),
        "noise": noise(2 * BLOCK + 7),
        "noise-below": noise(1000),
    }
    path = write_file_system(tmp_path / "image", contents)
    assert contents == read_file_system(path, tmp_path / "found")


def test_zeros_in_a_fragment() -> None:
    """They are stored: where Linux reads of a fragment of size 0, it gives bytes of a table."""
    with BlockWriter.opened(Level.DEFAULT, "/prefix", lambda _: None, 1) as writer:
        for size in (10, BLOCK // 2, BLOCK // 2):
            writer.write(bytes(size))
        blocks = writer.finish()
    assert [2, 0] == [len(blocks.fragments), [blocks.sizes[n] for n in blocks.fragments].count(0)]


def test_many_in_one_directory(tmp_path: Path) -> None:
    """More names than a run of entries, a block of a table and a small directory hold."""
    contents = {f"deep/er/{number:05}-{'n' * 40}": b"%d" % number for number in range(3000)}
    path = write_file_system(tmp_path / "image", contents)
    assert contents == read_file_system(path, tmp_path / "found")


def handmade(path: Path, blocks: ImageBlocks, content: bytes) -> Path:
    """A file system of files that are called by their number, with `content` for all blocks."""
    system = FileSystem(level=Level.DEFAULT)
    names = [str(number) for number in range(len(blocks.places))]
    system.add([ManifestFile(path=n, type=Kind.FILE, mode="0644") for n in names], blocks, MTIME)
    tables, head = system.tables()
    path.write_bytes(head + content + tables)
    return path


def test_many_fragments(tmp_path: Path) -> None:
    """More fragments than one block of their table names."""
    pieces = [b"%d" % (number % 10) for number in range(600)]
    blocks = ImageBlocks(
        length=len(pieces),
        sizes=(1 | RAW,) * len(pieces),
        fragments=tuple(range(len(pieces))),
        places=tuple(FilePlace(1, number, IN_FRAGMENT) for number in range(len(pieces))),
    )
    path = handmade(tmp_path / "image", blocks, b"".join(pieces))
    expected = {str(number): piece for number, piece in enumerate(pieces)}
    assert expected == read_file_system(path, tmp_path / "found")


def test_a_file_beyond_four_gigabytes(tmp_path: Path) -> None:
    """It has an inode with room for its size."""
    need("unsquashfs")
    count = (5 << 30) // BLOCK
    place = FilePlace(5 << 30, 0, count)
    blocks = ImageBlocks(length=0, sizes=(0,) * count, fragments=(), places=(place,))
    path = handmade(tmp_path / "image", blocks, b"")
    argv = ("unsquashfs", "-lln", path)
    found = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
    assert ["-rw-r--r--", "0/0", str(5 << 30)] == found.split()[:3]


def test_the_same_content_twice(tmp_path: Path) -> None:
    """It is stored once, where the package says that it is the same."""
    content = noise(2 * BLOCK)
    sizes = []
    for second in (content, content[::-1]):
        directory = tmp_path / str(len(sizes))
        files = (
            file(f"share/{number}", data, directory=directory / "cache")
            for number, data in enumerate((content, second))
        )
        sizes.append(make_image(directory / "dist", payload(*files), level=Level.DEFAULT).size)
    assert 2 * BLOCK == sizes[1] - sizes[0]
