"""Writing the members of a frame."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lading.conda.paths import FileMode, Kind
from lading.conda.placeholder import find_occurrences, replace_placeholder
from lading.errors import DigestMismatchError, IntegrityError
from lading.format.compression import Format
from lading.format.frame_reader import Frame
from lading.format.manifest import ManifestFile
from lading.format.opening import open_tarball
from lading.node.frame_writer import (
    SMALL_BYTES,
    directories_of,
    make_directories,
    write_all,
    write_frame,
)
from simulators.handmade import file, pack, payload, unpack
from simulators.versions import PLACEHOLDER, versioned_tarball

PREFIX = b"/opt/a"


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """Another umask for a while."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def frames(root: Path, format_: Format = Format.ZSTD) -> Iterator[dict[str, Frame]]:
    """The frames of a small tarball, by package."""
    with open_tarball(versioned_tarball(root, format_=format_).plan.tarball) as opened:
        yield {frame.bill.package.name: frame for frame in opened.frames()}


def written(root: Path, package: str, prefix: bytes | None) -> Path:
    """A directory with the members of one package."""
    target = root / "target"
    target.mkdir()
    with frames(root) as found:
        frame = found[package]
        make_directories(target, directories_of(frame.bill.files))
        write_frame(frame, target, prefix)
    return target


def entry(path: str, kind: Kind = Kind.FILE) -> ManifestFile:
    """A member."""
    return ManifestFile(path=path, type=kind, mode="0644")


def test_directories_are_those_above_members() -> None:
    """Every directory once, parents first."""
    assert ("a", "a/b", "a/b/c", "d") == directories_of(
        [entry("a/b/c/x"), entry("d/y"), entry("z")]
    )


def test_directories_may_be_members() -> None:
    """A member that is a directory is made, and what is above it."""
    assert ("a", "a/b") == directories_of([entry("a/b", Kind.DIRECTORY)])


def test_directories_of_further_paths_are_made() -> None:
    """Lading's own records need directories too."""
    assert ("a", "conda-meta") == directories_of([entry("a/x")], ["conda-meta/state.json"])


def test_directories_have_their_mode_whatever_the_umask(tmp_path: Path) -> None:
    """An environment that root unpacked under a strict umask can be used by all."""
    with umask(0o077):
        make_directories(tmp_path, ("a", "a/b"))
    assert [0o755, 0o755] == [(tmp_path / name).stat().st_mode & 0o7777 for name in ("a", "a/b")]


def test_files_are_relocated(tmp_path: Path) -> None:
    """The prefix takes the place of the placeholder."""
    target = written(tmp_path, "tool", PREFIX)
    assert "#!/bin/sh\necho /opt/a/share 1\n" == (target / "bin/tool").read_text()


def test_binary_files_keep_their_length(tmp_path: Path) -> None:
    """In a C string the rest is filled with NUL."""
    target = written(tmp_path, "base", PREFIX)
    string = (PREFIX + b"/lib").ljust(len(PLACEHOLDER) + 4, b"\0")
    assert b"\x7fELF" + string + bytes(51) == (target / "lib/libbase.so.1").read_bytes()


def test_files_are_left_as_they_are_shipped(tmp_path: Path) -> None:
    """Without a prefix the placeholder stays."""
    target = written(tmp_path, "tool", None)
    assert f"#!/bin/sh\necho {PLACEHOLDER}/share 1\n" == (target / "bin/tool").read_text()


@pytest.mark.parametrize(("path", "mode"), [("bin/tool", 0o755), ("share/tool/version", 0o644)])
def test_modes_are_those_of_the_bill(tmp_path: Path, path: str, mode: int) -> None:
    """Whatever the umask is."""
    with umask(0o077):
        target = written(tmp_path, "tool", PREFIX)
    assert mode == (target / path).stat().st_mode & 0o7777


