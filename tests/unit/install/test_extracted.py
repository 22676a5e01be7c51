"""Extracted packages."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lading.errors import ArchiveError
from lading.install.extracted import damaged_packages, remove_extracted, with_private_cache
from lading.install.layout import BuildTree
from lading.system.digest import sha256_of
from simulators.channel import File, Package, Symlink, build_archive
from simulators.extraction import extract

PACKAGE = Package(
    name="a",
    files={"lib/x": b"content", "lib/y": File(b"other"), "lib/link": Symlink("x")},
)


def damages(root: Path, damage: Callable[[Path], object]) -> list[str]:
    """What is wrong with an extracted package after `damage`."""
    archive = root / "a-1.0-0.conda"
    root.mkdir(exist_ok=True)
    archive.write_bytes(build_archive(PACKAGE))
    directory = extract(PACKAGE, root)
    damage(directory)
    return list(damaged_packages({"a": directory}, {"a": archive}).values())


def replace_by_link(path: Path) -> None:
    """Put a link to the same content in the place of a file."""
    path.rename(path.with_name("moved"))
    path.symlink_to("moved")


def test_a_whole_package(tmp_path: Path) -> None:
    """A package as it was extracted is not damaged."""
    assert [] == damages(tmp_path, bool)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda root: (root / "lib/x").write_bytes(b"CONTENT"), "lib/x has another digest"),
        (lambda root: (root / "lib/x").write_bytes(b"longer than it was"), "has another size"),
        (lambda root: (root / "lib/y").unlink(), "lib/y is missing"),
        (lambda root: (root / "lib/link").unlink(), "lib/link is missing"),
        (lambda root: replace_by_link(root / "lib/y"), "lib/y is not a file"),
        (lambda root: (root / "info/paths.json").write_bytes(b"{"), "info/paths.json is not that"),
        (lambda root: (root / "info/paths.json").unlink(), "info/paths.json is not that"),
        (lambda root: (root / "info/link.json").write_bytes(b"{}"), "info/link.json is not that"),
    ],
)
def test_damage_is_found(tmp_path: Path, damage: Callable[[Path], object], told: str) -> None:
    """Another byte, another size, a missing file, another list: each is named."""
    [fault] = damages(tmp_path, damage)
    assert told in fault


def test_a_list_that_was_changed_with_its_file(tmp_path: Path) -> None:
    """The list of digests counts as it stands in the archive."""

    def poison(root: Path) -> None:
        listed = root / "info/paths.json"
        new = b"CONTENT"
        (root / "lib/x").write_bytes(new)
        old = sha256_of(b"content").hex
        assert old in listed.read_text()
        listed.write_text(listed.read_text().replace(old, sha256_of(new).hex))

    assert ["info/paths.json is not that of its archive"] == damages(tmp_path, poison)


def test_directories_are_closed_to_others(tmp_path: Path) -> None:
    """Engines extract by the umask; a group must not replace what was checked."""
    assert [] == damages(tmp_path, lambda root: (root / "lib").chmod(0o777))
    assert 0o755 == (tmp_path / "a-1.0-0/lib").stat().st_mode & 0o777


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("name", ["lib", "lib/x"])
def test_what_belongs_to_another_user(tmp_path: Path, name: str) -> None:
    """Its owner could change it after it was checked."""
    [fault] = damages(tmp_path, lambda root: os.chown(root / name, 54321, -1))
    assert "belongs to" in fault


def test_only_the_cache_is_cleaned(tmp_path: Path) -> None:
    """A directory outside of the cache is never removed."""
    inside, outside = extract(PACKAGE, tmp_path / "cache"), extract(PACKAGE, tmp_path / "layer")
    remove_extracted(inside, tmp_path / "cache")
    with pytest.raises(ArchiveError, match="outside of the package cache"):
        remove_extracted(outside, tmp_path / "cache")
    assert (False, True) == (inside.exists(), outside.exists())


def test_a_shared_package_cache_is_a_layer(tmp_path: Path) -> None:
    """Where others may write nothing is extracted; archives are read from there."""
    tree = BuildTree(Path("/project"), tmp_path, (Path("/layer"),))
    assert tree == with_private_cache(tree)
    tmp_path.chmod(0o775)
    assert BuildTree(Path("/project"), None, (tmp_path, Path("/layer"))) == with_private_cache(tree)
