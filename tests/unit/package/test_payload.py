"""What one package puts into a prefix."""

import json
from pathlib import Path

import pytest

from lading.conda.paths import FileMode, Kind, PathType
from lading.errors import ArchiveError, UnsafePathError
from lading.package.info import EntryPoint, PackageInfo, PathEntry
from lading.package.payload import (
    EPOCH_1980,
    Payload,
    PayloadFile,
    PythonLayout,
    conda_payload,
    noarch_target,
    resolve_clobbering,
)
from lading.system.digest import sha256_of
from simulators.handmade import file, payload
from simulators.records import record

PYTHON = PythonLayout("3.13", "lib/python3.13t/site-packages", "bin/python3.13", "d" * 64)
SHA256 = sha256_of(b"archive")


def info(
    *entries: PathEntry,
    noarch: str = "",
    timestamp: int = 0,
    entry_points: tuple[EntryPoint, ...] = (),
    license_: str = "MIT",
    site_packages: str = "",
    version: str = "1.0",
) -> PackageInfo:
    """The `info/` of a package with `entries`."""
    return PackageInfo(
        name="tool",
        version=version,
        build="0",
        index={"name": "tool", "version": version, "build": "0", "license": license_},
        noarch=noarch,
        timestamp=timestamp,
        site_packages_path=site_packages,
        entry_points=entry_points,
        paths=entries,
    )


def hard(path: str, data: bytes = b"") -> PathEntry:
    """An entry for a file."""
    return PathEntry(path=path, type=PathType.HARDLINK, sha256=sha256_of(data), size=len(data))


def put(directory: Path, path: str, data: bytes = b"", mode: int = 0o644) -> Path:
    """A file below `directory`."""
    target = directory / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    target.chmod(mode)
    return target


def only(result: Payload, path: str) -> PayloadFile:
    """The file at `path`."""
    return next(item for item in result.files if item.path == path)


@pytest.mark.parametrize(
    ("version", "path", "expected"),
    [
        ("3.12.1", "", PythonLayout("3.12", "lib/python3.12/site-packages", "bin/python3.12", "")),
        ("3.13.0", "lib/x", PythonLayout("3.13", "lib/x", "bin/python3.13", "")),
    ],
)
def test_the_layout_of_a_python(version: str, path: str, expected: PythonLayout) -> None:
    """The package says where its site-packages lie, or they lie where they always did."""
    layout = PythonLayout.of(info(version=version, site_packages=path), SHA256)
    assert expected == PythonLayout(layout.version, layout.site_packages, layout.executable, "")


def test_a_file_is_taken_from_the_package(tmp_path: Path) -> None:
    """Content, mode and digest of a file are those of the package."""
    source = put(tmp_path, "bin/tool", b"x", 0o775)
    result = conda_payload(record(), info(hard("bin/tool", b"x")), tmp_path, None)
    assert PayloadFile(
        path="bin/tool", place=str(source), executable=True, sha256=sha256_of(b"x"), size=1
    ) == only(result, "bin/tool")


def test_a_placeholder_is_kept(tmp_path: Path) -> None:
    """A file with a placeholder keeps it until it is shipped."""
    put(tmp_path, "lib/l", b"/p\0")
    entry = PathEntry(path="lib/l", type=PathType.HARDLINK, placeholder="/p", mode=FileMode.BINARY)
    item = only(conda_payload(record(), info(entry), tmp_path, None), "lib/l")
    assert ("/p", FileMode.BINARY, 3) == (item.placeholder, item.mode, item.size)


def test_a_link_keeps_its_text(tmp_path: Path) -> None:
    """A link is not followed, dangling or not."""
    (tmp_path / "link").symlink_to("../nowhere/./x")
    entry = PathEntry(path="link", type=PathType.SOFTLINK)
    result = conda_payload(record(), info(entry), tmp_path, None)
    assert PayloadFile(path="link", kind=Kind.LINK, target="../nowhere/./x") == only(result, "link")


def test_a_link_that_became_a_file_is_a_file(tmp_path: Path) -> None:
    """Where the archive had no link after all, the digest of what it points to says nothing."""
    source = put(tmp_path, "link", b"x")
    entry = PathEntry(path="link", type=PathType.SOFTLINK, sha256=sha256_of(b"other"))
    result = conda_payload(record(), info(entry), tmp_path, None)
    assert PayloadFile(path="link", place=str(source), size=1) == only(result, "link")


def test_a_directory_is_kept(tmp_path: Path) -> None:
    """An empty directory is payload too."""
    (tmp_path / "var").mkdir()
    entry = PathEntry(path="var", type=PathType.DIRECTORY)
    result = conda_payload(record(), info(entry), tmp_path, None)
    assert PayloadFile(path="var", kind=Kind.DIRECTORY) == only(result, "var")


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("site-packages/a/b.py", "lib/python3.13t/site-packages/a/b.py"),
        ("python-scripts/run", "bin/run"),
        ("share/x", "share/x"),
        ("site-packages", "site-packages"),
    ],
)
def test_where_noarch_files_go(path: str, target: str) -> None:
    """Two directories of a noarch package have another place in the prefix."""
    assert target == noarch_target(path, PYTHON.site_packages)


