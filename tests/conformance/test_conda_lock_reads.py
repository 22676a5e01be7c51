"""conda-lock and micromamba read the lockfiles that lading writes.

The larger tests solve the published environment of Pangeo against real conda-forge records; the
lockfiles in `locks/pangeo-notebook/` were made in the same way.
"""

import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lading.conda.channels import MirrorMap
from lading.conda.names import Platform
from lading.conda.virtual import VirtualPackage
from lading.engine.closure import check_closure
from lading.engine.embedded import EmbeddedEngine
from lading.lock.isolation import CondaLock
from lading.lock.model import lock_path
from lading.lock.reading import read_lockfile
from lading.lock.request import LockOutcome, LockRequest
from lading.lock.requested import read_sources
from lading.lock.solve import apply_lock, plan_lock, read_lock_inputs, solve_lock
from simulators.condalock import expect_that_conda_lock_reads
from simulators.corpus import corpus_channel, corpus_is_missing
from simulators.engines import small_channel
from simulators.locking import LockProject

PROJECT = Path(__file__).parents[2]
PANGEO = "pangeo-notebook"
FORGE = "https://conda.anaconda.org/conda-forge"
PLATFORMS = (
    Platform.LINUX_64,
    Platform.LINUX_AARCH64,
    Platform.OSX_64,
    Platform.OSX_ARM64,
)
_MICROMAMBA = os.environ.get("LADING_MICROMAMBA") or shutil.which("micromamba")


@pytest.fixture
def lockfile(tmp_path: Path) -> Path:
    """A lockfile of `tool` for linux-64."""
    project = LockProject(tmp_path / "project", small_channel(tmp_path / "channel").url)
    project.write("tool")
    return project.lock().platforms[0].path


def _run(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
    environment["MAMBA_ROOT_PREFIX"] = str(home / "root")
    return subprocess.run(
        words, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )


def test_conda_lock_parses(lockfile: Path, tmp_path: Path) -> None:
    """conda-lock's own parser reads every package, in an order that respects dependencies."""
    program = (
        "import sys, pathlib\n"
        "from conda_lock.lockfile import parse_conda_lock_file\n"
        "lock = parse_conda_lock_file(pathlib.Path(sys.argv[1]))\n"
        "print(*(package.name for package in lock.package))\n"
    )
    words = _run(tmp_path, sys.executable, "-c", program, str(lockfile)).stdout.split()
    assert {"library", "python", "tool"} == set(words)
    assert words[-1] == "tool"


def test_conda_lock_renders(lockfile: Path, tmp_path: Path) -> None:
    """`conda-lock render` makes an explicit file of it."""
    script = Path(sys.executable).with_name("conda-lock")
    if not script.is_file():
        pytest.skip("the conda-lock command is not installed beside this interpreter")
    _run(tmp_path, str(script), "render", "-k", "explicit", "-p", "linux-64", str(lockfile))
    lines = (tmp_path / "conda-linux-64.lock").read_text().splitlines()
    urls = [line.partition("#")[0] for line in lines if line.startswith("https://")]
    expected = {item.url for item in read_lockfile(lockfile).packages}
    assert expected == set(urls)


@pytest.mark.micromamba
@pytest.mark.skipif(_MICROMAMBA is None, reason="there is no micromamba on this machine")
def test_micromamba_reads(lockfile: Path, tmp_path: Path) -> None:
    """Micromamba plans an environment from it."""
    ended = _run(
        tmp_path, str(_MICROMAMBA), "create", "--dry-run", "-y", "--no-rc", "--platform",
        "linux-64", "-p", str(tmp_path / "none"), "-f", str(lockfile),
    )  # fmt: skip
    assert all(name in ended.stdout for name in ("library", "python", "tool"))


@pytest.mark.parametrize("platform", PLATFORMS)
def test_published_lockfiles(platform: Platform) -> None:
    """The lockfiles of the project are conda-lock's, closed, and name nothing but conda-forge."""
    path = lock_path(PROJECT, PANGEO, platform)
    lockfile = read_lockfile(path, platform)
    records = [item.to_record() for item in lockfile.conda]
    check_closure(records, (), itertools.starmap(VirtualPackage, lockfile.virtual_packages.items()))
    assert len(records) > 700
    assert {FORGE} == {record.channel for record in records}
    assert all(record.subdir in {platform.value, "noarch"} for record in records)
    expect_that_conda_lock_reads(path)


@pytest.mark.skipif(
    corpus_is_missing(), reason="the conda-forge corpus is not there (name it in LADING_CORPUS)"
)
def test_pangeo_for_four_platforms(tmp_path: Path) -> None:
    """The published environment locks for four platforms, twice with the same bytes.

    The result is what lies in `locks/`; nothing of this machine is in it.
    """
    channel = corpus_channel(tmp_path / "forge", ("noarch", *PLATFORMS))

    def lock(number: int) -> LockOutcome:
        root = tmp_path / f"project-{number}"
        if not root.is_dir():
            shutil.copytree(PROJECT / "examples" / PANGEO, root / "examples" / PANGEO)
        request = LockRequest(
            name=PANGEO,
            directory=root,
            sources=read_sources(
                [root / "examples" / PANGEO / name for name in ("base.yml", "environment.yml")]
            ),
            platforms=PLATFORMS,
            mirrors=MirrorMap(mirrors={FORGE: (channel.as_uri(),)}),
            conda_lock=CondaLock(state_directory=root / "state", inherited_environment=os.environ),
        )
        plan = plan_lock(request, read_lock_inputs(request))
        return apply_lock(solve_lock(plan, EmbeddedEngine(root / "engine")))

    first = lock(1)
    assert all(len(item.lockfile.packages) > 700 for item in first.platforms)
    assert not lock(1).platforms[0].written
    second = lock(2)
    for one, two in zip(first.platforms, second.platforms, strict=True):
        data = one.path.read_bytes()
        assert data == two.path.read_bytes()
        assert data == lock_path(PROJECT, PANGEO, one.platform).read_bytes()
        assert b"file://" not in data
        expect_that_conda_lock_reads(two.path)
        assert str(tmp_path).encode() not in data
