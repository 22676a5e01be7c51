"""The cache of frames."""

import hashlib
import io
import logging
import os
import random
import struct
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pytest
from msgspec import structs

import lading
from lading.conda.paths import FileMode
from lading.format.compression import Format, Level
from lading.format.file_list import list_path
from lading.pack.encode import EncodedPackage, Style, encode_package
from lading.pack.frame_cache import FrameCache, package_key
from lading.pack.members import shipped_members
from lading.pack.packer import Packed
from lading.package.payload import Payload
from lading.system.digest import sha256_of
from simulators.handmade import file, link, payload
from simulators.versions import PLACEHOLDER, environment, flip_bit, pack_payloads, small_disk

STYLE = Style(format=Format.ZSTD, level=Level.FAST)
PREFIX = Path("/build/prefix")


def plan(directory: Path, **changes: object) -> Payload:
    """A package of one script that names the prefix; `changes` are made to the script."""
    script = file(
        "bin/a",
        f"#!{PLACEHOLDER}/bin/b\n".encode(),
        placeholder=PLACEHOLDER,
        directory=directory,
    )
    return payload(structs.replace(script, **changes))


def key(package: Payload, style: Style = STYLE, prefix: Path = PREFIX) -> str | None:
    """The key of the frames of a package."""
    return package_key(package, prefix, style)


def made(directory: Path, stream: BinaryIO) -> EncodedPackage:
    """What is known of the frames of `plan`, which are written to `stream`."""
    package = plan(directory)
    members = shipped_members(package, PREFIX)
    path = list_path(package.manager, package.name)
    return encode_package(members, path=path, mtime=package.mtime, style=STYLE, keep=stream.write)


def encoded(directory: Path) -> EncodedPackage:
    """What is known of the frames of `plan`."""
    return made(directory, io.BytesIO())


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


def held(cache: FrameCache) -> int:
    """The bytes of all entries."""
    return sum(path.stat().st_size for path in cache.directory.rglob("*.frames"))


def outputs(packed: Packed) -> tuple[bytes, bytes, bytes]:
    """Tarball, manifest and checksums."""
    found = packed.plan
    return (
        found.tarball.read_bytes(),
        found.manifest.read_bytes(),
        found.checksums.read_bytes(),
    )


