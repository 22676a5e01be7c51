"""What tests share: the demo channel and what is slow to make from it, the command, a node."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.errors import FetchError
from simulators.example_project import ExampleProject
from simulators.launcher import Launcher
from simulators.pages import Site
from simulators.site import make_site
from simulators.store_node import Node
from simulators.versions import versioned_tarball

ROOT = Path(__file__).resolve().parents[2]
CHANNEL = ROOT / ".cache/demo-channel/current"


@pytest.fixture(scope="session")
def demo_channel() -> Path:
    """The directory of the demo channel, built where `make` has not done so."""
    if not CHANNEL.exists():
        subprocess.run([sys.executable, ROOT / "scripts/demo_channel"], cwd=ROOT, check=True)
    return CHANNEL.resolve()


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory for the whole session; gigabytes lie in it, so it does not outlive the tests."""
    directory = tmp_path_factory.mktemp("workspace")
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def environments(workspace: Path, demo_channel: Path) -> ExampleProject:
    """A project in which `data-service` and `no-python` are packed."""
    project = ExampleProject.of(
        workspace / "environments",
        demo_channel,
        TZ="UTC",
        LC_ALL="C",
        HOME=str(workspace / "home"),
        PYTHONHASHSEED="0",
    )
    return packed(project)


@pytest.fixture(scope="session")
def other_environments(workspace: Path, demo_channel: Path) -> ExampleProject:
    """The same in another directory, as another user on a machine with other customs would do it.

    Not even the caches are shared.
    """
    project = ExampleProject.of(
        workspace / "elsewhere/in a directory with another name",
        demo_channel,
        umask=0o077,
        TZ="Asia/Kathmandu",
        LC_ALL="C.UTF-8",
        HOME=str(workspace / "another home"),
        PYTHONHASHSEED="4711",
    )
    return packed(project)


def packed(project: ExampleProject) -> ExampleProject:
    """The project, with what most tests look at locked, installed and packed."""
    for environment in ("data-service", "no-python"):
        project.done("lock", environment)
        project.done("install", environment)
        project.done("pack", environment)
    return project


@pytest.fixture(scope="session")
def unpacked(environments: ExampleProject, workspace: Path) -> Path:
    """The environment `data-service`, unpacked once for all tests; nothing may write into it."""
    prefix = workspace / "unpacked"
    environments.done("unpack", environments.tarball("data-service"), prefix)
    return prefix


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A directory for one test, deleted after it whatever its size."""
    yield tmp_path
    if os.path.lexists(tmp_path):
        shutil.rmtree(tmp_path)


@pytest.fixture
def copy(unpacked: Path, place: Path) -> Path:
    """A copy of `unpacked` for one test, by hard links: lading never writes a file in place."""
    return shutil.copytree(unpacked, place / "copy", symlinks=True, copy_function=os.link)


@pytest.fixture(scope="session")
def pip_projects(
    environments: ExampleProject, other_environments: ExampleProject
) -> tuple[ExampleProject, ExampleProject]:
    """The two projects with `data-service-pip` packed; skips where PyPI cannot be reached."""
    environment = "data-service-pip"
    outcome = environments.lading("lock", environment)
    if outcome.code == FetchError.exit_code:
        pytest.skip(f"PyPI cannot be reached: {' '.join(outcome.error_lines)}")
    assert outcome.code == 0, outcome.stderr
    other_environments.lock(environment).parent.mkdir(parents=True)
    other_environments.lock(environment).write_bytes(environments.lock(environment).read_bytes())
    for project in (environments, other_environments):
        project.done("pack", environment)
    return environments, other_environments


@pytest.fixture(scope="session")
def site_template(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site to be copied, with a small `data-service` that is locked and packed."""
    return make_site(tmp_path_factory.mktemp("site") / "site")


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    """The command, loaded once."""
    with Launcher.start(tmp_path_factory.mktemp("launcher")) as found:
        yield found


@pytest.fixture
def node(tmp_path: Path, launcher: Launcher) -> Node:
    """A node that runs the old version."""
    found = Node(
        tmp_path / "node",
        versioned_tarball(tmp_path / "tarballs", "1"),
        versioned_tarball(tmp_path / "tarballs", "2"),
        launcher,
    )
    (found.root / "opt").mkdir(parents=True)
    assert found.unpack(found.old.plan.tarball).code == 0
    return found
