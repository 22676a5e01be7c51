"""Whether what a store holds of a package is still what was put there."""

import os
from pathlib import Path

import pytest

from lading.format.contents import PackageContents
from lading.format.opening import open_tarball
from lading.node.store import Store
from lading.node.stored_package import changed_files
from lading.system.filesystem import no_sync
from simulators.versions import versioned_tarball

Stored = tuple[Path, PackageContents]


@pytest.fixture
def package(tmp_path: Path) -> Stored:
    """A directory that a package was extracted into, and what it must hold."""
    store = Store(tmp_path / "store")
    with open_tarball(versioned_tarball(tmp_path / "tarballs").plan.tarball) as opened:
        [found] = [item for item in opened.contents().packages if item.package.name == "base"]
        with store.in_use():
            store.add(opened, [found], 1, no_sync)
    [tree] = store.directory.glob("packages/*/*/tree")
    return tree, found


def changed(package: Stored, *, thorough: bool = False) -> list[str]:
    """The paths of what was changed."""
    tree, found = package
    return [item.path for item in changed_files(tree, found.files, found.mtime, thorough=thorough)]


@pytest.mark.parametrize("thorough", [False, True])
def test_what_was_put_there_is_unchanged(package: Stored, *, thorough: bool) -> None:
    """Neither at a glance nor when all is hashed."""
    assert [] == changed(package, thorough=thorough)


def test_links_and_directories_are_looked_at(package: Stored) -> None:
    """Where an environment is mounted, what is stored of them is what programs see."""
    (package[0] / "lib/libbase.so").unlink()
    (package[0] / "var/empty").rmdir()
    assert ["lib/libbase.so", "var/empty"] == changed(package)


def test_what_is_not_listed_is_removed(package: Stored) -> None:
    """A file, a directory and a link that somebody put there."""
    tree, _ = package
    (tree / "share/base/more").mkdir()
    (tree / "share/base/more/file").touch()
    (tree / "more").touch()
    (tree / "lib/link").symlink_to("libbase.so.1")
    found = changed(package)
    left = [
        path for name in ("share/base/more", "more", "lib/link") if (path := tree / name).exists()
    ]
    assert ([], []) == (found, left)


def test_a_directory_that_was_only_touched_is_set_right(package: Stored) -> None:
    """Its time and mode are again what they were."""
    path = package[0] / "share/base"
    path.touch()
    path.chmod(0o700)
    found = changed(package)
    assert ([], 1_700_000_000, 0o40755) == (found, path.stat().st_mtime, path.stat().st_mode)


def test_a_changed_byte_is_found(package: Stored) -> None:
    """By the time of the file that tells of it."""
    path = package[0] / "share/base/data"
    path.write_bytes(path.read_bytes()[::-1])
    assert ["share/base/data"] == changed(package)


@pytest.mark.parametrize(("thorough", "found"), [(False, []), (True, ["share/base/data"])])
def test_a_time_that_was_set_back_is_seen_through_by_hashing(
    package: Stored, found: list[str], *, thorough: bool
) -> None:
    """At a glance such a file is as it was."""
    path = package[0] / "share/base/data"
    before = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert found == changed(package, thorough=thorough)


def test_what_was_only_touched_is_set_right(package: Stored) -> None:
    """Its content is what it was; time and mode are again."""
    path = package[0] / "share/base/data"
    path.touch()
    path.chmod(0o755)
    found = changed(package)
    assert ([], 1_700_000_000, 0o100644) == (found, path.stat().st_mtime, path.stat().st_mode)


def test_a_fifo_is_no_file(package: Stored) -> None:
    """Nobody waits for what comes out of it."""
    path = package[0] / "share/base/data"
    path.unlink()
    os.mkfifo(path)
    assert ["share/base/data"] == changed(package, thorough=True)
