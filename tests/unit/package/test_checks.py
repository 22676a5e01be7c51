"""Packages are checked before anything links, reads or runs them."""

from pathlib import Path

import pytest

from lading.conda.names import Platform
from lading.errors import ArchiveError, IntegrityError, UnsafePathError
from lading.package.checks import check_packages
from simulators.channel import ChannelSimulator, File, HardLink, Package, Symlink
from simulators.hostile_packages import ATTACKS, Attack

PYTHON = Package(name="python", version="3.11.1", files={"bin/python3.11": b"python"})


def check(
    root: Path,
    *packages: Package,
    platform: Platform = Platform.LINUX_64,
    cache: Path | None = None,
) -> None:
    """Check what is installed together."""
    channel = ChannelSimulator(root / "channel")
    for package in packages:
        channel.add(package)
    check_packages(channel.records(), channel.archives(), platform, cache)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attacks(tmp_path: Path, attack: Attack) -> None:
    """Each is refused, and what it does is named."""
    with pytest.raises(IntegrityError) as caught:
        check(tmp_path, *attack.packages(tmp_path))
    assert [] == [word for word in attack.words if word not in str(caught.value)]


@pytest.mark.parametrize("suffix", [".conda", ".tar.bz2"])
def test_what_packages_may_do(tmp_path: Path, suffix: str) -> None:
    """Links within the prefix, also to nowhere; hard links; files that others bring too."""
    package = Package(
        name="a",
        archive_format=suffix,
        files={
            "bin/a": b"a",
            "bin/b": HardLink("bin/a"),
            "lib/link": Symlink("../share/nowhere"),
            "lib/loop": Symlink("loop"),
            "share/both": b"a",
        },
    )
    other = Package(name="b", files={"share/both": Symlink("other"), "share/other": b"b"})
    check(tmp_path, package, other)


def test_links_within_the_recipe(tmp_path: Path) -> None:
    """What `info/` holds besides the files that are read may link to each other."""
    members = next(item for item in ATTACKS if item.name == "a link below info")
    [hostile] = members.packages(tmp_path)
    [(link, data)] = hostile.raw_members
    link.name, link.linkname = "info/recipe/link", "meta.yaml"
    check(tmp_path, Package(name="a", archive_format=".tar.bz2", raw_members=((link, data),)))


def noarch(**more: object) -> Package:
    """A noarch python package."""
    return Package(name="pure", noarch="python", **more)


def test_a_noarch_file_below_a_file(tmp_path: Path) -> None:
    """The clash is seen only at the places where they will lie."""
    other = Package(name="other", files={"lib/python3.11/site-packages/p": b"file"})
    with pytest.raises(UnsafePathError, match="is in the way of"):
        check(tmp_path, PYTHON, noarch(files={"site-packages/p/x": b""}), other)


def test_a_noarch_link_that_stays_where_it_will_lie(tmp_path: Path) -> None:
    """Four directories up is still in the prefix."""
    files = {"site-packages/p/x": Symlink("../../../../share/x")}
    check(tmp_path, PYTHON, noarch(files=files))


def test_a_command_below_a_link(tmp_path: Path) -> None:
    """Entry points are files of a package too."""
    other = Package(name="other", files={"bin": Symlink("share")})
    with pytest.raises(UnsafePathError, match="is in the way of bin/run"):
        check(tmp_path, other, noarch(entry_points=("run = m:f",)))


@pytest.mark.parametrize("platform", list(Platform))
def test_case(tmp_path: Path, platform: Platform) -> None:
    """Where file systems ignore it, so do the checks."""
    packages = (
        Package(name="a", files={"share/Link": Symlink("x")}),
        Package(name="b", files={"share/link/file": b""}),
    )
    if platform.is_linux:
        check(tmp_path, *packages, platform=platform)
    else:
        with pytest.raises(UnsafePathError, match=r"share/Link of a-1\.0-0 is in the way of"):
            check(tmp_path, *packages, platform=platform)


def test_a_size_that_is_not_as_listed(tmp_path: Path) -> None:
    """The list of a package must fit its archive."""
    package = Package(name="a", files={"share/x": File(b"abc", recorded_size=5)})
    with pytest.raises(ArchiveError, match="with 5 bytes and holds 3"):
        check(tmp_path, package)


def test_results_are_kept(tmp_path: Path) -> None:
    """An archive is read once, whoever asks; damaged results are made again."""
    package = Package(name="a", files={"share/x": b"abc"})
    check(tmp_path, package, cache=tmp_path / "checked")
    [kept] = (tmp_path / "checked").iterdir()
    content = kept.read_bytes()
    kept.write_bytes(b"{")
    check(tmp_path, package, cache=tmp_path / "checked")
    assert content == kept.read_bytes()
    channel = ChannelSimulator(tmp_path / "channel")
    archive = channel.add(package)
    archive.write_bytes(b"")
    check_packages(channel.records(), channel.archives(), Platform.LINUX_64, tmp_path / "checked")


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    """The checks are made all the same."""
    (tmp_path / "checked").touch()
    check(tmp_path, Package(name="a"), cache=tmp_path / "checked")


def test_an_archive_that_is_missing(tmp_path: Path) -> None:
    """It is named."""
    channel = ChannelSimulator(tmp_path / "channel")
    channel.add(Package(name="a")).unlink()
    with pytest.raises(ArchiveError, match=r"a-1\.0-0\.conda is damaged: .*No such file"):
        check_packages(channel.records(), channel.archives(), Platform.LINUX_64)
