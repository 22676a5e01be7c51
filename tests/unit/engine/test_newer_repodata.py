"""`lading.engine.newer_repodata`: what micromamba does not see."""

from pathlib import Path

import pytest

from lading.engine.newer_repodata import refuse_newer_records
from lading.errors import EngineError
from simulators.channel import ChannelSimulator, Package


@pytest.fixture
def documents(tmp_path: Path) -> list[Path]:
    """The repodata of a channel in which `new` and a build of `both` are of v3."""
    channel = ChannelSimulator(tmp_path)
    channel.add(Package(name="old"))
    channel.add(Package(name="both"))
    channel.add(Package(name="both", version="2.0", v3=True))
    channel.add(Package(name="new", v3=True, archive_format=".tar.bz2"))
    channel.write_repodata()
    return sorted(tmp_path.glob("*/repodata.json"))


def test_nothing_is_missed(documents: list[Path]) -> None:
    """A solution without packages that v3 offers is one, whatever else is there."""
    refuse_newer_records(documents, {"old"})
    refuse_newer_records([path for path in documents if "noarch" in str(path)], None)


@pytest.mark.parametrize(("names", "told"), [({"old", "both"}, "both"), (None, "both, new")])
def test_refused(documents: list[Path], names: set[str] | None, told: str) -> None:
    """A solution that v3 might change is refused, and so is a failure to find one."""
    with pytest.raises(EngineError, match=f"offers {told} in repodata v3") as caught:
        refuse_newer_records(documents, names)
    assert "embedded" in caught.value.hint
