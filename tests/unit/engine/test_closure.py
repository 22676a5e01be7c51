"""`lading.engine.closure`: a solution that leaves something out is not a solution."""

from pathlib import Path

import pytest

from lading.conda.names import MatchSpecText
from lading.conda.records import RepodataRecord
from lading.conda.virtual import VirtualPackage
from lading.engine.closure import check_closure, needed_records
from lading.errors import EngineFailedError
from simulators.channel import ChannelSimulator, Package

GLIBC = VirtualPackage("__glibc", "2.28")


@pytest.fixture
def records(tmp_path: Path) -> tuple[RepodataRecord, ...]:
    """`tool` needs `library` and glibc, `other` needs nothing."""
    channel = ChannelSimulator(tmp_path)
    channel.add(Package(name="tool", depends=("library >=1", "__glibc >=2.17")))
    channel.add(Package(name="library"))
    channel.add(Package(name="other"))
    return channel.records()


def test_closed(records: tuple[RepodataRecord, ...]) -> None:
    """A set that holds all it needs is accepted."""
    check_closure(records, [MatchSpecText("tool >=1"), MatchSpecText("__glibc")], [GLIBC])


def test_left_out(records: tuple[RepodataRecord, ...]) -> None:
    """A package that was left out is named, with the one that needs it."""
    without = [record for record in records if record.name != "library"]
    with pytest.raises(EngineFailedError, match="tool requires library >=1") as caught:
        check_closure(without, [], [])
    assert len(caught.value.details) == 2


def test_request_left_out(records: tuple[RepodataRecord, ...]) -> None:
    """A package that is requested and is not there is named."""
    with pytest.raises(EngineFailedError, match=r"absent 1\.\* is requested"):
        check_closure(records, [MatchSpecText("absent 1.*")], [GLIBC])


def test_needed(records: tuple[RepodataRecord, ...]) -> None:
    """What nobody needs any more is left out; requests that are virtual do not matter."""
    specs = [MatchSpecText("tool"), MatchSpecText("__glibc")]
    assert [item.name for item in needed_records(records, specs)] == ["library", "tool"]
