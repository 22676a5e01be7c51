"""A bit that is wrong beside a tarball or in what is fetched: noticed, and nothing is installed.

Those in a tarball are in `test_hostile_tarballs`.
"""

import io
import random
import struct
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from backports import zstd

from lading.format.compression import Format
from lading.pack.packer import Packed
from simulators.command import listing
from simulators.launcher import Launcher
from simulators.versions import flip_bit, versioned_tarball

FLIPS = 60


def bits(seed: int, data: bytes) -> Sequence[int]:
    """Which bits to flip."""
    return random.Random(seed).sample(range(8 * len(data)), FLIPS)


def codes_of_flips(
    launcher: Launcher, path: Path, flips: Sequence[int], *arguments: object
) -> list[int]:
    """The exit codes of a command, each time with another bit of the file at `path` wrong."""
    data = path.read_bytes()
    codes = []
    for bit in flips:
        path.write_bytes(flip_bit(data, bit))
        codes.append(launcher.run(*arguments).code)
    path.write_bytes(data)
    return codes


def behind_the_frames(packed: Packed) -> int:
    """Where the lists begin, and the bill behind them."""
    return packed.manifest.packages[0].listed.offset


@pytest.mark.parametrize("format_", [Format.ZSTD, Format.GZIP])
def test_in_the_bill_beside(tmp_path: Path, launcher: Launcher, format_: Format) -> None:
    """Exit code 7, or 3 where it is not a bill any more: it is not the one inside."""
    packed = versioned_tarball(tmp_path / "tarballs", format_=format_)
    path = packed.plan.manifest
    codes = codes_of_flips(
        launcher,
        path,
        bits(4, path.read_bytes()),
        *("unpack", packed.plan.tarball, tmp_path / "place/prefix", "--manifest", path),
    )
    assert ({3, 7}, ["tarballs"]) == (set(codes), sorted(item.name for item in tmp_path.iterdir()))


def test_in_the_bill_of_a_pipe(tmp_path: Path, launcher: Launcher) -> None:
    """The pipe ends with a bill that it is compared with, even if nothing lies beside it."""
    packed = versioned_tarball(tmp_path / "tarballs")
    packed.plan.checksums.unlink()
    path = packed.plan.manifest
    data = path.read_bytes()
    codes = []
    for bit in bits(5, data):
        path.write_bytes(flip_bit(data, bit))
        arguments = ("unpack", "-", tmp_path / "place/prefix", "--manifest", path)
        codes.append(launcher.run(*arguments, stdin=packed.plan.tarball).code)
    assert ({3, 7}, ["tarballs"]) == (set(codes), sorted(item.name for item in tmp_path.iterdir()))


def test_in_a_bill_alone(tmp_path: Path, launcher: Launcher) -> None:
    """The checksums beside it tell, although all its frames are in the store."""
    packed = versioned_tarball(tmp_path / "tarballs")
    store, name = tmp_path / "store", tmp_path / "env"
    assert 0 == launcher.run("unpack", "--store", store, packed.plan.tarball, name).code
    path = packed.plan.manifest
    before = [item for item in listing(tmp_path) if not item.startswith("tarballs")]
    codes = codes_of_flips(
        launcher,
        path,
        bits(6, path.read_bytes()),
        *("unpack", "--store", store, path, name),
    )
    after = [item for item in listing(tmp_path) if not item.startswith("tarballs")]
    assert ({3, 7}, before) == (set(codes), after)


def test_in_frames_that_are_fetched(tmp_path: Path, launcher: Launcher) -> None:
    """Exit code 7, and none of the damaged frames gets into the store."""
    packed = versioned_tarball(tmp_path / "tarballs")
    path, bill = packed.plan.tarball, packed.plan.manifest
    flips = [bit for bit in bits(7, path.read_bytes()) if bit < 8 * behind_the_frames(packed)]
    packages = packed.manifest.packages
    data = path.read_bytes()
    wrong = []
    for number, bit in enumerate(flips):
        store = tmp_path / f"store{number}"
        path.write_bytes(flip_bit(data, bit))
        code = launcher.run("fetch-frames", bill, bill, path, "--store", store).code
        [hit] = [
            item.listed.sha256
            for item in packages
            if 0 <= bit // 8 - item.frames[0].offset < item.frames[0].length
        ]
        if code != 7 or hit in {item.name for item in store.glob("packages/*/*")}:
            wrong.append(bit)
    assert ([], True) == (wrong, len(flips) > FLIPS // 8)


def seek_table(data: bytes) -> list[tuple[int, int]]:
    """The entries (compressed, decompressed) of a seek table, read as its specification says.

    Source: zstd, contrib/seekable_format/zstd_seekable_compression_format.md, version 0.1.0.
    """
    count, descriptor, magic = struct.unpack("<LBL", data[-9:])
    assert (magic, descriptor) == (0x8F92EAB1, 0)
    table = data[-9 - 8 * count : -9]
    magic, size = struct.unpack("<LL", data[-17 - 8 * count : -9 - 8 * count])
    assert (magic, size) == (0x184D2A5E, 8 * count + 9)
    return [struct.unpack_from("<LL", table, 8 * number) for number in range(count)]


def pieces(data: bytes) -> list[tuple[bytes, int]]:
    """Each piece of a tarball and its decompressed size, cut as the seek table says."""
    position = 0
    found = []
    for compressed, decompressed in seek_table(data):
        found.append((data[position : position + compressed], decompressed))
        position += compressed
    assert position == len(data) - 17 - 8 * len(found)
    return found


def test_the_seek_table_is_true(tmp_path: Path) -> None:
    """Each frame decompresses alone, to as many bytes as the table says; together it is the tar."""
    data = versioned_tarball(tmp_path).plan.tarball.read_bytes()
    plain = versioned_tarball(tmp_path, format_=Format.TAR).plan.tarball.read_bytes()
    frames = [(zstd.decompress(piece), size) for piece, size in pieces(data)[:-2]]
    # The bill names its compressor, so that of the plain tar is another one.
    start = plain.rindex(b"././@PaxHeader")
    assert plain[:start] == b"".join(content for content, _ in frames)
    assert [len(content) for content, _ in frames] == [size for _, size in frames]


def test_the_frames_are_those_of_the_bill(tmp_path: Path) -> None:
    """Offset for offset: those of all packages, then their lists."""
    packed = versioned_tarball(tmp_path)
    data = packed.plan.tarball.read_bytes()
    cut = [piece for piece, _ in pieces(data)[:-2]]
    assert cut == [
        data[item.offset : item.offset + item.length] for item in packed.manifest.placed()
    ]


def test_the_bill_stands_where_the_table_says(tmp_path: Path) -> None:
    """A frame with the bill as the last member; the CRC-32 of its bytes in a skippable frame."""
    packed = versioned_tarball(tmp_path)
    (frame, size), (checksum, nothing) = pieces(packed.plan.tarball.read_bytes())[-2:]
    magic, length, found = struct.unpack("<LLL", checksum)
    assert (0x184D2A5C, 4, zlib.crc32(frame), 0) == (magic, length, found, nothing)
    content = zstd.decompress(frame)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        [member] = archive.getmembers()
        document = archive.extractfile(member).read()
    assert (packed.plan.manifest.read_bytes(), size) == (document, len(content))
    assert f"sha256:{packed.manifest_sha256.hex}" == member.pax_headers["comment"]
