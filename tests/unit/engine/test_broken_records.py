"""`lading.engine.broken_records` and `.repaired`: channels that describe packages wrongly."""

import json
from pathlib import Path

import pytest

from lading.conda.channels import ChannelUrl
from lading.conda.names import Platform
from lading.engine.broken_records import named_in, repaired_channels, without_broken
from lading.engine.errors import BrokenRecordError
from lading.errors import SolveError

GOOD = {
    "name": "a", "version": "1.0", "build": "0", "build_number": 0, "depends": ["b"],
    "sha256": "a" * 64, "md5": "b" * 32, "size": 1, "timestamp": 1.5, "further": [1],
}  # fmt: skip
CHANNEL = ChannelUrl("https://host.invalid/channel")
CAUSE = BrokenRecordError("one is broken")


def repodata(**records: object) -> bytes:
    """Repodata whose records have these names, `_` for `-`."""
    entries = {f"{name.replace('_', '-')}.conda": record for name, record in records.items()}
    document = {"info": {"subdir": "noarch"}, "packages": {}, "packages.conda": entries}
    return json.dumps(document | {"removed": ["x"]}).encode()


def test_what_is_sound_is_kept() -> None:
    """Records that can be read stay as they are, keys that nobody reads too."""
    data, broken = without_broken(repodata(a_1_0=GOOD))
    kept = json.loads(data)
    assert ({"a-1-0.conda": GOOD}, {"subdir": "noarch"}) == (kept["packages.conda"], kept["info"])
    assert broken == {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": "1..!!"}, "malformed version"),
        ({"version": 1}, "$.version"),
        ({"depends": 7}, "$.depends"),
        ({"depends": [7]}, "$.depends[0]"),
        ({"constrains": None}, "$.constrains"),
        ({"sha256": "z"}, "$.sha256"),
        ({"build_number": -1}, "$.build_number"),
    ],
)
def test_what_is_broken_is_named(change: dict[str, object], words: str) -> None:
    """A broken record is taken away, with what is wrong with it."""
    data, broken = without_broken(repodata(a_1_0=GOOD, b_1_0=GOOD | change))
    assert ["b-1-0.conda"] == list(broken)
    assert words in broken["b-1-0.conda"]
    assert ["a-1-0.conda"] == list(json.loads(data)["packages.conda"])


@pytest.mark.parametrize("data", [b"", b"[]", b'{"packages": 1}', b"<html>"])
def test_no_repodata(data: bytes) -> None:
    """What is not repodata is refused as a whole."""
    with pytest.raises(ValueError, match=r"."):
        without_broken(data)


def test_names_in_an_explanation() -> None:
    """Whole names alone."""
    broken = {"lib-x-1-0.conda": "", "x-1-0.conda": "", "lib-1-0.conda": ""}
    assert ("lib-x-1-0.conda",) == named_in(broken, ["nothing provides lib-x >=1"])


def channel(directory: Path, data: bytes) -> str:
    """The URL of a channel on this disk with `data` in both subdirs."""
    for subdir in ("linux-64", "noarch"):
        (directory / subdir).mkdir(parents=True)
        (directory / subdir / "repodata.json").write_bytes(data)
    return directory.as_uri()


def test_blame(tmp_path: Path) -> None:
    """Without a solution the broken record that is named is to blame, and no other."""
    location = channel(tmp_path / "c", repodata(a_1_0=GOOD, b_1_0=GOOD | {"depends": 7}))
    caches = (tmp_path / "repodata",)
    for words, kind in (("b", BrokenRecordError), ("c", SolveError)):
        with (
            pytest.raises(kind) as caught,
            repaired_channels({CHANNEL: location}, Platform.LINUX_64, caches, CAUSE) as repaired,
            repaired.blamed(),
        ):
            raise SolveError("none", details=(f"no candidates were found for {words} *.",))
        assert ("b-1-0.conda" in str(caught.value)) == (kind is BrokenRecordError)
    assert ["c"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize("data", [repodata(a_1_0=GOOD), b"no repodata"])
def test_nothing_to_repair(tmp_path: Path, data: bytes) -> None:
    """Where no broken record is found, the cause remains."""
    location = channel(tmp_path / "c", data)
    caches = (tmp_path / "repodata",)
    with (
        pytest.raises(BrokenRecordError, match="one is broken"),
        repaired_channels({CHANNEL: location}, Platform.LINUX_64, caches, CAUSE),
    ):
        pass


def test_repodata_that_is_not_kept(tmp_path: Path) -> None:
    """A channel whose repodata does not lie here cannot be repaired."""
    (tmp_path / "repodata").mkdir()
    (tmp_path / "repodata/x.info.json").write_text("{")
    (tmp_path / "repodata/y.info.json").write_text('{"url": "https://other.invalid/noarch/x"}')
    sources = {CHANNEL: CHANNEL}
    with (
        pytest.raises(BrokenRecordError, match="one is broken"),
        repaired_channels(sources, Platform.LINUX_64, (tmp_path / "repodata",), CAUSE),
    ):
        pass
