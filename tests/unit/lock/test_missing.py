"""`lading.lock.missing`: what the channels have instead of what was asked for."""

from pathlib import Path

import pytest

from lading.conda.names import Platform
from lading.errors import SolveError
from simulators.channel import CANONICAL, ChannelSimulator, Package
from simulators.locking import LockProject


@pytest.fixture
def project(tmp_path: Path) -> LockProject:
    """A project whose channel has some packages for linux-64, one for win-64 and one noarch."""
    channel = ChannelSimulator(tmp_path / "channel")
    for version in ("1.26.4", "2.0.2", "2.1.0", "2.1.3", "2.4.0"):
        channel.add(Package(name="numpy", version=version, build="py312_0"))
    for name in ("scikit-learn", "libopencv", "pytorch", "msgpack-python"):
        channel.add(Package(name=name))
    channel.add(Package(name="pywin32", subdir="win-64"))
    channel.add(Package(name="anywhere", noarch="generic"))
    channel.write_repodata()
    return LockProject(tmp_path / "project", channel.url)


def refusal(project: LockProject, *specs: str, **more: object) -> SolveError:
    """Why `specs` cannot be locked."""
    project.write(*specs)
    with pytest.raises(SolveError) as caught:
        project.lock(**more)
    return caught.value


@pytest.mark.parametrize(
    ("spec", "message", "hint"),
    [
        ("numpyy", f"no package is named numpyy in {CANONICAL}", "did you mean numpy?"),
        ("quux", f"no package is named quux in {CANONICAL}", "check its name"),
        (
            "opencv-python >=4",
            f"opencv-python is a name of PyPI; in {CANONICAL} the package is libopencv",
            "write libopencv, or put opencv-python below `pip:`",
        ),
        (
            "scikit_learn",
            f"scikit_learn is written scikit-learn in {CANONICAL}",
            "write scikit-learn",
        ),
        (
            "numpy=2.3",
            f"numpy 2.3.* was never published in {CANONICAL}; it has 2.4.0, 2.1.3, 2.1.0",
            "such as numpy 2.4.0",
        ),
        ("numpy>=3", "numpy >=3 was never published", "such as numpy 2.4.0"),
        ("numpy<1", "it has 1.26.4", "such as numpy 1.26.4"),
        (
            "numpy=2.0.2=py39*",
            "numpy ==2.0.2 py39* is not offered with such a build; there are py312_0",
            "take one of them",
        ),
        ("pywin32", "pywin32 is offered only for win-64", "`- pywin32  # [win]`"),
    ],
)
def test_message(project: LockProject, spec: str, message: str, hint: str) -> None:
    """Each case has a message of its own, with the line that asks for it and what to write."""
    error = refusal(project, "anywhere", spec)
    assert error.message.startswith("linux-64: environment.yml:5: ")
    assert message in error.message
    assert hint in error.hint


def test_platform_without_packages(project: LockProject) -> None:
    """A channel without the platform is told, with the platforms that it has."""
    error = refusal(project, "numpy", platforms=(Platform.LINUX_PPC64LE,))
    assert f"{CANONICAL} has no packages for linux-ppc64le" in error.message
    assert "linux-64, win-64" in error.hint


def test_all_at_once(project: LockProject) -> None:
    """Several mistakes are told at once; what cannot be told in this way is the solver's."""
    error = refusal(project, "numpyy", "scikit_learn", 'nothing[when="__win"]')
    assert "environment.yml:4: no package is named numpyy" in error.message
    assert ["environment.yml:5: scikit_learn is written scikit-learn in " + CANONICAL] == list(
        error.details
    )
    error = refusal(project, "numpy >=2", "numpy <2")
    assert "these requirements conflict: numpy <2; numpy >=2" in error.message


def test_the_channel_that_comes_first(project: LockProject, tmp_path: Path) -> None:
    """With strict priority, what a later channel has does not count, and this is told."""
    later = ChannelSimulator(tmp_path / "later")
    later.add(Package(name="numpy", version="9.0"))
    later.write_repodata()
    project.write("numpy 9.*")
    text = project.source.read_text().replace(f"['{CANONICAL}']", f"['{CANONICAL}', '{later.url}']")
    project.source.write_text(text)
    with pytest.raises(SolveError, match="comes first, and has others") as caught:
        project.lock()
    assert f"write {later.url}::numpy 9.*" in caught.value.hint
