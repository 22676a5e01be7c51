"""A package archive as it streams."""

import io
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from backports import zstd
from hypothesis import given, strategies as st

from lading.errors import ArchiveError
from lading.package.archive import Member, MemberType, check_path, read_info, read_members
from simulators.channel import File, HardLink, Package, Symlink, build_archive

PACKAGE = Package(
    name="tool",
    files={
        "bin/tool": File(b"#!/bin/sh\n", 0o755),
        "bin/same": HardLink("bin/tool"),
        "share/link": Symlink("../bin/tool"),
    },
)
FORMATS = (".conda", ".tar.bz2")


def read(data: bytes, suffix: str = ".conda") -> dict[Member, bytes]:
    """The members of an archive, with their content."""
    return {
        member: b"" if content is None else content.read()
        for member, content in read_members(f"tool-1.0-0{suffix}", io.BytesIO(data))
    }


def with_member(
    type_: bytes = tarfile.REGTYPE, name: str = "extra", suffix: str = ".conda", **more: object
) -> bytes:
    """The archive of a package with one more member."""
    member = tarfile.TarInfo(name)
    member.type = type_
    for key, value in more.items():
        setattr(member, key, value)
    return build_archive(replace(PACKAGE, archive_format=suffix, raw_members=((member, b""),)))


@pytest.mark.parametrize("suffix", FORMATS)
def test_members(suffix: str) -> None:
    """They come with type, mode, size, target, time and content, `info/` first."""
    found = read(build_archive(replace(PACKAGE, archive_format=suffix)), suffix)
    assert next(iter(found)).path.startswith("info/")
    mtime = PACKAGE.timestamp // 1000
    assert {
        Member("bin/tool", MemberType.FILE, 0o755, 10, mtime=mtime): b"#!/bin/sh\n",
        Member("bin/same", MemberType.HARDLINK, 0o644, 0, "bin/tool", mtime): b"",
        Member("share/link", MemberType.LINK, 0o777, 0, "../bin/tool", mtime): b"",
    } == {
        member: content for member, content in found.items() if not member.path.startswith("info/")
    }


@pytest.mark.parametrize("suffix", FORMATS)
def test_info(suffix: str) -> None:
    """The files below `info/`, by name."""
    data = build_archive(replace(PACKAGE, archive_format=suffix))
    found = read_info(f"tool{suffix}", io.BytesIO(data))
    assert {"about.json", "files", "index.json", "paths.json"} == set(found)
    assert b'"tool"' in found["index.json"]