@pytest.mark.parametrize(
    "change",
    [
        {"path": "bin/c"},
        {"sha256": sha256_of(b"other content")},
        {"executable": True},
        {"placeholder": PLACEHOLDER[:-1]},
        {"mode": FileMode.BINARY},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_key_covers_each_member(tmp_path: Path, change: dict[str, object]) -> None:
    """Whatever is said of a member makes another frame."""
    assert key(plan(tmp_path)) != key(plan(tmp_path, **change))


@pytest.mark.parametrize(
    "change",
    [{"format": Format.GZIP}, {"format": Format.TAR}, {"level": Level.SMALL}, {"newest": 1000}],
    ids=str,
)
def test_the_key_covers_the_options(tmp_path: Path, change: dict[str, object]) -> None:
    """Another format, level or time makes another frame."""
    other = replace(STYLE, **change)
    assert key(plan(tmp_path)) != key(plan(tmp_path), other)


@pytest.mark.parametrize("change", [{"mtime": 1}, {"manager": "pip"}, {"name": "other"}], ids=str)
def test_the_key_covers_the_package(tmp_path: Path, change: dict[str, object]) -> None:
    """The time that the members carry, and whose rules they follow, are inputs."""
    known = plan(tmp_path)
    assert key(known) != key(structs.replace(known, **change))


def test_the_key_covers_link_targets() -> None:
    """A link that leads elsewhere makes another frame."""
    one, other = (payload(link("lib/a", target)) for target in ("b", "c"))
    assert key(one) != key(other)


def test_the_key_covers_content_that_has_no_file() -> None:
    """What is made on the way, such as the environment's own files, is known by its content."""
    one, other = (
        payload(structs.replace(file("a", data), sha256=None)) for data in (b"one", b"other")
    )
    assert key(one) != key(other)


def test_the_key_covers_the_order() -> None:
    """Members in another order make other frames."""
    known = payload(file("a", b"1"), file("b", b"1"))
    assert key(known) != key(structs.replace(known, files=known.files[::-1]))


@pytest.mark.parametrize(("manager", "is_same"), [("conda", True), ("pip", False)])
def test_the_key_covers_the_prefix_of_pip_distributions(
    tmp_path: Path, manager: str, *, is_same: bool
) -> None:
    """Only files that pip installed may name the place that they were installed into."""
    known = structs.replace(plan(tmp_path), manager=manager)
    assert is_same == (key(known) == key(known, prefix=Path("/elsewhere")))


def test_the_key_covers_the_version_of_conda_pack(tmp_path: Path) -> None:
    """Its rules make the shipped form of a file, so another version makes other frames."""
    program = (
        "from pathlib import Path\n"
        "from lading.package.payload import Payload, PayloadFile\n"
        "from lading.format.compression import Format, Level\n"
        "from lading.pack.encode import Style\n"
        "from lading.pack.frame_cache import package_key\n"
        "file = PayloadFile(path='a', content=b'')\n"
        "payload = Payload(name='', version='', manager='conda', mtime=0, files=(file,))\n"
        "style = Style(format=Format.TAR, level=Level.FAST)\n"
        "print(package_key(payload, Path('/p'), style))\n"
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


def test_the_key_forgets_where_files_lie(tmp_path: Path) -> None:
    """Another machine keeps its packages elsewhere; the frame is the same."""
    assert key(plan(tmp_path / "one")) == key(plan(tmp_path / "other"))


def test_a_file_of_unknown_content_has_no_key(tmp_path: Path) -> None:
    """Packages of the days before `paths.json` say no digests, so nothing can be promised."""
    assert key(plan(tmp_path, sha256=None)) is None


def test_a_frame_without_key_is_made_and_not_kept(tmp_path: Path) -> None:
    """What cannot be found again is not stored."""
    cache = cached(tmp_path)
    packed = pack_payloads(
        tmp_path / "out", [plan(tmp_path, sha256=None, placeholder="")], cache=cache
    )
    # The environment's own files are kept.
    assert (2, 1) == (len(packed.manifest.packages), len(kept(cache)))


def test_a_stored_frame_is_found(tmp_path: Path) -> None:
    """It comes back whole, with its members and what relocation rewrites."""
    assert encoded(tmp_path) == found(cached(tmp_path, "abc"), "abc")


def test_another_key_finds_nothing(tmp_path: Path) -> None:
    """A cache gives only what was asked for."""
    assert cached(tmp_path, "abc").find("abd") is None


def test_an_entry_begins_with_the_frames(tmp_path: Path) -> None:
    """As they stand in the tarball, so that a file system may share them."""
    cache = cached(tmp_path, "abc")
    stream = io.BytesIO()
    known = made(tmp_path, stream)
    data = entry(cache, "abc").read_bytes()
    assert (stream.getvalue(), known.length) == (data[: known.length], len(stream.getvalue()))


def test_a_hit_reads_no_file_of_the_package(tmp_path: Path) -> None:
    """What is there is copied, even if its package is gone."""
    cache = FrameCache(directory=tmp_path / "cache")
    package = plan(tmp_path)
    first = pack_payloads(tmp_path / "a", [package], cache=cache)
    assert package.files[0].source is not None
    package.files[0].source.unlink()
    assert outputs(first) == outputs(pack_payloads(tmp_path / "b", [package], cache=cache))


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


def test_nothing_but_the_entry_is_left(tmp_path: Path) -> None:
    """An entry is written beside its name and renamed."""
    assert ["abc.frames"] == kept(cached(tmp_path, "abc"))


def test_an_entry_that_cannot_be_written_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Something else under its name costs the entry, leaves nothing half, and is told."""
    cache = cached(tmp_path)
    entry(cache, "abc").mkdir(parents=True)
    cache.store("abc", partial(made, tmp_path))
    assert ([], 1) == (kept(cache), len(caplog.records))


def test_a_cache_that_cannot_be_made_costs_no_pack(tmp_path: Path) -> None:
    """Where there is a file in the place of the cache, packing goes on without it."""
    (tmp_path / "cache").write_text("a file")
    payloads = environment(tmp_path / "sources")
    cache = FrameCache(directory=tmp_path / "cache")
    without = pack_payloads(tmp_path / "a", payloads)
    assert outputs(without) == outputs(pack_payloads(tmp_path / "b", payloads, cache=cache))


def test_a_full_disk_costs_no_pack(tmp_path: Path) -> None:
    """Entries for which there is no room are left out, the others are whole, the bytes the same."""
    generator = random.Random(3)
    payloads = [
        payload(file(f"data/{name}", generator.randbytes(size)), name=name)
        for name, size in (("a", 10_000), ("b", 500_000), ("c", 10_000))
    ]
    without = outputs(pack_payloads(tmp_path / "a", payloads))
    with small_disk(tmp_path / "disk", kilobytes=128):
        cache = FrameCache(directory=tmp_path / "disk/cache")
        packed = outputs(pack_payloads(tmp_path / "b", payloads, cache=cache))
        sizes = sorted(path.stat().st_size for path in cache.directory.rglob("*.frames"))
        whole = [cache.find(path.stem) for path in cache.directory.rglob("*.frames")]
    assert without == packed
    assert 100_000 > sizes[-1] > 10_000
    assert None not in whole


def test_a_cache_that_cannot_be_written_serves(tmp_path: Path) -> None:
    """A cache on a read-only file system gives what it has."""
    with small_disk(tmp_path / "disk", kilobytes=128) as make_read_only:
        cache = cached(tmp_path / "disk", "abc")
        make_read_only()
        known = found(cache, "abc")
    assert encoded(tmp_path) == known


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    """A cache beyond its limit drops old entries until it is within."""
    cache = cached(tmp_path, "aa", "bb", "cc")
    size = entry(cache, "aa").stat().st_size
    freed = replace(cache, limit=2 * size).prune()
    assert (size, ["bb.frames", "cc.frames"]) == (freed, kept(cache))


def test_a_hit_is_a_use(tmp_path: Path) -> None:
    """What was just found is not what was used longest ago."""
    cache = cached(tmp_path, "aa", "bb", "cc")
    size = entry(cache, "aa").stat().st_size
    cache.find("aa")
    replace(cache, limit=2 * size).prune()
    assert ["aa.frames", "cc.frames"] == kept(cache)


def test_a_cache_within_its_limit_keeps_everything(tmp_path: Path) -> None:
    """Exactly full is not too full."""
    cache = cached(tmp_path, "aa", "bb")
    size = entry(cache, "aa").stat().st_size
    assert (0, ["aa.frames", "bb.frames"]) == (
        replace(cache, limit=2 * size).prune(),
        kept(cache),
    )


def test_packing_keeps_the_limit(tmp_path: Path) -> None:
    """After a pack the cache holds no more than it may."""
    cache = FrameCache(directory=tmp_path / "cache")
    payloads = environment(tmp_path / "sources")
    pack_payloads(tmp_path / "a", payloads, cache=cache)
    total = held(cache)
    pack_payloads(tmp_path / "a", payloads, cache=replace(cache, limit=total - 1))
    assert total > held(cache) > 0


def test_what_cannot_be_removed_costs_no_pack(tmp_path: Path) -> None:
    """Something that is not an entry, in a cache that is too full, is left where it is."""
    cache = FrameCache(directory=tmp_path / "cache", limit=0)
    (cache.directory / "ab/directory").mkdir(parents=True)
    payloads = environment(tmp_path / "sources")
    without = pack_payloads(tmp_path / "a", payloads)
    assert outputs(without) == outputs(pack_payloads(tmp_path / "b", payloads, cache=cache))


def test_clearing_removes_everything(tmp_path: Path) -> None:
    """Entries go, and what killed packs left of them, empty files too."""
    cache = cached(tmp_path, "aa", "bb")
    (cache.directory / "aa/.a.lading-abcdefgh").touch()
    size = entry(cache, "aa").stat().st_size
    assert (2 * size, []) == (cache.clear(), kept(cache))


def test_a_cache_that_is_not_there_is_clear(tmp_path: Path) -> None:
    """Nothing to remove is no error."""
    assert 0 == FrameCache(directory=tmp_path / "none").clear()


@pytest.mark.parametrize("format_", list(Format))
@pytest.mark.parametrize("workers", [1, 2, 8])
def test_the_cache_changes_no_byte(tmp_path: Path, format_: Format, workers: int) -> None:
    """Without cache, cold, warm and damaged: tarball, manifest and checksums are the same."""
    payloads = environment(tmp_path / "sources")
    cache = FrameCache(directory=tmp_path / "cache")

    def packed(frames: FrameCache | None, threads: int = workers) -> tuple[bytes, bytes, bytes]:
        return outputs(
            pack_payloads(
                tmp_path / "out", payloads, format_=format_, workers=threads, cache=frames
            )
        )

    expected = packed(None, 1)
    cold, warm = packed(cache), packed(cache)
    for path in cache.directory.rglob("*.frames"):
        data = path.read_bytes()
        path.write_bytes(flip_bit(data, 8 * (len(data) - 1)))
    damaged = packed(cache)
    assert [expected] * 3 == [cold, warm, damaged]


def test_packing_again_makes_only_what_changed(tmp_path: Path) -> None:
    """One new version of a package costs its own frames; those of the others are found."""
    cache = FrameCache(directory=tmp_path / "cache")
    pack_payloads(tmp_path / "out", environment(tmp_path / "sources", "1"), cache=cache)
    before = len(kept(cache))
    pack_payloads(tmp_path / "out", environment(tmp_path / "sources", "2"), cache=cache)
    assert (4, 1) == (before, len(kept(cache)) - before)
