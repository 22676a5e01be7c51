"""Clearing a package cache."""

from dataclasses import replace
from pathlib import Path

import pytest

from lading.errors import UsageError
from lading.install.clean import clear_package_cache
from lading.install.layout import BuildTree
from lading.install.package_cache import fetch_archives
from lading.install.plan import plan_install
from lading.lock.reading import read_lockfile
from simulators.channel import Package
from simulators.project import ENVIRONMENT, Project


def filled(root: Path, cache: Path | None) -> BuildTree:
    """A tree whose package cache holds an archive, an extracted package and a wheel."""
    project = Project.of(root / "project", [Package(name="a")])
    tree = BuildTree(project.root, cache)
    plan = replace(
        plan_install(ENVIRONMENT, read_lockfile(project.lock), tree), mirrors=project.mirrors
    )
    fetch_archives(plan, tree, {})
    for name in ("a-1.0-0/info/index.json", "broken-1.0-0/x", "wheels/b-1.0-py3-none-any.whl"):
        path = tree.package_cache / name
        path.parent.mkdir(parents=True)
        path.write_bytes(b"{}")
    (tree.package_cache / "broken-1.0-0.lock").touch()
    return tree


@pytest.mark.parametrize("named", [False, True])
def test_what_lading_created_is_removed(tmp_path: Path, *, named: bool) -> None:
    """A cache that lading filled from the beginning is removed whole, wherever it lies."""
    tree = filled(tmp_path, tmp_path / "cache" if named else None)
    assert ((), False) == (clear_package_cache(tree), tree.package_cache.exists())


def test_any_other_directory_is_refused(tmp_path: Path) -> None:
    """A directory that held something before is left alone, although packages lie in it now."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.tex").write_text("years of work")
    tree = filled(tmp_path, home)
    before = sorted(home.rglob("*"))
    with pytest.raises(UsageError, match="is not a package cache that lading created"):
        clear_package_cache(tree)
    assert before == [path for path in sorted(home.rglob("*")) if path.name != ".lading.lock"]


def test_what_others_put_there_stays(tmp_path: Path) -> None:
    """Only archives, extracted packages, wheels and locks are removed."""
    tree = filled(tmp_path, tmp_path / "cache")
    names = ("notes.txt", "wheels/notes.txt", "mine/x", "mine/package/info/index.json")
    theirs = [tree.package_cache / name for name in names]
    for path in theirs:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("kept")
    left = clear_package_cache(tree)
    assert ["mine", "notes.txt", "wheels"] == [path.name for path in left or ()]
    assert ["kept"] * 4 == [path.read_text() for path in theirs]


def test_links_lead_nowhere(tmp_path: Path) -> None:
    """A symbolic link in a cache is not followed."""
    tree = filled(tmp_path, tmp_path / "cache")
    target = tmp_path / "elsewhere/info"
    target.mkdir(parents=True)
    (target / "index.json").write_text("{}")
    for name in ("linked-1.0-0", "file"):
        (tree.package_cache / name).symlink_to(target.parent)
    clear_package_cache(tree)
    assert (target / "index.json").exists()


def test_packages_of_micromamba_are_removed(tmp_path: Path) -> None:
    """Since 2.6 it keeps them below directories that are named after the URL."""
    tree = filled(tmp_path, None)
    nested = tree.package_cache / "file/tmp/channel"
    (nested / "a-1.0-0/info").mkdir(parents=True)
    (nested / "a-1.0-0.lock").touch()
    assert ((), False) == (clear_package_cache(tree), tree.package_cache.exists())


def test_there_may_be_no_cache(tmp_path: Path) -> None:
    """A fresh project has none."""
    assert clear_package_cache(BuildTree(tmp_path)) is None
