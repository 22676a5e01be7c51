"""An index that does not answer: conda-lock asks it again and again, which takes seconds."""

from pathlib import Path

import pytest

from lading.errors import FetchError
from simulators.channel import ChannelSimulator, Package
from simulators.locking import LockProject


def test_unreachable(tmp_path: Path) -> None:
    """It is a failed download."""
    channel = ChannelSimulator(tmp_path / "channel")
    channel.add(Package(name="python", version="3.12.1", build="h0_cpython"))
    channel.add(Package(name="pip", version="24.0", noarch="python", depends=("python",)))
    channel.write_repodata()
    project = LockProject(tmp_path / "project", channel.url)
    project.write("python", "pip: [tool]")
    with pytest.raises(FetchError, match="index could not be read"):
        project.lock(pip_index="http://127.0.0.1:9/simple/")