def test_entry_points_become_scripts(tmp_path: Path) -> None:
    """A noarch package gets a script for each entry point, for the environment's python."""
    entry_point = EntryPoint(command="run", module="m", function="f")
    result = conda_payload(
        record(), info(noarch="python", entry_points=(entry_point,)), tmp_path, PYTHON
    )
    script = only(result, "bin/run")
    assert (True, True) == (script.executable, b"'python3.13'" in (script.content or b""))


def test_an_entry_point_replaces_a_script_of_its_name(tmp_path: Path) -> None:
    """No path is there twice, and the generated script is the one that stays.

    Only noarch python packages get scripts made.
    """
    put(tmp_path, "python-scripts/run", b"old")
    points = (EntryPoint(command="run", module="m", function="f"),)
    package = info(hard("python-scripts/run", b"old"), noarch="python", entry_points=points)
    result = conda_payload(record(), package, tmp_path, PYTHON)
    assert [True] == [item.content is not None for item in result.files if item.path == "bin/run"]
    result = conda_payload(record(), info(entry_points=points), tmp_path, PYTHON)
    assert ["conda-meta/tool-1.0-0.json"] == [item.path for item in result.files]


def test_the_prefix_record_lists_the_files(tmp_path: Path) -> None:
    """It names every path, canonical URLs, and nothing of the machine."""
    records = []
    for name in "ab":
        put(tmp_path / name, "f", b"x")
        made = conda_payload(record(), info(hard("f", b"x")), tmp_path / name, None)
        records.append(only(made, "conda-meta/tool-1.0-0.json"))
    assert records[0] == records[1]
    content = records[0].content or b""
    document = json.loads(content)
    assert (["f"], record().url, "", False) == (
        document["files"],
        document["url"],
        document["extracted_package_dir"],
        str(tmp_path) in content.decode(),
    )


@pytest.mark.parametrize(
    ("timestamp", "mtime"),
    [(0, EPOCH_1980), (1_700_000_000_123, 1_700_000_000), (1000, EPOCH_1980)],
)
def test_the_time_of_members(tmp_path: Path, timestamp: int, mtime: int) -> None:
    """Members carry the build time of their package, never before 1980."""
    assert mtime == conda_payload(record(), info(timestamp=timestamp), tmp_path, None).mtime


def test_a_license_that_is_no_text_is_left_out(tmp_path: Path) -> None:
    """Whatever a package says as its license, the bill has text."""
    package = info(license_=["MIT"])  # type: ignore[arg-type]
    assert "" == conda_payload(record(), package, tmp_path, None).license


def test_another_package_is_refused(tmp_path: Path) -> None:
    """An archive that holds another build than its name says is refused."""
    with pytest.raises(ArchiveError, match=r"tool-1.0-1.conda holds tool 1.0 0"):
        conda_payload(record(build="1"), info(), tmp_path, None)


def test_noarch_python_needs_a_python(tmp_path: Path) -> None:
    """Without python there is no place for its files."""
    with pytest.raises(ArchiveError, match="tool needs python"):
        conda_payload(record(), info(noarch="python"), tmp_path, None)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A package that lacks a file it lists is damaged."""
    with pytest.raises(ArchiveError, match="lacks bin/gone: No such file"):
        conda_payload(record(), info(hard("bin/gone")), tmp_path, None)


def test_the_last_owner_has_a_contested_path() -> None:
    """Of several owners the last in order keeps the path, and all are named."""
    alone = (payload(file("a"), name="x"), payload(file("b"), name="y"))
    assert (alone, {}) == resolve_clobbering(alone)
    payloads = (
        payload(file("a", b"1"), file("b"), name="x"),
        payload(file("c"), name="y"),
        payload(file("a", b"2"), name="z"),
    )
    resolved, clobbered = resolve_clobbering(payloads)
    assert ([["b"], ["c"], ["a"]], {"a": ("x", "z")}) == (
        [[item.path for item in each.files] for each in resolved],
        clobbered,
    )


@pytest.mark.parametrize(
    ("link", "target", "path", "error", "message"),
    [
        ("key", "home/secret", "key", ArchiveError, "key of package is not a regular file"),
        ("share", "home", "share/secret", UnsafePathError, "lies below share, which is not a"),
    ],
)
def test_what_a_link_leads_to_is_not_read(
    tmp_path: Path, link: str, target: str, path: str, error: type[Exception], message: str
) -> None:
    """It could lead to any file or directory of this machine."""
    put(tmp_path, "home/secret", b"key")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / link).symlink_to(tmp_path / target)
    entry = PathEntry(path=path, type=PathType.HARDLINK)
    with pytest.raises(error, match=message):
        conda_payload(record(), info(entry), tmp_path / "package", None)