@pytest.mark.parametrize("path", ["bin/tool", "share/tool/version"])
def test_times_are_those_of_the_package(tmp_path: Path, path: str) -> None:
    """Relocated or not."""
    assert 1_700_000_000 == (written(tmp_path, "tool", PREFIX) / path).stat().st_mtime


def test_empty_directories_have_the_time_of_the_package(tmp_path: Path) -> None:
    """A directory that is a member is like any other member."""
    assert 1_700_000_000 == (written(tmp_path, "base", PREFIX) / "var/empty").stat().st_mtime


def test_links_are_links(tmp_path: Path) -> None:
    """With the target of the bill."""
    target = written(tmp_path, "base", PREFIX)
    assert Path("libbase.so.1") == (target / "lib/libbase.so").readlink()


def test_nothing_is_written_over(tmp_path: Path) -> None:
    """A file that is there already is an error."""
    (tmp_path / "share/tool").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/tool").write_text("mine")
    with frames(tmp_path) as found, pytest.raises(FileExistsError):
        write_frame(found["tool"], tmp_path, PREFIX)
    assert "mine" == (tmp_path / "bin/tool").read_text()


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    """A link in the place of a file leads nowhere."""
    (tmp_path / "share/tool").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/tool").symlink_to(tmp_path / "victim")
    with frames(tmp_path) as found, pytest.raises(FileExistsError):
        write_frame(found["tool"], tmp_path, PREFIX)
    assert not (tmp_path / "victim").exists()


def test_content_that_is_not_as_billed_is_refused(tmp_path: Path) -> None:
    """Without compression only the digest of the file can tell."""
    packed = versioned_tarball(tmp_path, format_=Format.TAR)
    data = packed.plan.tarball.read_bytes()
    packed.plan.tarball.write_bytes(data.replace(b"1" * 100, b"2" * 100))
    target = tmp_path / "target"
    target.mkdir()
    with open_tarball(packed.plan.tarball) as opened:
        [frame] = [item for item in opened.frames() if item.bill.package.name == "tool"]
        make_directories(target, directories_of(frame.bill.files))
        with pytest.raises(DigestMismatchError, match="share/tool/version does not match the bill"):
            write_frame(frame, target, PREFIX)


def test_a_descriptor_is_not_left_open(tmp_path: Path) -> None:
    """Neither after success nor after failure."""
    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208  # names, not paths
    target = written(tmp_path, "tool", PREFIX)
    with frames(tmp_path / "again") as found, pytest.raises((IntegrityError, FileExistsError)):
        write_frame(found["tool"], target, PREFIX)
    assert before == set(os.listdir("/proc/self/fd"))  # noqa: PTH208


def test_all_is_written(tmp_path: Path) -> None:
    """More than a pipe takes at once."""
    data = bytes(range(256)) * 4000
    reading, writing = os.pipe()
    received = tmp_path / "received"

    def receive() -> None:
        with os.fdopen(reading, "rb") as stream:
            received.write_bytes(stream.read())

    thread = threading.Thread(target=receive)
    thread.start()
    write_all(writing, data)
    os.close(writing)
    thread.join()
    assert data == received.read_bytes()


@pytest.mark.parametrize("mode", list(FileMode))
def test_a_large_file_is_relocated_as_a_small_one(tmp_path: Path, mode: FileMode) -> None:
    """From the disk instead of memory."""
    line = PLACEHOLDER.encode() + b"/lib\0" + b"x" * 2000
    content = line * (SMALL_BYTES // len(line) + 2) + PLACEHOLDER.encode()
    large = file(
        "large", content, placeholder=PLACEHOLDER, mode=mode, directory=tmp_path / "source"
    )
    prefix = unpack(pack(tmp_path / "tarballs", payload(large)).plan.tarball, tmp_path / "env")
    where = find_occurrences(content, PLACEHOLDER.encode(), mode)
    expected = replace_placeholder(content, where, os.fsencode(prefix))
    assert expected == (prefix / "large").read_bytes()
    assert ["large"] == [path.name for path in prefix.iterdir() if path.is_file()]
