"""What a user is told who mistypes a name, and what lading keeps out of the way."""

import shutil
import subprocess
from pathlib import Path

import pytest

from simulators.channel import PLACEHOLDER, ChannelSimulator, File, Package
from simulators.command import lading

CONDA_ACTIVATE = b'#!/bin/sh\n_CONDA_ROOT="' + PLACEHOLDER + b'"\nCONDA_IS_HERE=yes\n'


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> ChannelSimulator:
    """A tool, and conda itself with its activation script."""
    channel = ChannelSimulator(tmp_path_factory.mktemp("channel"))
    channel.add(Package(name="tool"))
    channel.add(
        Package(
            name="conda",
            files={
                "bin/activate": File(CONDA_ACTIVATE, 0o644, text=True),
                "bin/deactivate": File(b"CONDA_IS_HERE=no\n", 0o644, text=True),
                "bin/conda": File(b"#!/bin/sh\necho " + PLACEHOLDER + b"\n", 0o755, text=True),
            },
        )
    )
    channel.write_repodata()
    return channel


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory, channel: ChannelSimulator) -> Path:
    """A project with `data-service` locked for linux-64; nothing may write into it."""
    path = tmp_path_factory.mktemp("locked")
    write(path, channel, "data-service", "tool")
    assert lading(["lock"], path).code == 0
    return path


@pytest.fixture
def project(tmp_path: Path, locked: Path) -> Path:
    """A copy of that project."""
    return shutil.copytree(locked, tmp_path / "project")


def write(project: Path, channel: ChannelSimulator, name: str, *packages: str) -> None:
    """The environment file."""
    (project / "environment.yml").write_text(
        f"name: {name}\nchannels: ['{channel.url}']\nplatforms: [linux-64]\n"
        f"dependencies: [{', '.join(packages)}]\n"
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["install", "data-servce"], "did you mean data-service?"),
        (["tree", "-e", "data-servce"], "did you mean data-service?"),
        (["run", "data-servce", "--", "tool"], "did you mean data-service?"),
        (["install", "quite-another"], "locked are data-service"),
        (
            ["install", "data-service", "-p", "osx-arm64"],
            "is not locked for osx-arm64, only for linux-64",
        ),
        (
            ["install", "data-service", "-p", "osx-arm64"],
            "lading lock -p osx-arm64 data-service",
        ),
    ],
)
def test_a_mistyped_environment(locked: Path, words: list[str], expected: str) -> None:
    """The nearest name is proposed, and for another platform those that are locked."""
    outcome = lading(words, locked)
    assert outcome.is_plain_error
    assert expected in outcome.stderr


def test_the_hint_for_another_platform_works(project: Path, channel: ChannelSimulator) -> None:
    """What the hint says to run locks that platform."""
    channel.add(Package(name="tool", subdir="osx-arm64"))
    channel.write_repodata()
    assert lading(["lock", "-p", "osx-arm64", "data-service"], project).code == 0
    assert lading(["tree", "-p", "osx-arm64"], project).code == 0


def test_an_unknown_option(locked: Path) -> None:
    """Options that are hardly alike are not proposed."""
    for option in ("--nonsense", "--for"):
        outcome = lading(["pack", "data-service", option], locked)
        assert (outcome.code, "did you mean" in outcome.stderr) == (2, False)
    assert "did you mean --offline?" in lading(["pack", "x", "--ofline"], locked).stderr


def test_each_error_is_said_once(tmp_path: Path, channel: ChannelSimulator) -> None:
    """Platforms that fail alike share a line; another failure stands under its platform."""
    path = tmp_path / "project"
    path.mkdir()
    channel.add(Package(name="only-linux", subdir="linux-aarch64"))
    channel.write_repodata()
    write(path, channel, "x", "tool >=9", "only-linux")
    platforms = ("linux-64", "linux-aarch64", "win-64")
    words = ["lock", *(word for name in platforms for word in ("-p", name))]
    outcome = lading(words, path)
    assert outcome.code == 4, outcome.stderr
    lines = outcome.stderr.splitlines()
    assert len(lines) == len(set(lines)), outcome.stderr
    assert lines[0].startswith("error: linux-64")


def test_what_is_made_is_not_for_git(project: Path) -> None:
    """`.lading`, `build` and `dist` are ignored by git; the locks are not.

    A `dist` that was there before gets no `.gitignore`.
    """
    assert lading(["pack", "data-service"], project).code == 0
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    seen = subprocess.run(
        ["git", "status", "--porcelain", "-uall"],
        cwd=project,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    lock = "locks/data-service/linux-64.conda-lock.yml"
    assert seen.split() == ["??", "environment.yml", "??", lock]
    shutil.rmtree(project / "dist")
    (project / "dist").mkdir()
    assert lading(["pack", "data-service"], project).code == 0
    assert not (project / "dist/.gitignore").exists()


def test_an_environment_with_conda_in_it(project: Path, channel: ChannelSimulator) -> None:
    """An environment that contains conda packs; conda's own activation works where it is."""
    write(project, channel, "has-conda", "conda")
    for words in (["lock"], ["pack", "has-conda"]):
        assert lading(words, project).code == 0
    target = project / "elsewhere"
    assert lading(["unpack", "dist/has-conda-linux-64.tar.zst", target], project).code == 0
    shown = subprocess.run(
        ["sh", "-c", f'. {target}/bin/activate; echo "$_CONDA_ROOT $CONDA_IS_HERE"; bin/conda'],
        cwd=target,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert shown.splitlines() == [f"{target} yes", str(target)]
    assert lading(["verify", target], project).code == 0
