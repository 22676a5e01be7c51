"""Channels as people write them: `defaults`, a directory beside the source; and packages by URL."""

import shutil
from pathlib import Path

import pytest

from simulators.channel import ChannelSimulator, Package
from simulators.command import lading
from simulators.engine_project import ENGINES, engine_variables

MAIN = "https://repo.anaconda.com/pkgs/main"
R = "https://repo.anaconda.com/pkgs/r"


def channel(directory: Path, *packages: Package) -> ChannelSimulator:
    """A channel in `directory`."""
    made = ChannelSimulator(directory)
    for item in packages:
        made.add(item)
    made.write_repodata()
    return made


def write(project: Path, text: str) -> None:
    """The environment file."""
    project.mkdir(exist_ok=True)
    (project / "environment.yml").write_text("name: x\nplatforms: [linux-64]\n" + text)


@pytest.mark.parametrize("engine", ENGINES)
def test_defaults_are_main_and_r(tmp_path: Path, engine: str) -> None:
    """`defaults` is what conda means by it, and `defaults::NAME` the one that has NAME."""
    project = tmp_path / "project"
    main = channel(tmp_path / "main", Package(name="app", depends=("r-base",)))
    r = channel(tmp_path / "r", Package(name="r-base"))
    write(project, "channels: [defaults]\ndependencies: [app, 'defaults::r-base']\n")
    (project / "lading.toml").write_text(
        f'[mirrors]\n"{MAIN}" = ["{main.url}"]\n"{R}" = ["{r.url}"]\n'
    )
    variables = engine_variables(engine)
    outcome = lading(["lock"], project, variables)
    assert outcome.code == 0, outcome.stderr
    text = (project / "locks/x/linux-64.conda-lock.yml").read_text()
    assert f"url: {MAIN}/linux-64/app-1.0-0.conda" in text
    assert f"url: {R}/linux-64/r-base-1.0-0.conda" in text
    assert lading(["lock", "--check"], project, variables).code == 0
    assert lading(["install", "x"], project, variables).code == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_a_channel_beside_the_source(tmp_path: Path, engine: str) -> None:
    """A relative channel is locked by its place in the project, so the project can be moved."""
    project = tmp_path / "project"
    project.mkdir()
    channel(project / "my channel", Package(name="app"))
    write(project, "channels: ['./my channel']\ndependencies: [app]\n")
    variables = engine_variables(engine)
    outcome = lading(["lock"], project, variables)
    assert outcome.code == 0, outcome.stderr
    text = (project / "locks/x/linux-64.conda-lock.yml").read_text()
    assert str(tmp_path) not in text
    assert "url: file:./my%20channel/linux-64/app-1.0-0.conda" in text
    moved = tmp_path / "moved"
    shutil.move(project, moved)
    assert lading(["lock", "--check"], moved, variables).code == 0
    outcome = lading(["install", "x"], moved, variables)
    assert outcome.code == 0, outcome.stderr


@pytest.mark.parametrize("engine", ENGINES)
def test_a_channel_that_is_not_there(tmp_path: Path, engine: str) -> None:
    """The directory is named, in lading's own words."""
    project = tmp_path / "project"
    write(project, "channels: ['./my channel']\ndependencies: [app]\n")
    outcome = lading(["lock"], project, engine_variables(engine))
    assert (6, True) == (outcome.code, outcome.is_plain_error), outcome.stderr
    assert f"there is no directory {project}/my channel\n" in outcome.stderr


@pytest.mark.parametrize("engine", ENGINES)
def test_a_package_by_its_url(tmp_path: Path, engine: str) -> None:
    """A URL with its digest takes this very archive; another digest has no solution."""
    project = tmp_path / "project"
    made = channel(tmp_path / "channel", *(Package(name="app", build=name) for name in "ab"))
    record = next(item for item in made.records(made.url) if item.build == "a")
    assert record.md5 is not None
    text = "channels: ['{}']\ndependencies: ['{}/linux-64/app-1.0-a.conda#{}']\n"
    write(project, text.format(made.url, made.url, record.md5.hex))
    variables = engine_variables(engine)
    outcome = lading(["lock"], project, variables)
    assert outcome.code == 0, outcome.stderr
    assert "app-1.0-a.conda" in (project / "locks/x/linux-64.conda-lock.yml").read_text()
    assert lading(["lock", "--check"], project, variables).code == 0
    write(project, text.format(made.url, made.url, "0" * 32))
    assert lading(["lock", "--check"], project, variables).code == 1
    assert lading(["lock"], project, variables).code == 4


def test_platforms_of_a_pyproject(tmp_path: Path) -> None:
    """`platforms` of `[tool.conda-lock]` are locked, and the check misses those that are not."""
    made = channel(
        tmp_path / "channel",
        *(Package(name="app", subdir=name) for name in ("linux-64", "osx-arm64")),
        *(Package(name="python", subdir=name) for name in ("linux-64", "osx-arm64")),
    )
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        '[project]\nname = "x"\ndependencies = ["app"]\nrequires-python = ">=1"\n'
        f"[tool.conda-lock]\nchannels = ['{made.url}']\n"
        "platforms = ['linux-64', 'osx-arm64']\n"
    )
    words = ["lock", "pyproject.toml", "-n", "x"]
    outcome = lading(words, project)
    assert outcome.code == 0, outcome.stderr
    lock = project / "locks/x/osx-arm64.conda-lock.yml"
    lock.unlink()
    answer = lading([*words, "--check"], project)
    assert (answer.code, "osx-arm64: it is not locked" in answer.stdout) == (1, True)
    (project / "pyproject.toml").write_text(
        (project / "pyproject.toml").read_text().replace("'osx-arm64'", "'osx-arm65'")
    )
    assert "osx-arm65" in lading(words, project).stderr
