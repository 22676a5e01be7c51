"""Planning an installation from a lock."""

from dataclasses import replace
from pathlib import Path

import pytest

from lading.conda.names import Platform
from lading.errors import LockError
from lading.install.plan import plan_install
from lading.lock.categories import Choice, choose_categories
from lading.lock.model import Manager
from lading.lock.reading import read_lockfile
from lading.system.digest import sha256_of
from simulators.channel import Package
from simulators.project import ENVIRONMENT, Project
from simulators.records import locked

PACKAGES = (Package(name="tool", depends=("library",)), Package(name="library"))
WHEEL = locked("wheel", manager=Manager.PIP)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project of two packages."""
    return Project.of(tmp_path / "project", PACKAGES)


def test_dependencies_come_first(project: Project) -> None:
    """Records are planned in the order in which they are linked."""
    assert [
        record.name
        for record in plan_install(ENVIRONMENT, read_lockfile(project.lock), project.tree).records
    ] == ["library", "tool"]


def test_a_plan_changes_nothing(project: Project) -> None:
    """Planning leaves the tree as it is."""
    before = sorted(project.root.rglob("*"))
    plan_install(ENVIRONMENT, read_lockfile(project.lock), project.tree)
    assert before == sorted(project.root.rglob("*"))


def test_two_archives_of_one_name_are_refused(project: Project) -> None:
    """Archives of one name from two channels cannot share a package cache."""
    lockfile = read_lockfile(project.lock)
    first = lockfile.packages[0]
    twin = replace(first, sha256=sha256_of(b"other"))
    with pytest.raises(LockError, match="two different archives named"):
        plan_install(ENVIRONMENT, replace(lockfile, packages=(first, twin)), project.tree)


@pytest.mark.parametrize("name", ["..%2F..%2Fevil-1.0-0.conda", "%2e%2e"])
def test_an_archive_must_not_leave_the_cache(project: Project, name: str) -> None:
    """A URL whose last part is a path when it is decoded is refused."""
    lockfile = read_lockfile(project.lock)
    evil = replace(
        lockfile.packages[0], manager=Manager.PIP, url=f"https://demo.invalid/c/linux-64/{name}"
    )
    with pytest.raises(LockError, match="has the unsafe name"):
        plan_install(ENVIRONMENT, replace(lockfile, packages=(evil,)), project.tree)


def test_pip_packages_need_their_own_platform(project: Project) -> None:
    """Wheels are installed by the python they are for, which must run here."""
    lockfile = replace(
        read_lockfile(project.lock),
        platform=Platform.OSX_ARM64,
        packages=(WHEEL,),
    )
    with pytest.raises(LockError, match="for osx-arm64 need a machine of it"):
        plan_install(ENVIRONMENT, lockfile, project.tree)


def test_optional_pip_packages_need_nothing(project: Project) -> None:
    """What is not installed does not need its platform."""
    lock = read_lockfile(project.lock)
    packages = (*lock.packages, locked("wheel", manager=Manager.PIP, categories=("dev",)))
    lockfile = choose_categories(
        replace(lock, platform=Platform.OSX_ARM64, packages=packages), Choice()
    )
    assert ["wheel"] == [item.name for item in lockfile.left_out]
    plan = plan_install(ENVIRONMENT, lockfile, project.tree)
    assert (plan.wheels, plan.bytecode) == ((), False)


def test_link_scripts_need_their_own_platform(project: Project) -> None:
    """Scripts are programs of the platform they are for."""
    lockfile = replace(read_lockfile(project.lock), platform=Platform.OSX_ARM64)
    with pytest.raises(LockError, match="link scripts of sample for osx-arm64 need a machine"):
        plan_install(ENVIRONMENT, lockfile, project.tree, link_scripts=True)


def test_archives_are_for_any_machine(project: Project) -> None:
    """To fetch what another platform needs takes no machine of it."""
    lockfile = replace(
        read_lockfile(project.lock),
        platform=Platform.OSX_ARM64,
        packages=(WHEEL,),
    )
    plan = plan_install(ENVIRONMENT, lockfile, project.tree, only_fetch=True)
    assert ["wheel-1.0-py3-none-any.whl"] == [item.target.name for item in plan.downloads]
