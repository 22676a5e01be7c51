"""Making a prefix equal to its contents."""

import os
from pathlib import Path

import pytest

from lading.conda.paths import FileMode, Kind
from lading.errors import ArchiveError, PrefixTooLongError, UnsafePathError
from lading.install.contents import HISTORY, PrefixContents, environment_payload
from lading.install.placement import (
    PLACEHOLDER,
    adopt_files,
    foreign_paths,
    place,
    place_contents,
    remove_foreign,
)
from lading.package.payload import PayloadFile
from lading.system import Beneath
from simulators.handmade import file, link, payload

LONG = "/build/" + "x" * 200


def put(path: Path, data: bytes = b"") -> Path:
    """A file with its directories."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def place_in(item: PayloadFile, prefix: Path) -> None:
    """Put a path of a package into `prefix`."""
    with Beneath(prefix) as beneath:
        place(item, beneath, prefix)


def test_foreign_paths(tmp_path: Path) -> None:
    """Files and links that nobody owns, links to directories too."""
    put(tmp_path / "lib/own")
    put(tmp_path / "lib/foreign")
    (tmp_path / "link").symlink_to("lib")
    assert {"lib/foreign", "link"} == set(foreign_paths(tmp_path, {"lib/own"}))


def test_removing_takes_empty_directories(tmp_path: Path) -> None:
    """A directory goes with its last file, unless a package owns it."""
    put(tmp_path / "a/b/c")
    put(tmp_path / "owned/x")
    with Beneath(tmp_path) as prefix:
        remove_foreign(prefix, "a/b/c", ())
        remove_foreign(prefix, "owned/x", {"owned"})
    assert ["owned"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize("there", ["nothing", "file", "link", "directory"])
@pytest.mark.parametrize("kind", list(Kind))
def test_the_winner_is_placed(tmp_path: Path, there: str, kind: Kind) -> None:
    """Whatever lies there, the winner takes its place."""
    target = tmp_path / "prefix/x"
    target.parent.mkdir()
    match there:
        case "file":
            put(target, b"loser")
        case "link":
            target.symlink_to("elsewhere")
        case "directory":
            put(target / "inside")
    item = {
        Kind.FILE: file("x", b"winner", executable=True, directory=tmp_path / "cache"),
        Kind.LINK: link("x", "target"),
        Kind.DIRECTORY: PayloadFile(path="x", kind=Kind.DIRECTORY),
    }[kind]
    place_in(item, tmp_path / "prefix")
    match kind:
        case Kind.FILE:
            assert (b"winner", 0o755) == (target.read_bytes(), target.stat().st_mode & 0o777)
        case Kind.LINK:
            assert str(target.readlink()) == "target"
        case Kind.DIRECTORY:
            assert target.is_dir()


@pytest.mark.parametrize(
    ("mode", "data", "expected"),
    [
        (FileMode.TEXT, f"at {LONG}/lib\n", "at {prefix}/lib\n"),
        (FileMode.BINARY, f"\0{LONG}/lib\0end", "\0{prefix}/lib\0"),
    ],
)
def test_placeholders_are_replaced(
    tmp_path: Path, mode: FileMode, data: str, expected: str
) -> None:
    """The winner's placeholder becomes the prefix; a binary keeps its length."""
    item = file("x", data.encode(), placeholder=LONG, mode=mode, directory=tmp_path / "cache")
    (tmp_path / "prefix").mkdir()
    place_in(item, tmp_path / "prefix")
    written = (tmp_path / "prefix/x").read_bytes()
    assert written.startswith(expected.format(prefix=tmp_path / "prefix").encode())
    assert (mode is FileMode.TEXT) or (len(data), True) == (len(written), written.endswith(b"end"))


def test_a_prefix_that_is_too_long(tmp_path: Path) -> None:
    """Where a binary has no room for it, that is said."""
    item = file("x", b"/short\0", placeholder="/short", mode=FileMode.BINARY)
    with pytest.raises(PrefixTooLongError):
        place_in(item, tmp_path)


def test_what_scripts_made_is_adopted(tmp_path: Path) -> None:
    """In text the prefix becomes a placeholder; a binary stays as it is; a link stays one."""
    prefix = tmp_path / "prefix"
    put(prefix / "text", f"in {prefix}\n".encode()).chmod(0o755)
    put(prefix / "binary", b"\0/usr\0")
    (prefix / "link").symlink_to("text")
    found = {
        item.path: item
        for item in adopt_files(["text", "binary", "link"], prefix, tmp_path / "scripted")
    }
    assert (tmp_path / "scripted/text").read_text() == f"in {PLACEHOLDER}\n"
    assert (PLACEHOLDER, True, FileMode.TEXT) == (
        found["text"].placeholder,
        found["text"].executable,
        found["text"].mode,
    )
    assert ("", b"\0/usr\0") == (
        found["binary"].placeholder,
        (tmp_path / "scripted/binary").read_bytes(),
    )
    assert (Kind.LINK, "text") == (found["link"].kind, found["link"].target)


