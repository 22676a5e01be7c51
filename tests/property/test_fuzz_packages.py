"""Whatever is in a package: it is refused, or what it puts into a prefix stays inside."""

import bz2
import io
import json
import os
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from backports import zstd
from hypothesis import given, strategies as st

from lading.conda import Platform
from lading.errors import LadingError
from lading.package import (
    Member,
    MemberType,
    PythonLayout,
    check_packages,
    conda_payload,
    list_local,
    read_info,
    read_members,
    read_package_info,
)
from simulators.channel import File, HardLink, Package, Symlink, build_archive
from simulators.fuzzing import (
    MEMORY,
    NAMES,
    TEXTS,
    edited_bytes,
    edited_document,
    outcome,
    state_of,
    usually,
)
from simulators.records import record

TYPES = [
    tarfile.REGTYPE,
    tarfile.AREGTYPE,
    tarfile.LNKTYPE,
    tarfile.SYMTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
    tarfile.DIRTYPE,
    tarfile.FIFOTYPE,
    tarfile.CONTTYPE,
    tarfile.GNUTYPE_SPARSE,
    b"Z",
]
FORMATS = st.sampled_from([".conda", ".tar.bz2"])
SOUND = Package(
    name="tool",
    noarch="python",
    files={
        "bin/x": File(b"#!/bin/sh\n", mode=0o755, text=True),
        "site-packages/tool/__init__.py": b"",
        "lib/libtool.so": Symlink("libtool.so.1"),
        "lib/libtool.so.1": b"\x7fELF",
        "lib/same": HardLink("lib/libtool.so.1"),
    },
    entry_points=("tool = tool:main",),
)
LINK = {"noarch": {"type": "python", "entry_points": ["tool = tool:main"]}}


RECORD = record(subdir="noarch", sha256=None)
PYTHON = PythonLayout(
    version="3.11",
    site_packages="lib/python3.11/site-packages",
    executable="bin/python3.11",
    digest="0" * 64,
)


@cache
def sound(suffix: str) -> bytes:
    """A package that is sound."""
    return build_archive(replace(SOUND, archive_format=suffix))


def listed(package: Package) -> object:
    """The `info/paths.json` of a package."""
    data = build_archive(package)
    return json.loads(read_info("tool-1.0-0.conda", io.BytesIO(data))["paths.json"])


NAMES_OF_FILES = st.sampled_from(["a", "b", "a/b", "b/a", "A", "lib/x", "share/tool/y"]) | (
    NAMES.filter(lambda name: "\ud800" not in name and "\0" not in name)
)
ENTRIES = st.binary(max_size=10).map(File) | NAMES_OF_FILES.map(Symlink)


@st.composite
def raw_members(draw: st.DrawFn) -> tuple[tarfile.TarInfo, bytes]:
    """A member of any type under any name."""
    item = tarfile.TarInfo(draw(NAMES_OF_FILES | st.sampled_from(["info/x", "info/index.json"])))
    item.type = draw(st.sampled_from(TYPES))
    item.linkname = draw(NAMES_OF_FILES) if item.islnk() or item.issym() else ""
    item.mode = draw(st.sampled_from([0o644, 0o4755, 0, 0o7777]))
    content = draw(st.binary(max_size=10)) if item.type == tarfile.REGTYPE else b""
    item.size = len(content)
    return item, content


@st.composite
def packages(draw: st.DrawFn) -> Package:
    """A package whose lists and members agree, or do not."""
    files: Mapping[str, object] = draw(st.dictionaries(NAMES_OF_FILES, ENTRIES, max_size=4))
    info = {}

    def seldom() -> bool:
        return draw(st.integers(0, 5)) == 0

    if seldom():
        info["paths.json"] = json.dumps(draw(edited_document(listed(SOUND)))).encode()
    if seldom():
        info["link.json"] = json.dumps(draw(edited_document(LINK))).encode()
    if seldom():
        info["index.json"] = json.dumps(draw(edited_document(SOUND.index_json()))).encode()
    if seldom():
        info["has_prefix"] = draw(TEXTS).encode(errors="surrogatepass")
    return Package(
        name="tool",
        noarch=draw(st.sampled_from(["", "python", "generic"])),
        files={**SOUND.files, **files} if draw(st.booleans()) else files,
        entry_points=(draw(TEXTS),) if seldom() else SOUND.entry_points,
        archive_format=draw(FORMATS),
        info=info,
        raw_members=tuple(draw(st.lists(raw_members(), max_size=3))) if seldom() else (),
    )


