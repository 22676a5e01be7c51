"""Sources of every kind through the real command, with an index and a channel that are served."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.conda.names import Platform
from lading.lock.model import Lockfile
from lading.lock.reading import read_lockfile
from lading.lock.side_list import built_wheels
from lading.system.digest import sha256_of_file
from simulators.channel import ChannelSimulator, Package
from simulators.command import Outcome, lading
from simulators.engine_project import ENGINES, engine_variables
from simulators.webserver import serve_directory
from simulators.wheel_index import WheelIndex, serve_json


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a channel for two platforms."""
    channel = ChannelSimulator(tmp_path_factory.mktemp("sources") / "channel")
    for subdir in ("linux-64", "osx-arm64"):
        channel.add(Package(name="python", version="3.12.1", build="h0_cpython", subdir=subdir))
        channel.add(Package(name="compiled", version="1.0", subdir=subdir))
        channel.add(Package(name="compiled", version="2.0", subdir=subdir))
    channel.add(Package(name="only-linux"))
    for name in ("pip", "requests", "pytest", "setuptools"):
        channel.add(Package(name=name, version="8.0", noarch="python", depends=("python",)))
    channel.write_repodata()
    return channel.url


@pytest.fixture
def wheels(tmp_path: Path) -> WheelIndex:
    """`tool` needs `helper`, its extra `more` needs `further`."""
    index = WheelIndex(tmp_path / "index")
    index.add_wheel("tool", "1.0", requires=("helper", 'further; extra == "more"'))
    index.add_wheel("helper", "1.0")
    index.add_wheel("helper", "2.0")
    index.add_wheel("further", "1.0")
    index.add_real_source("built", "1.0", requires=("helper<2",))
    return index


