"""`lading.lock.adopt`: pins from a prefix, from conda-lock, from both sides of a merge."""

import datetime as dt
import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lading.conda.channels import MirrorMap
from lading.conda.names import Platform
from lading.engine.embedded import EmbeddedEngine
from lading.errors import LockError, NotAPrefixError
from lading.lock.adopt import merge_pins, pins_of_conda_lock, pins_of_prefix
from lading.lock.model import LockedPackage
from lading.lock.solve import plan_lock, read_lock_inputs, solve_lock
from simulators.channel import CANONICAL, ChannelSimulator, Package
from simulators.engines import small_channel
from simulators.locking import LockProject
from simulators.records import locked

LINUX = Platform.LINUX_64


@pytest.fixture
def project(tmp_path: Path) -> LockProject:
    """A project that asks for `library`, of which there are 1.0 and 2.0."""
    project = LockProject(tmp_path / "project", small_channel(tmp_path / "channel").url)
    project.write("library")
    return project


def _prefix(root: Path, project: LockProject, **changes: object) -> Path:
    """A prefix that holds `library` 1.0, fetched from a mirror with a password."""
    archive = Path(project.location.removeprefix("file://")) / "linux-64/library-1.0-0.conda"
    record = {
        "name": "library",
        "version": "1.0",
        "url": "https://someone:word@mirror.invalid/x/linux-64/library-1.0-0.conda",
        "sha256": _sha256(archive),
    }
    path = root / "conda-meta/library-1.0-0.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(record | changes))
    return root


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _mirrors() -> MirrorMap:
    return MirrorMap(mirrors={CANONICAL: ("https://mirror.invalid/x",)})


def _locked(project: LockProject, pins: dict[Platform, tuple[LockedPackage, ...]]) -> str:
    request = project.request()
    inputs = replace(read_lock_inputs(request), preferred=pins)
    engine = EmbeddedEngine(project.root / "engine")
    [solved] = solve_lock(plan_lock(request, inputs), engine)
    return solved.lockfile.packages[0].version


def test_prefix(project: LockProject, tmp_path: Path) -> None:
    """What is installed is kept where it satisfies the sources, and moves where it does not."""
    prefix = _prefix(tmp_path / "prefix", project)
    pins = pins_of_prefix(prefix, LINUX, _mirrors())
    assert pins[LINUX][0].url == f"{CANONICAL}/linux-64/library-1.0-0.conda"
    assert _locked(project, pins) == "1.0"
    assert _locked(project, {}) == "2.0"
    project.write("library >=2")
    assert _locked(project, pins) == "2.0"


def test_broken_record(project: LockProject, tmp_path: Path) -> None:
    """A record that is none is an error that names it."""
    prefix = _prefix(tmp_path / "prefix", project, sha256="zz")
    with pytest.raises(LockError, match=r"library-1\.0-0\.json is not a prefix record"):
        pins_of_prefix(prefix, LINUX, _mirrors())


def test_record_of_long_ago(project: LockProject, tmp_path: Path) -> None:
    """Without a sha256 it is not a pin."""
    prefix = _prefix(tmp_path / "prefix", project, sha256=None)
    assert pins_of_prefix(prefix, LINUX, _mirrors()) == {LINUX: ()}


def test_no_prefix(tmp_path: Path) -> None:
    """A directory without conda-meta is none."""
    with pytest.raises(NotAPrefixError):
        pins_of_prefix(tmp_path, LINUX, MirrorMap())


def test_conda_lock(project: LockProject) -> None:
    """The packages of a conda-lock.yml are kept."""
    project.write("library <2")
    [outcome] = project.lock().platforms
    path = outcome.path.rename(project.root / "conda-lock.yml")
    project.write("library")
    assert _locked(project, pins_of_conda_lock(path)) == "1.0"
    with pytest.raises(LockError, match="No such file"):
        pins_of_conda_lock(project.root / "missing.yml")


def test_exclude_newer(tmp_path: Path) -> None:
    """What was published later does not exist."""
    channel = ChannelSimulator(tmp_path / "channel")
    channel.add(Package(name="a", version="1.0", timestamp=1_500_000_000_000))
    channel.add(Package(name="a", version="2.0", timestamp=1_700_000_000_000))
    channel.write_repodata()
    project = LockProject(tmp_path / "project", channel.url)
    project.write("a")
    moment = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    outcome = project.lock(exclude_newer=moment)
    assert [item.version for item in outcome.platforms[0].lockfile.packages] == ["1.0"]


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "expected"),
    [
        ("1", "1", "2", "2"),
        ("1", "2", "1", "2"),
        ("1", "1.9", "1.10", "1.10"),
        ("1", "3", "2", "3"),
        ("1", "", "1", ""),
        ("1", "1", "", ""),
        ("1", "", "2", "2"),
        ("", "1", "2", "2"),
        ("", "", "2", "2"),
    ],
)
def test_merge(base: str, ours: str, theirs: str, expected: str) -> None:
    """Who moved a package decides; where both did, the newer version."""
    one, two, three = ((locked("a", side),) if side else () for side in (base, ours, theirs))
    assert [item.version for item in merge_pins(one, two, three)] == ([expected] * bool(expected))


def test_exclude_newer_of_an_index() -> None:
    """Of an index' files those remain that were uploaded before; pages without times are refused.

    In a process of its own, as conda-lock always runs: Poetry is changed there.
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PAGES],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout.split() == ["a-1.0-py3-none-any.whl", "refused"]


PAGES = """
from lading.errors import SpecError
from lading.lock import condalock
condalock.import_without_command_line()
from lading.lock.condalock_pages import hide_newer_files
hide_newer_files("2020-01-01T23:59:59+00:00")
from conda_lock._vendor.poetry.repositories.link_sources.html import HTMLPage
from conda_lock._vendor.poetry.repositories.link_sources.json import SimpleJsonPage
name = "a-{}-py3-none-any.whl"
files = [
    {"url": "https://x.invalid/" + name.format(version), "upload-time": time}
    for version, time in (("1.0", "2019-05-05T00:00:00.123456Z"), ("2.0", "2020-01-02T00:00:00Z"))
]
files.append({"url": "https://x.invalid/" + name.format("3.0")})
page = SimpleJsonPage("https://x.invalid/simple/a/", {"files": files})
print(*(link.filename for link in page.links))
try:
    HTMLPage("https://x.invalid/simple/a/", "")
except SpecError:
    print("refused")
"""
