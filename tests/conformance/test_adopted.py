"""conda-lock reads what was adopted, and what it locks itself is adopted and installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from simulators.channel import CANONICAL, ChannelSimulator, Package
from simulators.command import lading
from simulators.foreign_locks import conda_lock_file

_MICROMAMBA = os.environ.get("LADING_MICROMAMBA") or shutil.which("micromamba")
_PARSE = (
    "import sys; from pathlib import Path; from conda_lock.lockfile import parse_conda_lock_file;"
    " print(len(parse_conda_lock_file(Path(sys.argv[1])).package))"
)


@pytest.fixture
def channel(tmp_path: Path) -> ChannelSimulator:
    """Two packages, and one for developers."""
    channel = ChannelSimulator(tmp_path / "channel")
    channel.add(Package(name="app", noarch="generic", depends=("library",)))
    channel.add(Package(name="library", noarch="generic"))
    channel.add(Package(name="checker", noarch="generic", depends=("library",)))
    channel.write_repodata()
    return channel


def conda_lock(directory: Path, *words: str) -> str:
    """What a program of conda-lock's environment prints."""
    environment = {"HOME": str(directory), "PATH": os.environ["PATH"]}
    environment["MAMBA_ROOT_PREFIX"] = str(directory / "root")
    return subprocess.run(
        words, cwd=directory, env=environment, capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize("kind", ["md5 alone", "2.0 with a package in two categories"])
def test_conda_lock_reads_what_was_adopted(
    tmp_path: Path, channel: ChannelSimulator, kind: str
) -> None:
    """The files that adopting writes are lockfiles for conda-lock too."""
    project = tmp_path / "service"
    project.mkdir()
    (project / "lading.toml").write_text(f'[mirrors]\n"{CANONICAL}" = ["{channel.url}"]\n')
    conda_lock_file(project / "conda-lock.yml", kind, list(channel.records(CANONICAL)))
    assert lading(["adopt", "conda-lock.yml"], project).code == 0
    lock = project / "locks/service/linux-64.conda-lock.yml"
    # Several categories of a package are one package to it.
    assert conda_lock(tmp_path, sys.executable, "-c", _PARSE, str(lock)).split() == ["3"]


@pytest.mark.micromamba
@pytest.mark.skipif(_MICROMAMBA is None, reason="there is no micromamba on this machine")
def test_what_conda_lock_locks_is_adopted(tmp_path: Path, channel: ChannelSimulator) -> None:
    """A conda-lock.yml of conda-lock itself, with two platforms and a category, is taken over."""
    project = tmp_path / "service"
    project.mkdir()
    text = f"channels: ['{channel.url}']\nplatforms: [linux-64, osx-arm64]\n"
    (project / "environment.yml").write_text(f"name: mine\n{text}dependencies: [app]\n")
    (project / "dev.yml").write_text(f"category: dev\n{text}dependencies: [checker]\n")
    program = str(Path(sys.executable).parent / "conda-lock")
    words = ["lock", "--micromamba", "--conda", str(_MICROMAMBA), "-f", "environment.yml"]
    conda_lock(project, program, *words, "-f", "dev.yml")
    outcome = lading(["adopt", "conda-lock.yml"], project)
    assert outcome.code == 0, outcome.stderr
    assert len(list((project / "locks/mine").iterdir())) == 2
    outcome = lading(["install", "mine", "--with", "dev"], project)
    assert outcome.code == 0, outcome.stderr
    assert "3 conda packages" in outcome.stderr
    # From now on it is locked by its sources, which the lock knows; nothing moves.
    outcome = lading(["lock", "mine"], project)
    assert outcome.code == 0, outcome.stderr
    assert " -> " not in outcome.stderr
    assert lading(["lock", "--check", "mine"], project).code == 0
