"""A package that was found sound is hashed again only when its state changed."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lading.install.extracted import damaged_packages
from lading.install.known_state import KnownState
from simulators.channel import File, Package, Symlink, build_archive
from simulators.extraction import extract

PACKAGE = Package(
    name="a",
    files={"lib/x": b"content", "lib/y": File(b"other"), "lib/link": Symlink("x")},
)
OLD = 1_600_000_000


class Extracted:
    """A package in a cache, and where its state is kept."""

    def __init__(self, root: Path, age: int = OLD) -> None:
        """Extract it; its files were modified at `age`, in Unix seconds."""
        self.archive = root / "a-1.0-0.conda"
        self.archive.write_bytes(build_archive(PACKAGE))
        self.directory = extract(PACKAGE, root)
        self.known = KnownState(root / "a.state")
        for path in self.directory.rglob("*"):
            os.utime(path, (age, age), follow_symlinks=False)

    def damages(self) -> list[str]:
        """What is wrong with it."""
        return list(
            damaged_packages({"a": self.directory}, {"a": self.archive}, {"a": self.known}).values()
        )

    def change(self) -> None:
        """Change a file, size and time as before."""
        path = self.directory / "lib/x"
        status = path.stat()
        path.write_bytes(b"CONTENT")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_it_is_hashed_once(tmp_path: Path) -> None:
    """What changes without a trace is not noticed, so nothing was read; links do not count."""
    package = Extracted(tmp_path)
    first = package.damages()
    os.link(package.directory / "lib/y", tmp_path / "linked")
    package.change()
    assert ([], True, []) == (first, package.known.is_of(package.directory), package.damages())


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "lib/x").write_bytes(b"CONTENT"),
        lambda root: (root / "lib/y").unlink(),
        lambda root: (root / "lib/x").chmod(0o600),
        lambda root: (root / "lib").chmod(0o777),
        lambda root: (root / "info/link.json").write_bytes(b"{}"),
        lambda root: (root / "info/index.json").write_bytes(b"{}"),
    ],
    ids=["content", "missing", "mode", "mode of a directory", "appeared", "info"],
)
def test_a_change_is_noticed(tmp_path: Path, change: Callable[[Path], object]) -> None:
    """Whatever changed, the package is looked at again."""
    package = Extracted(tmp_path)
    package.damages()
    change(package.directory)
    assert not package.known.is_of(package.directory)


def test_damage_behind_a_known_state_is_found(tmp_path: Path) -> None:
    """The other time alone makes it be hashed."""
    package = Extracted(tmp_path)
    package.damages()
    (package.directory / "lib/x").write_bytes(b"CONTENT")
    assert ["lib/x has another digest"] == package.damages()


def test_what_was_just_modified_is_hashed_again(tmp_path: Path) -> None:
    """It could be modified once more without another time."""
    package = Extracted(tmp_path, age=4_000_000_000)
    package.damages()
    package.change()
    assert ["lib/x has another digest"] == package.damages()


@pytest.mark.parametrize("content", [b"", b"\xc1", b"\x93\x00\xa0\x80"])
def test_a_damaged_state_is_not_used(tmp_path: Path, content: bytes) -> None:
    """Then the package is hashed."""
    package = Extracted(tmp_path)
    package.known.place.write_bytes(content)
    package.change()
    assert ["lib/x has another digest"] == package.damages()


def test_another_directory_is_hashed(tmp_path: Path) -> None:
    """The state of one says nothing about a copy."""
    package = Extracted(tmp_path)
    package.damages()
    assert not package.known.is_of(tmp_path)
