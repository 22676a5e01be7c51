"""`lading.lock.pip`: the pip part of a lock, from an index on loopback."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from lading.conda.names import Platform
from lading.engine.protocol import SolveRequest
from lading.errors import SolveError, SpecError
from lading.lock.exchange import PipAnswer
from lading.lock.isolation import CondaLock
from lading.lock.model import LockedPackage, Manager
from lading.lock.pip import solve_pip
from lading.lock.request import LockRequest, PlatformPlan
from lading.lock.requested import Requested, Sources
from lading.system.process import Completed
from lading.system.program import Run
from simulators.channel import ChannelSimulator, Package
from simulators.locking import LockProject
from simulators.records import locked
from simulators.webserver import serve_directory
from simulators.wheel_index import WheelIndex


@pytest.fixture
def project(tmp_path: Path) -> LockProject:
    """A project whose channel has Python, pip and `framework`, which needs Python."""
    channel = ChannelSimulator(tmp_path / "channel")
    channel.add(Package(name="python", version="3.12.1", build="h0_cpython"))
    channel.add(Package(name="pip", version="24.0", noarch="python", depends=("python",)))
    channel.add(Package(name="framework", version="2.0", noarch="python", depends=("python",)))
    channel.add(Package(name="plain", version="1.0"))
    channel.write_repodata()
    return LockProject(tmp_path / "project", channel.url)


@pytest.fixture
def wheels(tmp_path: Path) -> WheelIndex:
    """`tool` needs `helper`; `extension` needs `framework`."""
    index = WheelIndex(tmp_path / "index")
    index.add_wheel("tool", "1.0", requires=("helper>=1",))
    index.add_wheel("helper", "1.0")
    index.add_wheel("extension", "1.0", requires=("framework>=1",))
    index.add_wheel("framework", "2.0")
    index.add_wheel("framework", "3.0")
    index.add_source("ancient", "1.0")
    return index


@pytest.fixture
def index(wheels: WheelIndex) -> Iterator[str]:
    """The URL of the index."""
    with serve_directory(wheels.root) as url:
        yield f"{url}/simple/"


def _pip(*requirements: str) -> str:
    return "pip: [" + ", ".join(f"'{item}'" for item in requirements) + "]"


def test_wheels(project: LockProject, index: str) -> None:
    """Wheels and what they need are locked with their sha256."""
    project.write("python", _pip("tool"))
    (outcome,) = project.lock(pip_index=index).platforms
    assert [item.name for item in outcome.lockfile.pip] == ["helper", "tool"]
    assert all(item.url.endswith(".whl") for item in outcome.lockfile.pip)
    assert outcome.lockfile.pip[1].dependencies == {"helper": ">=1"}


def test_pins(project: LockProject, index: str, wheels: WheelIndex) -> None:
    """Pip packages stay too, until they are asked to move; the same inputs, the same bytes."""
    project.write("python", _pip("tool"))
    project.lock(pip_index=index)
    wheels.add_wheel("helper", "2.0")
    assert not project.lock(pip_index=index).platforms[0].written
    (outcome,) = project.lock(pip_index=index, update=frozenset({"helper"})).platforms
    assert [(item.name, item.before, item.after) for item in outcome.diff.changed] == [
        ("helper", "1.0", "2.0")
    ]


def test_conda_package_is_enough(project: LockProject, index: str) -> None:
    """What is there as conda package is not installed by pip again."""
    project.write("python", "framework", _pip("extension"))
    (outcome,) = project.lock(pip_index=index).platforms
    assert [item.name for item in outcome.lockfile.pip] == ["extension"]


def test_clash_in_the_source(project: LockProject, index: str) -> None:
    """The same thing from both, in two versions, is refused with the line to delete."""
    project.write("python", "framework", _pip("framework==3.0"))
    with pytest.raises(SpecError, match=r"framework 3\.0 .* conda package framework") as caught:
        project.lock(pip_index=index)
    assert "delete `- framework==3.0` below `pip:`" in caught.value.hint
    assert not project.locks.exists()


def test_clash_by_a_dependency(project: LockProject, index: str, wheels: WheelIndex) -> None:
    """Where a pip package brings it, the conda version to ask for is named."""
    wheels.add_wheel("demanding", "1.0", requires=("framework>=3",))
    project.write("python", "framework", _pip("demanding"))
    with pytest.raises(SpecError, match="framework") as caught:
        project.lock(pip_index=index)
    assert "ask for it with `- framework`" in caught.value.hint


def test_source_distribution(project: LockProject, index: str) -> None:
    """Only wheels can be locked; nothing is built."""
    project.write("python", _pip("ancient"))
    with pytest.raises(SpecError, match=r"only wheels .* ancient-1\.0\.tar\.gz"):
        project.lock(pip_index=index)


def test_no_solution(project: LockProject, index: str) -> None:
    """Without a solution the reason is told."""
    project.write("python", _pip("tool>=2"))
    with pytest.raises(SolveError, match="no set of pip packages") as caught:
        project.lock(pip_index=index)
    assert any("tool" in line for line in caught.value.details)


def _answered(
    tmp_path: Path, *packages: LockedPackage, conda: tuple[str, ...] = ("python",)
) -> None:
    """Solve with a conda-lock that answers `packages`, on top of the conda packages named."""

    def answer(request: Run) -> Completed:
        told = PipAnswer(packages=packages, categories={}, clashes=())
        text = msgspec.json.encode(told).decode()
        return Completed(argv=request.argv, returncode=0, stdout=text, stderr="")

    plan = PlatformPlan(
        path=tmp_path / "linux-64.conda-lock.yml",
        before=None,
        requested=Requested(channels=(), specs=()),
        solve=SolveRequest(platform=Platform.LINUX_64, specs=(), channels=(), virtual_packages=()),
        pip_pins=(),
    )
    request = LockRequest(
        name="service",
        directory=tmp_path,
        sources=Sources(paths=(), files=()),
        platforms=(Platform.LINUX_64,),
        conda_lock=CondaLock(state_directory=tmp_path, inherited_environment={}, runner=answer),
    )
    solve_pip(request, plan, tuple(_package(name, Manager.CONDA) for name in conda), {})


def _package(name: str, manager: Manager, url: str = "") -> LockedPackage:
    return locked(name, "1", manager, url=url or f"https://index.invalid/{name}-1-py3-none-any.whl")


def test_without_python(tmp_path: Path) -> None:
    """Pip packages need a Python to go into."""
    with pytest.raises(SpecError, match="no python"):
        _answered(tmp_path, conda=("plain",))


def test_direct_source(tmp_path: Path) -> None:
    """A requirement that names a repository or an archive of sources is refused by name."""
    package = _package("tool", Manager.PIP, url="https://host.invalid/tool-1.tar.gz")
    with pytest.raises(SpecError, match="tool 1 has no wheel for linux-64"):
        _answered(tmp_path, package)


def test_wheel_without_digest(project: LockProject, wheels: WheelIndex, index: str) -> None:
    """A wheel that cannot be checked cannot be locked."""
    page = wheels.root / "simple" / "helper" / "index.html"
    page.write_text(re.sub("#sha256=[0-9a-f]+", "", page.read_text()))
    project.write("python", _pip("helper"))
    with pytest.raises(SpecError, match=r"helper 1\.0 .* sha256 the index does not say"):
        project.lock(pip_index=index)
