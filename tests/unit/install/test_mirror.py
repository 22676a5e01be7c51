"""A channel of the packages of a lock."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from lading.conda.channels import MirrorMap
from lading.conda.names import MatchSpecText
from lading.conda.records import RepodataRecord
from lading.engine.embedded import EmbeddedEngine
from lading.errors import ArchiveError, LockError, OutputError
from lading.install.mirror import Mirrored, write_mirror
from simulators.channel import ChannelSimulator
from simulators.engines import small_channel, solve_request
from simulators.webserver import serve_directory


@pytest.fixture
def channel(tmp_path: Path) -> ChannelSimulator:
    """The small channel."""
    return small_channel(tmp_path / "channel")


def mirror(channel: ChannelSimulator, directory: Path, *names: str) -> Mirrored:
    """A mirror of some packages of the channel."""
    records = [item for item in channel.records() if item.distribution in names]
    return mirror_of(directory, channel, records)


def mirror_of(
    directory: Path,
    channel: ChannelSimulator,
    records: Sequence[RepodataRecord],
    wheels: Mapping[str, Path] | None = None,
) -> Mirrored:
    """A mirror of these packages of the channel, and of `wheels`."""
    archives = channel.archives()
    return write_mirror(
        directory, platform="linux-64", records=records, archives=archives, wheels=wheels or {}
    )


ALL = ("library-2.0-0", "python-3.12.1-0", "tool-1.0-0")


def snapshot(directory: Path) -> dict[str, bytes]:
    """Path → content."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_it_is_a_channel(tmp_path: Path, channel: ChannelSimulator) -> None:
    """Archives of both formats and repodata of each subdir."""
    mirrored = mirror(channel, tmp_path / "mirror", *ALL)
    assert ("linux-64/library-2.0-0.tar.bz2", "linux-64/python-3.12.1-0.conda") == (
        mirrored.archives[:2]
    )
    assert {*mirrored.archives, "linux-64/repodata.json", "noarch/repodata.json"} == set(
        snapshot(tmp_path / "mirror")
    )


@pytest.mark.parametrize("served", [True, False])
def test_engines_solve_from_it(tmp_path: Path, channel: ChannelSimulator, *, served: bool) -> None:
    """A directory or a web server, it gives the same solution as the channel itself."""
    root = tmp_path / "mirror"
    mirror(channel, root, *ALL)
    expected = EmbeddedEngine(tmp_path / "a").solve(solve_request((channel.url,), "tool"))
    engine = EmbeddedEngine(tmp_path / "b")
    if served:
        with serve_directory(root) as url:
            assert expected == engine.solve(solve_request((url,), "tool"))
    else:
        assert expected == engine.solve(solve_request((root.as_uri(),), "tool"))


def test_it_is_the_same_bytes_each_time(tmp_path: Path, channel: ChannelSimulator) -> None:
    """Neither the clock nor the order of the packages shows."""
    mirror(channel, tmp_path / "a", *ALL)
    records = [item for item in channel.records() if item.distribution in ALL]
    mirror_of(tmp_path / "b", channel, records[::-1])
    assert snapshot(tmp_path / "a") == snapshot(tmp_path / "b")


def test_wheels_lie_where_their_urls_say(tmp_path: Path, channel: ChannelSimulator) -> None:
    """The base URL of channel and wheels is said with the place that mirrors it."""
    wheel = tmp_path / "any name"
    wheel.write_bytes(b"wheel")
    root = tmp_path / "mirror"
    urls = (
        "https://files.invalid/ab/a-1%2Bcpu-py3-none-any.whl",
        "file:///home/b-1-py3-none-any.whl",
    )
    mirrored = mirror_of(root, channel, (), dict.fromkeys(urls, wheel))
    assert (
        "wheels/files.invalid/ab/a-1+cpu-py3-none-any.whl",
        "wheels/local/home/b-1-py3-none-any.whl",
    ) == mirrored.wheels
    bases = {base: (place.as_uri(),) for base, place in mirrored.bases.items()}
    found = [MirrorMap(mirrors=bases).locations(url) for url in urls]
    assert [
        (f"{(root / 'wheels/files.invalid').as_uri()}/ab/a-1%2Bcpu-py3-none-any.whl",),
        (f"{(root / 'wheels/local').as_uri()}/home/b-1-py3-none-any.whl",),
    ] == found
    assert b"wheel" == (root / mirrored.wheels[0]).read_bytes()


@pytest.mark.parametrize("url", ["https://host/a/%2e%2e/%2e%2e/../x.whl", "https://../x.whl"])
def test_wheels_stay_inside(tmp_path: Path, channel: ChannelSimulator, url: str) -> None:
    """A URL that leads elsewhere is refused before anything is written."""
    with pytest.raises(LockError, match="unsafe place"):
        mirror_of(tmp_path / "mirror", channel, (), {url: tmp_path / "wheel"})
    assert not (tmp_path / "mirror").exists()


def test_several_locks_in_one(tmp_path: Path, channel: ChannelSimulator) -> None:
    """What another lock put there stays, unless its archive is gone."""
    root = tmp_path / "mirror"
    mirror(channel, root, "library-1.0-0", "old-1.0-0")
    (root / "linux-64/old-1.0-0.conda").unlink()
    mirror(channel, root, "library-2.0-0")
    document = json.loads((root / "linux-64/repodata.json").read_text())
    assert (["library-2.0-0.tar.bz2"], ["library-1.0-0.conda"]) == (
        list(document["packages"]),
        list(document["packages.conda"]),
    )


def test_corrected_dependencies_are_kept(tmp_path: Path, channel: ChannelSimulator) -> None:
    """Where the channel had corrected a package, its correction stands."""
    [record] = [item for item in channel.records() if item.name == "tool"]
    corrected = replace(record, depends=(MatchSpecText("python"), MatchSpecText("library >=1,<2")))
    mirror_of(tmp_path / "mirror", channel, [corrected])
    document = json.loads((tmp_path / "mirror/noarch/repodata.json").read_text())
    [entry] = document["packages.conda"].values()
    assert ["python", "__glibc >=2.17", "library >=1,<2"] == entry["depends"]


@pytest.mark.parametrize("name", ["library-2.0-0", "python-3.12.1-0"])
def test_a_damaged_archive(tmp_path: Path, channel: ChannelSimulator, name: str) -> None:
    """An archive that cannot be read is named."""
    channel.archives()[name].write_bytes(b"damaged")
    with pytest.raises(ArchiveError, match=name):
        mirror(channel, tmp_path / "mirror", name)


def test_a_place_that_cannot_be_written(tmp_path: Path, channel: ChannelSimulator) -> None:
    """A file is not a directory."""
    (tmp_path / "mirror").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot write"):
        mirror(channel, tmp_path / "mirror", *ALL)


def test_a_subdir_must_not_lead_out(tmp_path: Path, channel: ChannelSimulator) -> None:
    """A URL with a relative step where its subdir stands is refused."""
    records = [replace(channel.records()[0], subdir="..")]
    with pytest.raises(LockError, match=r"has the unsafe subdir '\.\.'"):
        mirror_of(tmp_path / "mirror", channel, records)


def test_an_archive_that_cannot_be_read(tmp_path: Path, channel: ChannelSimulator) -> None:
    """A disk that fails, or a file that is gone, is named."""
    records = channel.records()[:1]
    gone = {records[0].distribution: tmp_path / "gone.conda"}
    with pytest.raises(ArchiveError, match=r"gone\.conda cannot be read: No such file"):
        write_mirror(tmp_path / "mirror", platform="linux-64", records=records, archives=gone)