def test_placing_writes_what_is_ladings(tmp_path: Path) -> None:
    """Generated files are written; files of packages, linked by the engine, are left alone."""
    package = payload(
        file("generated", b"new"), file("linked", b"new", directory=tmp_path / "cache")
    )
    contents = PrefixContents(payloads=(package, environment_payload()), python=None, clobbered={})
    prefix = tmp_path / "prefix"
    prefix.mkdir()
    (prefix / "linked").write_bytes(b"old")
    place_contents(contents, prefix)
    assert (b"new", b"old", HISTORY) == (
        (prefix / "generated").read_bytes(),
        (prefix / "linked").read_bytes(),
        (prefix / "conda-meta/history").read_bytes(),
    )


def test_placing_removes_what_others_left(tmp_path: Path) -> None:
    """Bytecode that is nobody's goes, and so do the marks of installers."""
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__/x.cpython-311.pyc").write_bytes(b"")
    (tmp_path / "CACHEDIR.TAG").write_bytes(b"")
    place_contents(PrefixContents(payloads=(), python=None, clobbered={}), tmp_path)
    assert [] == [path.name for path in tmp_path.rglob("*")]


def test_placing_brings_what_is_missing(tmp_path: Path) -> None:
    """What an engine put elsewhere is put where it belongs, and goes from there."""
    package = payload(
        file("lib/python3.13t/x", b"x", directory=tmp_path / "cache"), link("lib/y", "x")
    )
    contents = PrefixContents(payloads=(package,), python=None, clobbered={})
    prefix = tmp_path / "prefix"
    (prefix / "lib/python3.13").mkdir(parents=True)
    (prefix / "lib/python3.13/x").write_bytes(b"x")
    place_contents(contents, prefix)
    assert (b"x", "x", False) == (
        (prefix / "lib/python3.13t/x").read_bytes(),
        str((prefix / "lib/y").readlink()),
        (prefix / "lib/python3.13").exists(),
    )


def test_a_binary_of_a_script_that_names_the_prefix(tmp_path: Path) -> None:
    """It is refused: it would ship the build prefix, and leave no room for a longer one."""
    put(tmp_path / "prefix/bin/made", b"\x7fELF\0" + bytes(tmp_path / "prefix") + b"/lib\0")
    with pytest.raises(ArchiveError, match="a link script made bin/made, a binary file"):
        adopt_files(["bin/made"], tmp_path / "prefix", tmp_path / "scripted")


@pytest.mark.parametrize(
    "item", [file("share/v/new", b"evil"), link("share/v/new", "x")], ids=["file", "link"]
)
def test_nothing_is_written_through_a_link(tmp_path: Path, item: PayloadFile) -> None:
    """Where a package has a link to a directory, no other package writes into that directory."""
    outside, prefix = tmp_path / "home", tmp_path / "prefix"
    (prefix / "share").mkdir(parents=True)
    outside.mkdir()
    (prefix / "share/v").symlink_to(outside)
    contents = PrefixContents(
        payloads=(payload(link("share/v", str(outside))), payload(item, name="other")),
        python=None,
        clobbered={},
    )
    with pytest.raises(UnsafePathError, match="share/v/new lies below a link or a file"):
        place_contents(contents, prefix)
    assert [] == list(outside.iterdir())


def test_bytecode_is_not_written_through_a_link(tmp_path: Path) -> None:
    """A package whose `__pycache__` is a link gets no bytecode there."""
    outside, prefix = tmp_path / "home", tmp_path / "prefix"
    (prefix / "lib").mkdir(parents=True)
    outside.mkdir()
    (prefix / "lib/__pycache__").symlink_to(outside)
    compiled = file("lib/__pycache__/x.pyc", b"code", directory=tmp_path / "cache")
    contents = PrefixContents(payloads=(payload(compiled),), python=None, clobbered={})
    with pytest.raises(UnsafePathError):
        place_contents(contents, prefix)
    assert [] == list(outside.iterdir())


def test_placing_does_not_write_through_a_link(tmp_path: Path) -> None:
    """What lies in the prefix may be a name of a file in the package cache, which stays."""
    original = tmp_path / "cache"
    original.write_bytes(b"cache")
    place = tmp_path / "prefix/bin/run"
    place.parent.mkdir(parents=True)
    place.hardlink_to(original)
    place_in(PayloadFile(path="bin/run", content=b"new", executable=True), tmp_path / "prefix")
    assert (b"cache", b"new", 0o755) == (
        original.read_bytes(),
        place.read_bytes(),
        place.stat().st_mode & 0o777,
    )


def test_placing_across_file_systems_copies(tmp_path: Path) -> None:
    """Where no hard link can be made, the content is copied."""
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system")
    source = other / f"lading-test-{os.getpid()}"
    source.write_bytes(b"x")
    (tmp_path / "__pycache__").mkdir()
    compiled = PayloadFile(path="__pycache__/x.pyc", place=str(source))
    try:
        place_in(compiled, tmp_path)
    finally:
        source.unlink()
    assert b"x" == (tmp_path / "__pycache__/x.pyc").read_bytes()
