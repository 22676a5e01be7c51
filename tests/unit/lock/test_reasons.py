"""`lading.lock.reasons` and `lading.lock.unsatisfiable`: why packages move, and why they cannot."""

import os
import shutil
from pathlib import Path

import pytest

from lading.engine.embedded import EmbeddedEngine
from lading.engine.micromamba import MicromambaEngine
from lading.engine.protocol import Engine
from lading.errors import SolveError
from lading.report.locked import render_locked
from simulators.channel import ChannelSimulator, Package
from simulators.locking import LockProject

MICROMAMBA = os.environ.get("LADING_MICROMAMBA") or shutil.which("micromamba") or ""


@pytest.fixture
def channel(tmp_path: Path) -> ChannelSimulator:
    """`app` 1 needs `base <2`, `app` 2 `base >=2`; `gpu` needs a driver, `modern` a new glibc."""
    channel = ChannelSimulator(tmp_path / "channel")
    for version in ("1", "2"):
        channel.add(Package(name="base", version=version))
        channel.add(Package(name="extra", version=version))
    channel.add(Package(name="app", version="1", depends=("base <2",)))
    channel.add(Package(name="app", version="2", depends=("base >=2", "extra")))
    channel.add(Package(name="gpu", depends=("__cuda >=12",)))
    channel.add(Package(name="modern", depends=("__glibc >=2.40", "base")))
    channel.write_repodata()
    return channel


@pytest.fixture
def project(tmp_path: Path, channel: ChannelSimulator) -> LockProject:
    """A project of that channel."""
    return LockProject(tmp_path / "project", channel.url)


def _summary(project: LockProject, **more: object) -> list[str]:
    return render_locked(project.lock(**more)).text.splitlines()[1:]


def test_forced_by_another_package(project: LockProject) -> None:
    """The requirement that the old version does not satisfy is named."""
    project.write("app <2", "base")
    project.lock()
    project.write("app >=2", "base")
    assert _summary(project) == [
        "  + extra 2  (needed by app 2)",
        "    app 1 -> 2  (asked for: app >=2)",
        "    base 1 -> 2  (app 2 needs base >=2)",
    ]


def test_asked_to_move(project: LockProject, channel: ChannelSimulator) -> None:
    """`--update` is a reason, and so is a deleted line."""
    project.write("extra", "base")
    project.lock()
    channel.add(Package(name="extra", version="3"))
    channel.write_repodata()
    project.write("extra")
    assert _summary(project, update=frozenset({"extra"})) == [
        "  - base 2  (no longer asked for)",
        "    extra 2 -> 3  (an update was asked for)",
    ]


def test_gone(project: LockProject, tmp_path: Path) -> None:
    """An archive that is not offered any more."""
    project.write("extra")
    project.lock()
    other = ChannelSimulator(tmp_path / "later")
    other.add(Package(name="extra", version="3"))
    other.write_repodata()
    moved = LockProject(project.root, other.url)
    assert "not offered any more" in _summary(moved)[0]


def _engines(root: Path) -> list[Engine]:
    engines: list[Engine] = [EmbeddedEngine(root / "embedded")]
    if MICROMAMBA:
        engines.append(MicromambaEngine.start(Path(MICROMAMBA), root / "m", dict(os.environ)))
    return engines


def test_own_specs_first(project: LockProject, tmp_path: Path) -> None:
    """The two specs that conflict are named, and not the third."""
    project.write("app >=2", "base <2", "extra")
    for engine in _engines(tmp_path):
        with pytest.raises(SolveError) as caught:
            project.lock(engine)
        expected = "linux-64: these requirements conflict: app >=2; base <2"
        assert expected == str(caught.value)
        assert caught.value.hint == "relax app >=2 or base <2"
        assert all("extra" not in line for line in caught.value.details)
        assert caught.value.details


def test_missing_package(project: LockProject, tmp_path: Path) -> None:
    """A name that no channel has stands alone."""
    project.write("app", "nonesuch")
    for engine in _engines(tmp_path):
        with pytest.raises(SolveError, match="no package is named nonesuch"):
            project.lock(engine)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("gpu", "gpu 1.0 requires __cuda >=12; the lock targets no __cuda"),
        ("modern", "modern 1.0 requires __glibc >=2.40; the lock targets 2.28"),
    ],
)
def test_promises(project: LockProject, tmp_path: Path, spec: str, expected: str) -> None:
    """A package that requires more of the machine than the lock targets is named."""
    project.write(spec, "extra")
    for engine in _engines(tmp_path):
        with pytest.raises(SolveError) as caught:
            project.lock(engine)
        assert f"linux-64: {expected}" == str(caught.value)
        assert "lines above" in caught.value.hint
        assert "  [environments.service.virtual-packages.linux-64]" in caught.value.details
