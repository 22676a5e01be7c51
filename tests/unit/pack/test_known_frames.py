"""Which frames are known: what their key covers, and where they are kept."""

import os
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

import lading
from lading.conda.records import RepodataRecord
from lading.format.compression import Format, Level
from lading.pack.encode import EncodedPackage, Origin, Style, encode_package
from lading.pack.frame_cache import FrameCache
from lading.pack.known_frames import KnownFrames, Python, conda_key
from lading.pack.members import shipped_members
from lading.system.digest import sha256_of
from simulators.handmade import file, payload
from simulators.records import record
from simulators.versions import small_disk

STYLE = Style(format=Format.ZSTD, level=Level.FAST)
PYTHON = ("digest", True)
SIZES = (("a", 10_000), ("b", 500_000), ("c", 10_000))


def archived(name: str = "tool", content: bytes = b"archive") -> RepodataRecord:
    """A package of a lock."""
    return record(name, subdir="noarch", sha256=sha256_of(content))


def key(
    package: RepodataRecord | None = None,
    style: Style = STYLE,
    dropped: tuple[str, ...] = (),
    python: Python | None = PYTHON,
) -> str:
    """The key of the frames of a package."""
    return conda_key(package or archived(), style, dropped, python)


def made(size: int, keep: Callable[[bytes], object]) -> EncodedPackage:
    """The frames of a package that holds `size` bytes."""
    package = payload(file("data/x", random.Random(size).randbytes(size)))
    encoded = encode_package(
        shipped_members(package, Path("/p")),
        path="list",
        mtime=1,
        style=STYLE,
        keep=keep,
    )
    light = payload()
    return EncodedPackage(
        frames=encoded.frames,
        list_frame=encoded.list_frame,
        document=encoded.document,
        files=encoded.files,
        relocations=encoded.relocations,
        origin=Origin(checked=None, payload=light),
    )


def known(directory: Path, cache: FrameCache | None, *layers: Path) -> KnownFrames:
    """Known frames for one packing."""
    directory.mkdir()
    return KnownFrames.of(cache, layers, directory)


def test_the_key_covers_everything() -> None:
    """Another archive, place, python, style, time or contested path makes other frames."""
    styles = (
        replace(STYLE, format=Format.GZIP),
        replace(STYLE, level=Level.SMALL),
        replace(STYLE, newest=1000),
    )
    keys = [
        key(),
        key(archived("other")),
        key(archived(content=b"rebuilt")),
        *(key(style=style) for style in styles),
        key(dropped=("share/x",)),
        key(python=None),
        key(python=("other", True)),
        key(python=("digest", False)),
    ]
    assert (len(keys), key()) == (len(set(keys)), keys[0])


def test_the_key_covers_the_version_of_conda_pack(tmp_path: Path) -> None:
    """Its rules make the shipped form of a file, so another version makes other frames."""
    program = (
        "from lading.conda.records import RepodataRecord\n"
        "from lading.format.compression import Format, Level\n"
        "from lading.pack.encode import Style\n"
        "from lading.pack.known_frames import conda_key\n"
        "record = RepodataRecord(name='a', version='1', build='0', subdir='noarch',\n"
        "    build_number=0, channel='c', url='u', sha256=None)\n"
        "style = Style(format=Format.TAR, level=Level.FAST)\n"
        "print(conda_key(record, style, (), None))\n"
    )
    other = tmp_path / "other/conda_pack-99.dist-info/METADATA"
    other.parent.mkdir(parents=True)
    other.write_text("Metadata-Version: 2.1\nName: conda-pack\nVersion: 99\n")
    source = str(Path(lading.__file__).parents[1])
    keys = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for path in (source, f"{other.parents[1]}:{source}")
    }
    assert 2 == len(keys)


def test_what_was_stored_is_found(tmp_path: Path) -> None:
    """By the next packing, under the first of several keys that is known; the bytes are held."""
    cache = FrameCache(directory=tmp_path / "cache")
    stored = known(tmp_path / "first", cache).store("abc", partial(made, 100))
    again = known(tmp_path / "second", cache)
    found = again.find("abd", "abc")
    assert found is not None
    cache.clear()
    assert (stored.encoded, stored.path.read_bytes()) == (found.encoded, found.path.read_bytes())


def test_a_layer_that_others_may_write_to_is_passed_over(tmp_path: Path) -> None:
    """A frame is believed, so nobody else may put one there."""
    layer = FrameCache(directory=tmp_path / "layer")
    known(tmp_path / "first", layer).store("abc", partial(made, 100))
    assert known(tmp_path / "second", None, layer.directory).find("abc") is not None
    layer.directory.chmod(0o777)
    assert known(tmp_path / "third", None, layer.directory).find("abc") is None


def test_frames_that_others_planted_are_not_used(tmp_path: Path) -> None:
    """A cache that others may write to is emptied."""
    cache = FrameCache(directory=tmp_path / "cache")
    known(tmp_path / "first", cache).store("abc", partial(made, 100))
    cache.directory.chmod(0o777)
    assert known(tmp_path / "second", cache).find("abc") is None


def test_a_cache_that_cannot_be_made(tmp_path: Path) -> None:
    """Where there is a file in the place of the cache, frames are kept beside the work."""
    (tmp_path / "cache").write_text("a file")
    held = known(tmp_path / "first", FrameCache(directory=tmp_path / "cache"))
    held.prune()
    assert tmp_path / "first" == held.store("abc", partial(made, 100)).path.parent


def test_a_full_disk_costs_nothing(tmp_path: Path) -> None:
    """Entries for which there is no room are left out; what is given is whole all the same."""
    with small_disk(tmp_path / "disk", kilobytes=128):
        cache = FrameCache(directory=tmp_path / "disk/cache")
        held = known(tmp_path / "first", cache)
        stored = [held.store(f"{name}bc", partial(made, size)) for name, size in SIZES]
        entries = {path.stem for path in cache.directory.rglob("*.frames")}
    lengths = [item.path.stat().st_size >= item.encoded.length for item in stored[1:2]]
    assert ({"abc", "cbc"}, [True]) == (entries, lengths)


def test_the_limit_is_kept(tmp_path: Path) -> None:
    """After packing the cache holds no more than it may; what is in use stays readable."""
    cache = FrameCache(directory=tmp_path / "cache")
    held = known(tmp_path / "first", cache)
    stored = [held.store(f"{name}bc", partial(made, size)) for name, size in SIZES]
    os.utime(cache.directory / "bb/bbc.frames", (1, 1))
    replace(held, cache=replace(cache, limit=100_000)).prune()
    assert ["abc", "cbc"] == sorted(path.stem for path in cache.directory.rglob("*.frames"))
    assert all(item.path.stat().st_size >= item.encoded.length for item in stored)


@pytest.mark.parametrize("bit", [0, -1])
def test_damage_is_noticed(tmp_path: Path, bit: int) -> None:
    """A flipped bit makes an entry unknown."""
    cache = FrameCache(directory=tmp_path / "cache")
    known(tmp_path / "first", cache).store("abc", partial(made, 100))
    entry = cache.directory / "ab/abc.frames"
    data = bytearray(entry.read_bytes())
    data[bit] ^= 1
    entry.write_bytes(data)
    assert known(tmp_path / "second", cache).find("abc") is None