def test_members_that_begin_with_a_dot() -> None:
    """`./x` is `x`, and `./` nothing."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:bz2") as archive:
        for name, type_ in (("./", tarfile.DIRTYPE), ("./info", tarfile.DIRTYPE)):
            member = tarfile.TarInfo(name)
            member.type = type_
            archive.addfile(member)
        archive.addfile(tarfile.TarInfo("./info/files"), io.BytesIO())
    assert ["info", "info/files"] == [item.path for item in read(stream.getvalue(), ".tar.bz2")]


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize(
    ("member", "words"),
    [
        ({"name": "../extra"}, "unsafe"),
        ({"name": "/extra"}, "unsafe"),
        ({"name": "a//b"}, "unsafe"),
        ({"name": "a/" * 600 + "b"}, "too long"),
        ({"name": "a" * 256}, "too long"),
        ({"type_": tarfile.FIFOTYPE}, "neither a file nor"),
        ({"type_": tarfile.CHRTYPE}, "neither a file nor"),
        ({"type_": tarfile.BLKTYPE}, "neither a file nor"),
        ({"type_": tarfile.LNKTYPE, "linkname": "/etc/passwd"}, "no earlier file"),
        ({"type_": tarfile.LNKTYPE, "linkname": "share/link"}, "no earlier file"),
        ({"type_": tarfile.SYMTYPE}, "empty or too long target"),
        ({"type_": tarfile.SYMTYPE, "linkname": "x" * 2000}, "empty or too long target"),
        ({"name": "bin/tool"}, "there twice"),
        ({"name": "share/link", "type_": tarfile.DIRTYPE}, "there twice"),
    ],
)
def test_a_hostile_member(member: dict[str, object], words: str, suffix: str) -> None:
    """It is refused, and named."""
    with pytest.raises(ArchiveError, match=words):
        read(with_member(suffix=suffix, **member), suffix)


def conda(change: Callable[[dict[str, bytes]], dict[str, bytes]]) -> bytes:
    """A `.conda` whose parts were changed."""
    with zipfile.ZipFile(io.BytesIO(build_archive(PACKAGE))) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in change(parts).items():
            archive.writestr(name, data)
    return stream.getvalue()


INFO, PKG = "info-tool-1.0-0.tar.zst", "pkg-tool-1.0-0.tar.zst"


@pytest.mark.parametrize(
    "change",
    [
        lambda parts: {INFO: parts[INFO]},
        lambda parts: {PKG: parts[PKG]},
        lambda parts: {**parts, "pkg-other.tar.zst": parts[PKG]},
        lambda parts: {**parts, "other.tar.zst": parts[PKG]},
        lambda parts: {**parts, "pkg-x.tar.bz2": b""},
        lambda parts: {**parts, PKG: parts[PKG][:-20]},
        lambda parts: {**parts, PKG: zstd.compress(b"no tar" * 1000)},
        lambda parts: {**parts, PKG: parts[PKG] + zstd.compress(b"more")},
    ],
)
def test_a_conda_file_of_other_parts(
    change: Callable[[dict[str, bytes]], dict[str, bytes]],
) -> None:
    """One `info`, one `pkg`, each whole."""
    with pytest.raises(ArchiveError, match=r"tool-1\.0-0\.conda is damaged"):
        read(conda(change))


def test_parts_that_only_a_streaming_reader_sees() -> None:
    """Bytes that the directory of the zip file does not name are refused."""
    hidden = conda(lambda parts: {"pkg-hidden.tar.zst": parts[PKG]})
    with pytest.raises(ArchiveError, match="does not name"):
        read(hidden + build_archive(PACKAGE))


def test_sizes_that_only_a_streaming_reader_sees() -> None:
    """The header before a part must say what the directory says."""
    data = bytearray(build_archive(PACKAGE))
    data[18] -= 1
    with pytest.raises(ArchiveError, match="not stored as its directory says"):
        read(bytes(data))


def test_a_part_larger_than_four_gigabytes_may_say_so() -> None:
    """Sizes in the long form, as writers that stream put them there."""
    with zipfile.ZipFile(io.BytesIO(build_archive(PACKAGE))) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in parts.items():
            with archive.open(name, "w", force_zip64=True) as part:
                part.write(data)
    assert read(build_archive(PACKAGE)) == read(stream.getvalue())


def test_a_bomb_is_not_read_to_its_end() -> None:
    """A few bytes that become more than any package."""
    member = tarfile.TarInfo("bomb")
    member.size = 1 << 26
    bomb = zstd.compress(member.tobuf() + bytes(member.size))
    data = io.BytesIO(conda(lambda parts: {**parts, PKG: bomb}))
    with pytest.raises(ArchiveError, match="larger than any package"):
        list(read_members("bomb.conda", data, limit=1 << 22))


def test_an_archive_of_another_kind() -> None:
    """A wheel has no `info/`."""
    with pytest.raises(ArchiveError, match=r"neither \.conda nor"):
        read(b"", ".whl")


@given(st.data())
def test_any_damage(data: st.DataObject) -> None:
    """A changed byte is a refusal, or something that is not looked at; never another error."""
    suffix = data.draw(st.sampled_from(FORMATS))
    archive = bytearray(build_archive(replace(PACKAGE, archive_format=suffix)))
    for _ in range(data.draw(st.integers(1, 3))):
        archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.integers(0, 255))
    with suppress(ArchiveError):
        read(bytes(archive), suffix)


@pytest.mark.parametrize("path", ["", "a/", "/a", "a/./b", "..", "a\0b", "a" * 300, "b/" * 600])
def test_unsafe_paths(path: str) -> None:
    """What leads elsewhere, or what no file system takes."""
    with pytest.raises(ValueError, match=r"unsafe|too long"):
        check_path(path)


@pytest.mark.parametrize("path", ["a", "a/b.c", "..a/b..", " ", "a\nb", "ä" * 127])
def test_safe_paths(path: str) -> None:
    """Strange names are names."""
    check_path(path)
