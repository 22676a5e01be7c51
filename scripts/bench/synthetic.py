"""A channel of one environment of any size, of mixed compressibility.

A third of the files compresses like text, a third like machine code, a third not at all. The same
call makes the same bytes.
"""

import hashlib
import json
import random
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

from backports import zstd

__all__ = ["contents", "file_sizes", "write_channel"]

TIMESTAMP = 1_700_000_000
LEAST_BYTES = 64
LARGEST_WEIGHT = 40
"""How many times as large as the smallest file a file may be."""

PIECE_BYTES = 1 << 24
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_WORDS = 4096
_CODE = bytes(min(index * index // 256, 255) for index in range(256))
"""Makes small values of most bytes: about six bits of information in eight."""


def file_sizes(count: int, total: int, numbers: random.Random) -> list[int]:
    """Sizes of `count` files, together about `total` bytes: many small ones, few large ones."""
    weights = [min(numbers.paretovariate(1.3), LARGEST_WEIGHT) for _ in range(count)]
    scale = total / sum(weights)
    return [max(LEAST_BYTES, int(weight * scale)) for weight in weights]


def contents(sizes: Sequence[int], numbers: random.Random) -> Iterator[bytes]:
    """The content of each file."""
    words = [numbers.randbytes(numbers.randint(2, 9)).hex().encode() for _ in range(_WORDS)]
    for number, size in enumerate(sizes):
        kind = number % 3
        if kind == 0:
            # A page of text is made once for each file and repeated with other page numbers.
            page = b" ".join(numbers.choices(words, k=min(_WORDS, size // 8 + 1)))
            copies = (b"%d %s\n" % (line, page) for line in range(size // len(page) + 1))
            yield b"".join(copies)[:size]
        else:
            # More than 256 MiB cannot be had at once.
            pieces = [numbers.randbytes(PIECE_BYTES) for _ in range(size // PIECE_BYTES)]
            data = b"".join([*pieces, numbers.randbytes(size % PIECE_BYTES)])
            yield data.translate(_CODE) if kind == 1 else data


def write_channel(directory: Path, name: str, packages: Sequence[Sequence[int]]) -> tuple[str, ...]:
    """Write the packages of an environment; return their names.

    Args:
        directory: Of the channel, absolute; its repodata then has this environment alone.
        name: The packages begin with it.
        packages: The sizes of the files of each, in bytes.
    """
    subdir = directory / "linux-64"
    subdir.mkdir(parents=True, exist_ok=True)
    (directory / "noarch").mkdir(exist_ok=True)
    records = {}
    for number, sizes in enumerate(packages):
        package = f"{name}-{number}"
        numbers = random.Random(package)  # noqa: S311  # bytes to measure with
        path = subdir / f"{package}-1-0.conda"
        index = _write_archive(path, package, sizes, numbers)
        digests = {kind: _digest(path, kind) for kind in ("sha256", "md5")}
        records[path.name] = {**index, **digests, "size": path.stat().st_size}
    for part, listed in (("linux-64", records), ("noarch", {})):
        document = {"info": {"subdir": part}, "packages": {}, "packages.conda": listed}
        (directory / part / "repodata.json").write_text(json.dumps(document), "utf-8")
    return tuple(f"{name}-{number}" for number in range(len(packages)))


def _digest(path: Path, kind: str) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, kind).hexdigest()


def _write_archive(
    path: Path, package: str, sizes: Sequence[int], numbers: random.Random
) -> dict[str, object]:
    """Write a `.conda` archive; its `index.json`."""
    index: dict[str, object] = {
        "name": package,
        "version": "1",
        "build": "0",
        "build_number": 0,
        "depends": [],
        "subdir": "linux-64",
        "timestamp": TIMESTAMP * 1000,
        "license": "BSD-3-Clause",
    }
    paths: list[dict[str, object]] = []

    def members() -> Iterator[tuple[str, bytes]]:
        for number, data in enumerate(contents(sizes, numbers)):
            name = f"share/{package}/{number // 100:03}/{number:06}.bin"
            paths.append(
                {
                    "_path": name,
                    "path_type": "hardlink",
                    "sha256": hashlib.sha256(data).hexdigest(),
                    "size_in_bytes": len(data),
                }
            )
            yield name, data

    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, "metadata.json", b'{"conda_pkg_format_version": 2}')
        _add_tar(archive, f"pkg-{path.stem}.tar.zst", members())
        info = {"info/index.json": index, "info/paths.json": {"paths": paths, "paths_version": 1}}
        _add_tar(
            archive,
            f"info-{path.stem}.tar.zst",
            ((name, json.dumps(document).encode()) for name, document in info.items()),
        )
    return index


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, _ZIP_TIME), data)


def _add_tar(archive: zipfile.ZipFile, name: str, members: Iterator[tuple[str, bytes]]) -> None:
    """Add a compressed tar, member by member: all of it may not fit into memory."""
    info = zipfile.ZipInfo(name, _ZIP_TIME)
    with (
        archive.open(info, "w", force_zip64=True) as raw,
        zstd.ZstdFile(raw, "w", level=1) as compressed,
        tarfile.open(fileobj=compressed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path, data in members:
            member = tarfile.TarInfo(path)
            member.size, member.mtime, member.mode = len(data), TIMESTAMP, 0o644
            tar.addfile(member, BytesIO(data))
