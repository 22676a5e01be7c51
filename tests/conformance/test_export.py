"""Other tools read what `lading export` writes; people read what `why`, `tree` and `graph` say."""

import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET  # our own output
from pathlib import Path

import pytest
import rattler
import yaml

from lading.conda.names import Platform
from lading.lock.environment_file import read_environment
from lading.lock.model import lock_path
from lading.lock.reading import parse_lockfiles, read_lockfile
from simulators.command import lading
from simulators.engines import small_channel
from simulators.locking import LockProject

ROOT = Path(__file__).parents[2]
PANGEO = "pangeo-notebook"
PARSE = """
import json, sys
from conda_lock.lockfile import parse_conda_lock_file
from pathlib import Path
lock = parse_conda_lock_file(Path(sys.argv[1]))
json.dump(sorted([item.platform, item.name, item.url] for item in lock.package), sys.stdout)
"""


def _export(*options: str) -> str:
    outcome = lading(["export", PANGEO, *options], ROOT)
    assert outcome.code == 0, outcome.stderr
    return outcome.stdout


def test_explicit(tmp_path: Path) -> None:
    """Every archive with its SHA-256, dependencies first, as rattler reads it."""
    path = tmp_path / "explicit.txt"
    path.write_text(_export("--explicit", "-p", "osx-64"))
    lock = read_lockfile(lock_path(ROOT, PANGEO, Platform.OSX_64))
    lines = path.read_text().splitlines()
    assert lines[:2] == ["# platform: osx-64", "@EXPLICIT"]
    assert {f"{item.url}#sha256:{item.sha256.hex}" for item in lock.conda} == set(lines[2:])
    order = [line.rpartition("/")[2].rsplit("-", 2)[0] for line in lines[2:]]
    assert order.index("python") < order.index("numpy") < order.index("pandas")


def test_environment_yml(tmp_path: Path) -> None:
    """An environment file that asks for just what is locked."""
    path = tmp_path / "environment.yml"
    path.write_text(_export("--environment-yml", "-p", "linux-64"))
    lock = read_lockfile(lock_path(ROOT, PANGEO, Platform.LINUX_64))
    asked = read_environment(path)
    assert asked.platforms == (Platform.LINUX_64,)
    expected = {f"{item.name} =={item.version} {item.build}" for item in lock.conda}
    assert expected == {spec.text for spec in asked.specs}
    for spec in asked.specs:
        rattler.MatchSpec(spec.text, strict=True)


def test_unified(tmp_path: Path) -> None:
    """One file for all platforms, which conda-lock's own parser reads as we do."""
    path = tmp_path / "conda-lock.yml"
    outcome = lading(["export", PANGEO, "--unified", "-o", path], ROOT)
    assert outcome.code == 0, outcome.stderr
    done = subprocess.run(
        [sys.executable, "-c", PARSE, str(path)],
        capture_output=True,
        text=True,
        check=True,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    expected = sorted(
        [str(lock.platform), item.name, item.url]
        for lock in parse_lockfiles(path, path.read_bytes())
        for item in lock.packages
    )
    assert expected == json.loads(done.stdout)
    for source in yaml.safe_load(path.read_text())["metadata"]["sources"]:
        assert (tmp_path / source).is_file()


def test_no_requirements() -> None:
    """Without a pip part there are none."""
    outcome = lading(["export", PANGEO, "--requirements", "-p", "linux-64"], ROOT)
    assert outcome.code == 3
    assert outcome.is_plain_error


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that is locked, with `tool` asked for."""
    locked = LockProject(tmp_path / "project", small_channel(tmp_path / "channel").url)
    locked.write("tool")
    locked.lock()
    return locked.root


def test_why(project: Path) -> None:
    """The chain with its constraints, and what would leave."""
    outcome = lading(["why", "library"], project)
    assert outcome.stdout == (
        "library 2.0 0\n  tool -> library >=1\n"
        "  would leave if tool was not asked for, with 2 others\n"
    )
    document = json.loads(lading(["--json", "why", "library", "-e", "service"], project).stdout)
    assert document["chains"] == [["tool", "library"]]
    refused = lading(["why", "missing"], project)
    assert (refused.code, refused.is_plain_error) == (3, True)


def test_tree(project: Path) -> None:
    """Down from what was asked for, up from a package."""
    down = lading(["tree"], project).stdout
    assert down == "tool 1.0\n├── library 2.0\n└── python 3.12.1\n"
    up = lading(["tree", "--reverse", "library"], project).stdout
    assert up == "library 2.0\n└── tool 1.0 (asked for)\n"
    assert lading(["tree", "--depth", "0"], project).stdout == "tool 1.0\n"


def test_graph(project: Path) -> None:
    """DOT, JSON, and a drawing that needs nothing else."""
    assert '"tool" -> "library";' in lading(["graph"], project).stdout
    nodes = json.loads(lading(["graph", "--format", "json"], project).stdout)["nodes"]
    assert [node["name"] for node in nodes] == ["library", "python", "tool"]
    outcome = lading(["graph", "--format", "svg", "-o", "graph.svg"], project)
    assert outcome.code == 0
    text = (project / "graph.svg").read_text()
    drawing = ET.fromstring(text)  # noqa: S314  # our own output
    assert len(drawing.findall(".//{http://www.w3.org/2000/svg}rect")) == 3
    assert "href" not in text
    assert "<script" not in text
    assert lading(["graph", "-o", "no/such/directory"], project).code == 2


def test_several_environments(tmp_path: Path) -> None:
    """Where several are locked one must be named."""
    for name in ("one", "other"):
        shutil.copytree(ROOT / "locks" / PANGEO, tmp_path / "locks" / name)
    outcome = lading(["why", "python"], tmp_path)
    assert (outcome.code, outcome.is_plain_error) == (2, True)