@pytest.fixture
def index(wheels: WheelIndex) -> Iterator[str]:
    """Where the index is served, without `/simple`."""
    with serve_directory(wheels.root) as url:
        yield url


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty project."""
    path = tmp_path / "project"
    path.mkdir()
    return path


def write(project: Path, channel: str, *pip: str) -> None:
    """Write an environment file that asks for python and these requirements."""
    lines = "".join(f"\n      - '{line}'" for line in pip)
    (project / "environment.yml").write_text(
        f"name: x\nchannels: ['{channel}']\ndependencies:\n  - python\n  - pip:{lines}\n"
    )


def lock(project: Path, *arguments: str, platform: str = "linux-64") -> Outcome:
    """What `lading lock` did."""
    return lading(["lock", "-n", "x", "-p", platform, *arguments], project)


def locked(outcome: Outcome, project: Path, platform: str = "linux-64") -> Lockfile:
    """The lock of a command that succeeded."""
    assert outcome.code == 0, outcome.stderr
    return read_lockfile(project / f"locks/x/{platform}.conda-lock.yml", Platform(platform))


def pip_versions(lockfile: Lockfile) -> dict[str, str]:
    """Name → version of the pip part."""
    return {item.name: item.version for item in lockfile.pip}


def test_meta_yaml(project: Path, channel: str) -> None:
    """Requirements of host, run and test, selectors and templates, as conda-lock reads them."""
    (project / "meta.yaml").write_text(
        '{% set version = "2.0" %}\n'
        "package: {name: recipe, version: '{{ version }}'}\n"
        f"extra:\n  channels:\n    - {channel}\n"
        "requirements:\n"
        "  host:\n    - python\n"
        "  run:\n    - compiled {{ version }}\n    - only-linux  # [linux]\n    - absent  # [win]\n"
        "test:\n  requires:\n    - pytest\n"
    )
    linux = locked(lock(project, "meta.yaml"), project)
    found = {item.name: (item.version, item.categories[0]) for item in linux.conda}
    assert found == {
        "compiled": ("2.0", "main"),
        "only-linux": ("1.0", "main"),
        "pytest": ("8.0", "dev"),
        "python": ("3.12.1", "main"),
    }
    osx = locked(lock(project, "meta.yaml", platform="osx-arm64"), project, "osx-arm64")
    assert {"compiled", "pytest", "python"} == {item.name for item in osx.conda}
    assert lading(["lock", "--check", "-n", "x", "meta.yaml"], project).code == 0


def test_pyproject(project: Path, channel: str, index: str) -> None:
    """Dependencies of a project by conda, by pip where it says so, and its extras."""
    (project / "pyproject.toml").write_text(
        '[project]\nname = "own"\nversion = "1"\nrequires-python = ">=3.11"\n'
        'dependencies = ["requests>=2", "tool"]\n'
        '[project.optional-dependencies]\ndev = ["pytest"]\n'
        f'[tool.conda-lock]\nchannels = ["{channel}"]\n'
        '[tool.conda-lock.dependencies]\ntool = {source = "pypi"}\ncompiled = "<2"\n'
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
    )
    found = locked(lock(project, "pyproject.toml", "--pip-index", f"{index}/simple/"), project)
    conda = {item.name: item.version for item in found.conda}
    assert conda["compiled"] == "1.0"
    assert conda["requests"] == "8.0"
    assert {"helper": "2.0", "tool": "1.0"} == pip_versions(found)
    assert {"pytest": "dev"} == {
        item.name: item.categories[0] for item in found.conda if "main" not in item.categories
    }


def test_extras(project: Path, channel: str, index: str) -> None:
    """An extra of a pip package brings what it needs."""
    write(project, channel, "tool[more]")
    found = locked(lock(project, "--pip-index", f"{index}/simple/"), project)
    assert {"further": "1.0", "helper": "2.0", "tool": "1.0"} == pip_versions(found)


def test_markers(project: Path, channel: str, index: str) -> None:
    """A marker is asked on the platform that is locked, not on the one that locks."""
    write(project, channel, 'helper<2; sys_platform == "darwin"', "further")
    options = ("--pip-index", f"{index}/simple/")
    assert {"further": "1.0"} == pip_versions(locked(lock(project, *options), project))
    osx = lock(project, *options, platform="osx-arm64")
    found = pip_versions(locked(osx, project, "osx-arm64"))
    assert {"further": "1.0", "helper": "1.0"} == found
    assert lading(["lock", "--check"], project).code == 0


def test_urls(project: Path, channel: str, index: str, wheels: WheelIndex) -> None:
    """A wheel that is named by its URL is locked with its digest, written there or not."""
    path = wheels.root / "files/helper-1.0-py3-none-any.whl"
    digest = sha256_of_file(path)
    for line in (f"{path.name}", f"{path.name}#sha256={digest.hex}"):
        write(project, channel, f"helper @ {index}/files/{line}", "tool")
        found = locked(lock(project, "--pip-index", f"{index}/simple/"), project)
        assert {"helper": "1.0", "tool": "1.0"} == pip_versions(found)
        assert (f"{index}/files/{path.name}", digest) == (found.pip[0].url, found.pip[0].sha256)
        assert lading(["lock", "--check"], project).code == 0


def test_a_url_with_another_digest(
    project: Path, channel: str, index: str, wheels: WheelIndex
) -> None:
    """A wheel that is not what the source says is refused, and nothing is written."""
    path = wheels.root / "files/helper-1.0-py3-none-any.whl"
    write(project, channel, f"helper @ {index}/files/{path.name}#sha256={'0' * 64}")
    outcome = lock(project, "--pip-index", f"{index}/simple/")
    assert (outcome.code, outcome.is_plain_error) == (3, True), outcome.stderr
    assert "helper has another sha256 than the source says" in outcome.stderr
    assert not (project / "locks").exists()


def test_hashes(project: Path, channel: str, index: str, wheels: WheelIndex) -> None:
    """A digest behind a requirement is what is locked."""
    digest = sha256_of_file(wheels.root / "files/helper-1.0-py3-none-any.whl")
    write(project, channel, f"helper==1.0 --hash=sha256:{digest.hex}")
    (item,) = locked(lock(project, "--pip-index", f"{index}/simple/"), project).pip
    assert ("1.0", digest) == (item.version, item.sha256)
    assert lading(["lock", "--check"], project).code == 0


def test_build_sdists(project: Path, channel: str, index: str) -> None:
    """A source distribution is refused, unless it may be built: then what it needs is known."""
    write(project, channel, "built")
    options = ("--pip-index", f"{index}/simple/")
    refused = lock(project, *options)
    assert (refused.code, refused.is_plain_error) == (3, True), refused.stderr
    assert "only wheels can be locked" in refused.stderr
    assert not (project / "locks").exists()
    built = lock(project, *options, "--build-sdists")
    found = locked(built, project)
    assert {"built": "1.0", "helper": "1.0"} == pip_versions(found)
    entry = built_wheels(found)["built"]
    assert entry.source == f"{index}/files/built-1.0.tar.gz"
    assert found.pip[0].file_name == "built-1.0-py3-none-any.whl"
    [wheel] = project.glob(".lading/wheels/*/*.whl")
    assert sha256_of_file(wheel) == found.pip[0].sha256
    assert entry.is_stable
    shutil.rmtree(project / ".lading")
    fetched = lading(["fetch", "x", "-p", "linux-64"], project)
    assert fetched.code == 0, fetched.stderr
    assert sha256_of_file(wheel) == found.pip[0].sha256


UPLOADED = {
    "helper-1.0-py3-none-any.whl": "2026-01-01T00:00:00Z",
    "helper-2.0-py3-none-any.whl": "2026-03-01T00:00:00Z",
}


@pytest.mark.parametrize(
    ("moment", "version"), [("2026-02-01", "1.0"), ("2026-03-01", "2.0"), ("2027-01-01", "2.0")]
)
def test_exclude_newer(
    project: Path, channel: str, wheels: WheelIndex, moment: str, version: str
) -> None:
    """What was uploaded after a moment does not exist, nor what does not say when it was."""
    write(project, channel, "helper")
    with serve_json(wheels, UPLOADED) as url:
        options = ("--pip-index", f"{url}/simple/", "--exclude-newer", moment)
        found = locked(lock(project, *options), project)
        assert {"helper": version} == pip_versions(found)
        assert found.pip[0].url == f"{url}/files/helper-{version}-py3-none-any.whl"
        write(project, channel, "further")
        outcome = lock(project, *options)
    assert (outcome.code, outcome.is_plain_error) == (4, True), outcome.stderr


def test_exclude_newer_and_an_index_without_times(project: Path, channel: str, index: str) -> None:
    """An index that has no pages in JSON is refused."""
    write(project, channel, "helper")
    options = ("--pip-index", f"{index}/simple/", "--exclude-newer", "2026-01-01")
    outcome = lock(project, *options)
    assert (outcome.code, outcome.is_plain_error) == (3, True), outcome.stderr
    assert "does not say when its files were uploaded" in outcome.stderr


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_exclude_newer_and_micromamba(project: Path, channel: str, engine: str) -> None:
    """Without an option for dates micromamba refuses, and says which engine can."""
    (project / "environment.yml").write_text(
        f"name: x\nchannels: ['{channel}']\ndependencies: [compiled]\n"
    )
    command = ["lock", "-p", "linux-64", "--exclude-newer", "2026-01-01"]
    outcome = lading(command, project, engine_variables(engine))
    assert (outcome.code, outcome.is_plain_error) == (5, True), outcome.stderr
    assert "--engine embedded" in outcome.stderr
