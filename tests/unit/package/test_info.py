"""What a package says of itself."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from lading.conda.paths import FileMode, PathType
from lading.errors import ArchiveError
from lading.package.info import (
    DEFAULT_PLACEHOLDER,
    EntryPoint,
    PathEntry,
    parse_entry_point,
    read_package_info,
)
from lading.system.digest import sha256_of

INDEX = {"name": "tool", "version": "1.0", "build": "0"}


def extracted(directory: Path, **info: object) -> Path:
    """An extracted package with these files in `info/`; what is not bytes is written as JSON."""
    for name, content in {"index.json": INDEX, "files": b"", **info}.items():
        path = directory / "info" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return directory


def paths(*entries: Mapping[str, object]) -> dict[str, object]:
    """The content of `paths.json`."""
    return {"paths_version": 1, "paths": entries}


def test_identity(tmp_path: Path) -> None:
    """Name, version and build come from `index.json`, the rest has empty values."""
    info = read_package_info(extracted(tmp_path))
    assert ("tool", "1.0", "0", "", 0, "", (), ()) == (
        info.name,
        info.version,
        info.build,
        info.noarch,
        info.timestamp,
        info.site_packages_path,
        info.entry_points,
        info.paths,
    )


def test_unknown_keys_are_kept(tmp_path: Path) -> None:
    """The whole of `index.json` is kept for the prefix record."""
    index = {**INDEX, "features": "x", "depends": ["a"]}
    assert index == read_package_info(extracted(tmp_path, **{"index.json": index})).index


@pytest.mark.parametrize(
    ("noarch", "expected"),
    [("python", "python"), ("generic", "generic"), (True, ""), (None, "")],
)
def test_noarch(tmp_path: Path, noarch: object, expected: str) -> None:
    """Old packages say `true` where new ones say which kind."""
    index = {**INDEX, "noarch": noarch}
    assert expected == read_package_info(extracted(tmp_path, **{"index.json": index})).noarch


def test_path_entries(tmp_path: Path) -> None:
    """Each entry of `paths.json` is kept, sorted by path."""
    digest = sha256_of(b"x")
    content = paths(
        {"_path": "lib/b", "path_type": "softlink"},
        {"_path": "etc", "path_type": "directory"},
        {
            "_path": "bin/a",
            "path_type": "hardlink",
            "sha256": digest.hex,
            "size_in_bytes": 1,
            "prefix_placeholder": "/prefix",
            "file_mode": "binary",
        },
    )
    assert (
        PathEntry(
            path="bin/a",
            type=PathType.HARDLINK,
            sha256=digest,
            size=1,
            placeholder="/prefix",
            mode=FileMode.BINARY,
        ),
        PathEntry(path="etc", type=PathType.DIRECTORY),
        PathEntry(path="lib/b", type=PathType.SOFTLINK),
    ) == read_package_info(extracted(tmp_path, **{"paths.json": content})).paths


def test_old_packages_have_a_list_of_files(tmp_path: Path) -> None:
    """Without `paths.json` the entries come from `files` and `has_prefix`."""
    (tmp_path / "link").symlink_to("a")
    has_prefix = b'old\n"/my place" binary "with space"\n/prefix text new\n\n'
    files = b"old\nwith space\nnew\nlink\nplain\n"
    info = read_package_info(extracted(tmp_path, files=files, has_prefix=has_prefix))
    assert (
        PathEntry(path="link", type=PathType.SOFTLINK),
        PathEntry(path="new", type=PathType.HARDLINK, placeholder="/prefix"),
        PathEntry(path="old", type=PathType.HARDLINK, placeholder=DEFAULT_PLACEHOLDER),
        PathEntry(path="plain", type=PathType.HARDLINK),
        PathEntry(
            path="with space",
            type=PathType.HARDLINK,
            placeholder="/my place",
            mode=FileMode.BINARY,
        ),
    ) == info.paths


def test_entry_points(tmp_path: Path) -> None:
    """The entry points of a noarch package are kept in their order."""
    link = {"noarch": {"type": "python", "entry_points": ["b = m:f", "a = m.n:C.run"]}}
    assert (
        EntryPoint(command="b", module="m", function="f"),
        EntryPoint(command="a", module="m.n", function="C.run"),
    ) == read_package_info(extracted(tmp_path, **{"link.json": link})).entry_points


@pytest.mark.parametrize(
    "info",
    [
        {"index.json": b"{"},
        {"index.json": {"name": "tool"}},
        {"paths.json": b"[]"},
        {"paths.json": paths({"_path": "a", "path_type": "device"})},
        {"paths.json": paths({"_path": "a", "sha256": "short"})},
        {"paths.json": paths({"_path": "../a"})},
        {"paths.json": paths({"_path": "/a"})},
        {"paths.json": paths({"_path": ""})},
        {"files": b"a/../../b\n"},
        {"files": b"\xff\n"},
        {"files": b"a\n", "has_prefix": b"/prefix sideways a\n"},
        {"files": b"a\n", "has_prefix": b"/prefix text a b\n"},
        {"files": b"a\n", "has_prefix": b"/ text a\n"},
        {"paths.json": paths({"_path": "a", "prefix_placeholder": "/"})},
        {"paths.json": b"[" * 100_000},
        {"link.json": {"noarch": {"type": "python", "entry_points": ["no"]}}},
    ],
)
def test_a_damaged_package_is_refused(tmp_path: Path, info: Mapping[str, object]) -> None:
    """What is malformed or leads out of the package is an error that names the package."""
    with pytest.raises(ArchiveError, match=tmp_path.name):
        read_package_info(extracted(tmp_path, **info))


def test_a_directory_without_info_is_refused(tmp_path: Path) -> None:
    """An empty directory is not a package."""
    with pytest.raises(ArchiveError, match=r"has no info/index\.json"):
        read_package_info(tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=m:f", EntryPoint(command="a", module="m", function="f")),
        (" a-b = m.n : C.f [extra]", EntryPoint(command="a-b", module="m.n", function="C.f")),
    ],
)
def test_entry_point_text(text: str, expected: EntryPoint) -> None:
    """Spaces do not matter, and what stands in brackets neither."""
    assert expected == parse_entry_point(text)


@pytest.mark.parametrize(
    "text", ["", "a", "a=m", "=m:f", "a/b=m:f", "a=m:f()", "a=m;x:f", "a=:f", "..=m:f"]
)
def test_no_entry_point(text: str) -> None:
    """What would end up as code in a script must be names."""
    with pytest.raises(ValueError, match=r"is not an entry point|is unsafe"):
        parse_entry_point(text)
