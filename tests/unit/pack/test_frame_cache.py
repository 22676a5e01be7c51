"""The cache of frames."""

import hashlib
import io
import logging
import os
import random
import struct
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from lading.format.compression import Format, Level
from lading.format.file_list import list_path
from lading.pack.encode import EncodedPackage, Style, encode_package
from lading.pack.frame_cache import FrameCache
from lading.pack.members import shipped_members
from lading.package.payload import Payload
from simulators.handmade import file, payload
from simulators.versions import PLACEHOLDER, flip_bit, small_disk

STYLE = Style(format=Format.ZSTD, level=Level.FAST)
PREFIX = Path("/build/prefix")


def plan(directory: Path) -> Payload:
    """A package of one script that names the prefix."""
    script = file(
        "bin/a",
        f"#!{PLACEHOLDER}/bin/b\n".encode(),
        placeholder=PLACEHOLDER,
        directory=directory,
    )
    return payload(script)


def made(directory: Path, keep: Callable[[bytes], object]) -> EncodedPackage:
    """What is known of the frames of `plan`, which are given to `keep`."""
    package = plan(directory)
    members = shipped_members(package, PREFIX)
    path = list_path(package.manager, package.name)
    return encode_package(members, path=path, mtime=package.mtime, style=STYLE, keep=keep)


def encoded(directory: Path) -> EncodedPackage:
    """What is known of the frames of `plan`."""
    return made(directory, io.BytesIO().write)


def cached(directory: Path, *keys: str, limit: int = 1 << 30) -> FrameCache:
    """A cache that holds a package under each of `keys`, the first one used longest ago."""
    cache = FrameCache(directory=directory / "cache", limit=limit)
    cache.open()
    for number, name in enumerate(keys):
        cache.store(name, partial(made, directory))
        os.utime(entry(cache, name), (1000 + number, 1000 + number))
    return cache


def entry(cache: FrameCache, name: str) -> Path:
    """Where the package with the key `name` lies."""
    return cache.directory / name[:2] / f"{name}.frames"


def found(cache: FrameCache, name: str) -> EncodedPackage | None:
    """What the cache knows under `name`."""
    kept = cache.find(name)
    return kept.encoded if kept is not None else None


def kept(cache: FrameCache) -> list[str]:
    """The names of all files in the cache."""
    return sorted(path.name for path in cache.directory.rglob("*") if path.is_file())


def test_a_stored_frame_is_found(tmp_path: Path) -> None:
    """It comes back whole, with its members and what relocation rewrites.

    An entry begins with the frames as they stand in the tarball, so that a file system may share
    them. It is written beside its name, and nothing else is left.
    """
    cache = cached(tmp_path, "abc")
    stream = io.BytesIO()
    known = made(tmp_path, stream.write)
    data = entry(cache, "abc").read_bytes()
    assert (known, None) == (found(cache, "abc"), cache.find("abd"))
    assert (stream.getvalue(), known.length) == (data[: known.length], len(stream.getvalue()))
    assert ["abc.frames"] == kept(cache)


def test_a_flipped_bit_is_noticed_and_made_good(tmp_path: Path) -> None:
    """Wherever in an entry a bit is wrong, the package is made again, the same, and kept."""
    cache = cached(tmp_path, "abc")
    path = entry(cache, "abc")
    data = path.read_bytes()
    whole = found(cache, "abc")
    generator = random.Random(20)
    for bit in generator.sample(range(8 * len(data)), 200):
        path.write_bytes(flip_bit(data, bit))
        damaged = found(cache, "abc")
        cache.store("abc", partial(made, tmp_path))
        assert (None, whole, data) == (damaged, found(cache, "abc"), path.read_bytes())


def test_a_cut_off_entry_is_noticed(tmp_path: Path) -> None:
    """An entry of any smaller length is damaged, an empty one too."""
    cache = cached(tmp_path, "abc")
    data = entry(cache, "abc").read_bytes()
    found = []
    for length in range(len(data)):
        entry(cache, "abc").write_bytes(data[:length])
        found.append(cache.find("abc"))
    assert [None] * len(data) == found


def test_damage_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A disk that loses bits is worth a warning."""
    cache = cached(tmp_path, "abc")
    entry(cache, "abc").write_bytes(b"")
    cache.find("abc")
    assert [(logging.WARNING, f"{entry(cache, 'abc')} is damaged and made again")] == [
        (record.levelno, record.getMessage()) for record in caplog.records
    ]


def test_an_entry_of_another_lading_is_made_again(tmp_path: Path) -> None:
    """Whole bytes that say other things of a frame are no frame, and no reason to stop."""
    cache = cached(tmp_path, "abc")
    meta = b"\x91\x01"
    foot = struct.pack("<32sI8s", hashlib.sha256(meta).digest(), len(meta), b"lading\x00\x02")
    entry(cache, "abc").write_bytes(meta + foot)
    assert cache.find("abc") is None


def test_an_entry_that_cannot_be_written_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Something else under its name costs the entry, leaves nothing half, and is told."""
    cache = cached(tmp_path)
    entry(cache, "abc").mkdir(parents=True)
    cache.store("abc", partial(made, tmp_path))
    assert ([], 1) == (kept(cache), len(caplog.records))


def test_a_cache_that_cannot_be_written_serves(tmp_path: Path) -> None:
    """A cache on a read-only file system gives what it has."""
    with small_disk(tmp_path / "disk", kilobytes=128) as make_read_only:
        cache = cached(tmp_path / "disk", "abc")
        make_read_only()
        known = found(cache, "abc")
    assert encoded(tmp_path) == known


@pytest.mark.parametrize(
    ("used", "entries", "freed", "left"),
    [("", 2, 1, ["bb", "cc"]), ("aa", 2, 1, ["aa", "cc"]), ("", 3, 0, ["aa", "bb", "cc"])],
    ids=["oldest", "a hit is a use", "exactly full"],
)
def test_what_was_used_longest_ago_goes_first(
    tmp_path: Path, used: str, entries: int, freed: int, left: list[str]
) -> None:
    """A cache beyond its limit drops old entries until it is within."""
    cache = cached(tmp_path, "aa", "bb", "cc")
    size = entry(cache, "aa").stat().st_size
    if used:
        cache.find(used)
    assert (freed * size, [f"{name}.frames" for name in left]) == (
        replace(cache, limit=entries * size).prune(),
        kept(cache),
    )


def test_what_cannot_be_removed_is_left(tmp_path: Path) -> None:
    """Something that is not an entry, in a cache that is too full, is left where it is."""
    cache = FrameCache(directory=tmp_path / "cache", limit=0)
    (cache.directory / "ab/directory").mkdir(parents=True)
    assert (0, True) == (cache.prune(), (cache.directory / "ab/directory").exists())


def test_what_a_killed_worker_left_is_removed(tmp_path: Path) -> None:
    """An entry that was being written goes, whatever the limit; those that are whole stay."""
    cache = cached(tmp_path, "aa")
    (cache.directory / ".bb.frames.lading-abcdefgh").touch()
    cache.prune()
    assert ["aa.frames"] == kept(cache)


def test_clearing_removes_everything(tmp_path: Path) -> None:
    """Entries go, and what killed workers left of them, empty files too; and there may be none."""
    cache = cached(tmp_path, "aa", "bb")
    (cache.directory / ".aa.frames.lading-abcdefgh").touch()
    size = entry(cache, "aa").stat().st_size
    assert (2 * size, []) == (cache.clear(), kept(cache))
    assert 0 == FrameCache(directory=tmp_path / "none").clear()
