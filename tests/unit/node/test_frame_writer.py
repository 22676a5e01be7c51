"""Writing the members of a frame."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec import structs

from lading.conda.paths import FileMode
from lading.conda.placeholder import find_occurrences, replace_placeholder
from lading.errors import DigestMismatchError, IntegrityError
from lading.format.compression import Format
from lading.format.contents import PackageContents
from lading.format.frame_reader import Frame
from lading.format.frames import Piece
from lading.format.opening import open_tarball
from lading.node.frame_writer import (
    write_all,
    write_frame,
)
from lading.node.store import Store
from lading.system.file_content import SMALL_BYTES
from simulators.handmade import file, pack, payload, unpack
from simulators.versions import PLACEHOLDER, verified, versioned_tarball

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
        found = opened.frames(opened.contents().slices)
        yield {frame.bill.package.name: frame for frame in found}


def written(root: Path, package: str, prefix: bytes | None) -> Path:
    """A directory with the members of one package."""
    target = root / "target"
    target.mkdir()
    with frames(root) as found:
        write_frame(found[package], target, prefix)
    return target


def test_members_are_relocated(tmp_path: Path) -> None:
    """The prefix takes the place of the placeholder; mode and time are those of the bill.

    An environment that root unpacked under a strict umask can be used by all.
    """
    with umask(0o077):
        target = written(tmp_path, "tool", PREFIX)
    names = ("bin", "share", "bin/tool", "share/tool/version")
    status = [(target / name).stat() for name in names]
    assert [0o755, 0o755, 0o755, 0o644] == [item.st_mode & 0o7777 for item in status]
    assert [1_700_000_000] * 2 == [item.st_mtime for item in status[2:]]
    assert "#!/bin/sh\necho /opt/a/share 1\n" == (target / "bin/tool").read_text()


def test_binary_files_keep_their_length(tmp_path: Path) -> None:
    """In a C string the rest is filled with NUL; links and directories are as billed."""
    target = written(tmp_path, "base", PREFIX)
    string = (PREFIX + b"/lib").ljust(len(PLACEHOLDER) + 4, b"\0")
    assert b"\x7fELF" + string + bytes(51) == (target / "lib/libbase.so.1").read_bytes()
    assert (1_700_000_000, Path("libbase.so.1")) == (
        (target / "var/empty").stat().st_mtime,
        (target / "lib/libbase.so").readlink(),
    )


def test_files_are_left_as_they_are_shipped(tmp_path: Path) -> None:
    """Without a prefix the placeholder stays."""
    target = written(tmp_path, "tool", None)
    assert f"#!/bin/sh\necho {PLACEHOLDER}/share 1\n" == (target / "bin/tool").read_text()


def test_nothing_is_written_over(tmp_path: Path) -> None:
    """A file that is there already is an error; so is a link, which leads nowhere."""
    (tmp_path / "share/tool").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/tool").write_text("mine")
    with frames(tmp_path) as found:
        for _ in range(2):
            with pytest.raises(FileExistsError):
                write_frame(found["tool"], tmp_path, PREFIX)
            assert "mine" == (tmp_path / "bin/tool").read_text()
            (tmp_path / "bin/tool").unlink()
            (tmp_path / "bin/tool").symlink_to(tmp_path / "victim")
            (tmp_path / "victim").write_text("mine")


def test_a_store_gets_no_content_that_its_list_does_not_have(tmp_path: Path) -> None:
    """A frame may be the one on the bill, and its list another; nothing of the file is written."""
    with frames(tmp_path, Format.TAR) as found:
        frame = found["tool"]
        pieces = tuple(
            structs.replace(piece, file=structs.replace(piece.file, sha256="0" * 64))
            for piece in frame.bill.pieces
        )
        lying = structs.replace(frame, bill=structs.replace(frame.bill, pieces=pieces))
        (tmp_path / "bin").mkdir()
        with pytest.raises(DigestMismatchError, match="bin/tool does not match the bill"):
            write_frame(lying, tmp_path, None)
    assert [] == list((tmp_path / "bin").iterdir())


def test_nothing_is_written_through_a_linked_directory(tmp_path: Path) -> None:
    """Nobody can put a link in the place of a directory that was made."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "target").mkdir()
    (tmp_path / "target/bin").symlink_to(tmp_path / "elsewhere")
    with frames(tmp_path) as found, pytest.raises(OSError, match=r"Too many|Not a directory"):
        write_frame(found["tool"], tmp_path / "target", PREFIX)
    assert [] == list((tmp_path / "elsewhere").iterdir())


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


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("mode", list(FileMode))
def test_a_large_file_is_relocated_as_a_small_one(
    tmp_path: Path, mode: FileMode, workers: int
) -> None:
    """It lies in several frames; from the disk instead of memory."""
    line = PLACEHOLDER.encode() + b"/lib\0" + b"x" * 2000
    content = line * (SMALL_BYTES // len(line) + 2) + PLACEHOLDER.encode()
    large = file(
        "large", content, placeholder=PLACEHOLDER, mode=mode, directory=tmp_path / "source"
    )
    prefix = unpack(
        pack(tmp_path / "tarballs", payload(large)).plan.tarball, tmp_path / "env", workers
    )
    where = find_occurrences(content, PLACEHOLDER.encode(), mode)
    expected = replace_placeholder(content, where, os.fsencode(prefix))
    assert expected == (prefix / "large").read_bytes()
    assert ["large"] == [path.name for path in prefix.iterdir() if path.is_file()]


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("format_", list(Format))
def test_a_large_file_is_written_by_several_workers(
    tmp_path: Path, format_: Format, workers: int
) -> None:
    """Each its pieces; mode, time and content are those of the list, small ones beside it too."""
    content = b"".join(number.to_bytes(4) * 250 for number in range(21_000))
    files = [file("bin/large", content, executable=True), file("a", b"x"), file("z", b"y")]
    packed = pack(tmp_path / "tarballs", payload(*files), format_=format_)
    assert 2 < len(packed.manifest.packages[0].frames)
    prefix = unpack(packed.plan.tarball, tmp_path / "env", workers)
    status = (prefix / "bin/large").stat()
    assert (content, 0o755, 1_700_000_000) == (
        (prefix / "bin/large").read_bytes(),
        status.st_mode & 0o7777,
        status.st_mtime,
    )
    assert () == tuple(verified(prefix))


def test_a_large_file_that_is_not_as_billed_is_refused(tmp_path: Path) -> None:
    """Every frame may be the one on the bill; when its pieces are in the store, all is hashed."""
    content = bytes(3 * SMALL_BYTES)
    packed = pack(tmp_path / "tarballs", payload(file("large", content)))
    store = Store(tmp_path / "store")
    with open_tarball(packed.plan.tarball) as opened, store.in_use():
        packages = tuple(map(lying, opened.contents().packages))
        with pytest.raises(DigestMismatchError, match="large does not match the bill"):
            store.add(opened, packages, 2)
    assert [] == list((tmp_path / "store").rglob("large"))


def lying(package: PackageContents) -> PackageContents:
    """A package whose list has another digest for each file that several frames hold."""

    def changed(item: Piece) -> Piece:
        return (
            item
            if item.is_whole
            else structs.replace(item, file=structs.replace(item.file, sha256="0" * 64))
        )

    slices = (
        structs.replace(item, pieces=tuple(map(changed, item.pieces))) for item in package.slices
    )
    return structs.replace(package, slices=tuple(slices))
