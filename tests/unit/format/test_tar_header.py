"""Tar headers."""

import tarfile

import pytest

from lading.conda.paths import Kind
from lading.format.tar_header import Header, padding, render_header


def header(path: str = "a", kind: Kind = Kind.FILE, **fields: object) -> Header:
    """A header with empty values but for `fields`."""
    values = {"size": 0, "executable": False, "mtime": 0, **fields}
    return Header(path=path, kind=kind, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "executable", "mode"),
    [
        (Kind.FILE, False, 0o644),
        (Kind.FILE, True, 0o755),
        (Kind.LINK, False, 0o777),
        (Kind.DIRECTORY, False, 0o755),
    ],
)
def test_modes(kind: Kind, *, executable: bool, mode: int) -> None:
    """There are two modes of files, and one of links and of directories."""
    assert mode == header(kind=kind, executable=executable).mode


@pytest.mark.parametrize(
    ("path", "blocks"),
    [("a" * 100, 1), ("a" * 101, 3), ("ü", 3), ("a" * 600, 4)],
)
def test_plain_names_need_one_block(path: str, blocks: int) -> None:
    """Only what a plain header cannot hold gets an extended one."""
    assert blocks * 512 == len(render_header(header(path)))


def test_directories_end_with_a_slash() -> None:
    """A directory is named as tar names it."""
    assert b"d/\0" == render_header(header("d", Kind.DIRECTORY))[:3]


def test_nobody_owns_a_member() -> None:
    """Neither a number nor a name of a user stands in a header."""
    info = tarfile.TarInfo.frombuf(render_header(header()), "utf-8", "strict")
    assert (0, 0, "", "") == (info.uid, info.gid, info.uname, info.gname)


@pytest.mark.parametrize(("size", "expected"), [(0, 0), (1, 511), (512, 0), (513, 511)])
def test_padding(size: int, expected: int) -> None:
    """The last block of a content is filled with zeros."""
    assert bytes(expected) == padding(size)