def check(data: bytes, suffix: str) -> None:
    """`data` is refused, or leads nowhere outside; nothing is written by looking at it."""
    name = f"tool-1.0-0{suffix}"
    with tempfile.TemporaryDirectory(dir=MEMORY) as directory:
        root = Path(directory)
        archive = root / name
        archive.write_bytes(data)
        before = state_of(root)
        outcome(lambda: list_local(name, archive))
        outcome(lambda: read_info(name, io.BytesIO(data)))
        answers = [
            outcome(
                lambda platform=platform: check_packages(
                    [RECORD], {RECORD.distribution: archive}, platform
                )
            )
            for platform in (Platform.LINUX_64, Platform.OSX_ARM64)
        ]
        assert before == state_of(root)
        if isinstance(answers[0], LadingError):
            return
        # What passed may be extracted and read as an engine does it, who trusts it.
        (root / "a/b/place").mkdir(parents=True)
        for member, content in read_members(name, io.BytesIO(data)):
            plant(root / "a/b/place", member, b"" if content is None else content.read())
        assert before.keys() == {
            path for path in state_of(root) if not path.startswith(str(root / "a"))
        }
        assert ["place"] == [path.name for path in (root / "a/b").iterdir()]
        extracted = root / "a/b/place"
        payload = outcome(
            lambda: conda_payload(RECORD, read_package_info(extracted), extracted, PYTHON)
        )
        assert not isinstance(payload, LadingError)
        for item in payload.files:
            place = os.path.normpath(root / "a/b/place" / item.path)
            assert place.startswith(str(root / "a/b/place") + os.sep)
            if item.place:
                assert os.path.realpath(item.place).startswith(str(root / "a/b/place"))


def plant(place: Path, member: Member, content: bytes) -> None:
    """Extract a member as carelessly as can be."""
    path = place / member.path
    path.parent.mkdir(parents=True, exist_ok=True)
    match member.type:
        case MemberType.DIRECTORY:
            path.mkdir(exist_ok=True)
        case MemberType.FILE:
            path.write_bytes(content)
        case MemberType.LINK:
            path.symlink_to(member.target)
        case MemberType.HARDLINK:
            path.hardlink_to(place / member.target)


@usually
@given(packages())
def test_any_package(package: Package) -> None:
    """Members of every type, and lists that say anything."""
    check(build_archive(package), package.archive_format)


@usually
@given(st.data(), FORMATS)
def test_a_damaged_archive(data: st.DataObject, suffix: str) -> None:
    """Other bytes."""
    check(data.draw(edited_bytes(sound(suffix))), suffix)


@usually
@given(st.data(), FORMATS)
def test_a_damaged_tar(data: st.DataObject, suffix: str) -> None:
    """Other bytes in the tar, compressed again, so that no checksum tells."""
    if suffix == ".tar.bz2":
        tar = data.draw(edited_bytes(bz2.decompress(sound(suffix))))
        check(bz2.compress(tar, 1), suffix)
        return
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(sound(suffix))) as old,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as new,
    ):
        chosen = data.draw(st.sampled_from(old.namelist()))
        for name in old.namelist():
            content = old.read(name)
            if name == chosen and name.endswith(".zst"):
                content = zstd.compress(data.draw(edited_bytes(zstd.decompress(content))))
            new.writestr(zipfile.ZipInfo(name), content)
    check(stream.getvalue(), suffix)
