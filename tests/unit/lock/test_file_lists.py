"""`lading.lock.file_conflicts.FileLists`: which files are in archives."""

import random
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from lading.conda.channels import MirrorMap
from lading.lock.file_conflicts import FileLists
from lading.lock.model import LockedPackage, Manager
from lading.net.retry_policy import RetryPolicy
from lading.package.file_list import ArchiveFiles, Unread
from lading.system.digest import sha256_of_file
from simulators.channel import CANONICAL, ChannelSimulator, Package
from simulators.rangeserver import RangeServer, serve_ranges
from simulators.wheel_index import WheelIndex

BIG = random.Random(1).randbytes(1 << 20)
PURE = Package(
    name="pure",
    noarch="python",
    depends=("python",),
    files={
        "site-packages/pure/__init__.py": b"",
        "site-packages/pure/data": BIG,
        "python-scripts/pure-old": b"",
        "share/pure": b"",
    },
    entry_points=("pure = pure:main",),
)
PURE_FILES = ArchiveFiles(
    paths=("bin/pure", "bin/pure-old", "share/pure"),
    site_paths=("pure/__init__.py", "pure/data"),
)
QUICK = RetryPolicy(retries=0, connect=2, read=2)


def locked(path: Path, base: str, manager: Manager = Manager.CONDA) -> LockedPackage:
    """The package in the archive at `path`, found below `base`."""
    name, version = path.name.split("-")[:2]
    return LockedPackage(
        name=name,
        version=version,
        manager=manager,
        url=f"{base}/{path.name}",
        sha256=sha256_of_file(path),
        dependencies={},
    )


def pure_package(directory: Path, package: Package = PURE) -> tuple[Path, LockedPackage]:
    """An archive on this disk and its entry in a lock."""
    path = ChannelSimulator(directory / "channel").add(package)
    return path, locked(path, f"{CANONICAL}/{path.parent.name}")


def lists(directory: Path, *places: Path, mirror: str = "") -> FileLists:
    """Lists that are kept below `directory`, of archives in `places` or at `mirror`."""
    mirrors = MirrorMap(mirrors={CANONICAL: (mirror,)} if mirror else {CANONICAL: ()})
    return FileLists(cache=directory / "lists", places=places, mirrors=mirrors, retry_policy=QUICK)


def served(channel: Path) -> Mapping[str, bytes]:
    """What a server must hold to be `channel`."""
    return {
        f"/{path.relative_to(channel)}": path.read_bytes()
        for path in channel.rglob("*")
        if path.is_file()
    }


def one(found: Mapping[str, ArchiveFiles | Unread]) -> ArchiveFiles | Unread:
    """The only answer."""
    [answer] = found.values()
    return answer


@pytest.mark.parametrize("archive_format", [".conda", ".tar.bz2"])
def test_noarch_python(tmp_path: Path, archive_format: str) -> None:
    """Files of any python, its scripts and entry points, of an archive that lies here."""
    package = Package(
        **{name: getattr(PURE, name) for name in ("name", "noarch", "files", "entry_points")},
        archive_format=archive_format,
    )
    path, item = pure_package(tmp_path, package)
    assert PURE_FILES == one(lists(tmp_path, path.parent).read([item]))


def test_python_itself(tmp_path: Path) -> None:
    """It says where its site-packages are."""
    files = {"bin/python3.13t": b"", "lib/python3.13t/os.py": b""}
    where = "lib/python3.13t/site-packages"
    package = Package(name="python", files=files, python_site_packages_path=where)
    path, item = pure_package(tmp_path, package)
    expected = ArchiveFiles(paths=tuple(files), site_packages=where)
    assert expected == one(lists(tmp_path, path.parent).read([item]))


def test_ranges(tmp_path: Path) -> None:
    """A small part of a large archive is read; the next time nothing at all."""
    path, item = pure_package(tmp_path)
    with serve_ranges(served(tmp_path / "channel")) as server:
        found = lists(tmp_path, mirror=server.url).read([item])
        assert PURE_FILES == one(found)
        assert 0 < server.sent < path.stat().st_size / 10
    assert PURE_FILES == one(lists(tmp_path, mirror=server.url).read([item]))


def test_a_long_list(tmp_path: Path) -> None:
    """What does not fit into the end that is read first is read as well."""
    chance = random.Random(2)
    names = [f"site-packages/{chance.randbytes(40).hex()}" for _ in range(5000)]
    package = Package(name="wide", noarch="python", files=dict.fromkeys(sorted(names), b""))
    path, item = pure_package(tmp_path, package)
    assert path.stat().st_size > 1 << 18
    with serve_ranges(served(tmp_path / "channel")) as server:
        found = one(lists(tmp_path, mirror=server.url).read([item]))
    assert isinstance(found, ArchiveFiles)
    assert 5000 == len(found.site_paths)
    assert len(server.ranges) < 8


def test_a_wheel(tmp_path: Path) -> None:
    """Its members, its `.data` and its commands, at the places that an installer gives them."""
    index = WheelIndex(tmp_path / "index")
    path = index.add_wheel(
        "Tool",
        "1.0",
        files={
            "tool/": b"",
            "Tool-1.0.data/purelib/extra.py": b"",
            "Tool-1.0.data/scripts/old": b"",
            "Tool-1.0.data/data/share/tool": b"",
            "Tool-1.0.data/headers/tool.h": b"",
            "Tool-1.0.dist-info/entry_points.txt": b"[console_scripts]\nTool = t:m\n[x]\ny = z\n",
        },
    )
    with serve_ranges({f"/{path.name}": path.read_bytes()}) as server:
        item = locked(path, server.url, Manager.PIP)
        found = one(FileLists(cache=tmp_path / "lists", retry_policy=QUICK).read([item]))
    assert isinstance(found, ArchiveFiles)
    assert found.paths == ("bin/Tool", "bin/old", "share/tool")
    assert {"Tool.py", "extra.py", "Tool-1.0.dist-info/METADATA"} <= set(found.site_paths)
    assert "tool.h" not in str(found)


def _unread(directory: Path, item: LockedPackage, server: RangeServer) -> str:
    found = one(lists(directory, mirror=server.url).read([item]))
    assert isinstance(found, Unread)
    assert not (directory / "lists").exists()
    return found.reason


def test_no_ranges(tmp_path: Path) -> None:
    """Nothing large is downloaded from a server that knows no ranges."""
    _, item = pure_package(tmp_path)
    with serve_ranges(served(tmp_path / "channel"), knows_ranges=False) as server:
        assert "no parts" in _unread(tmp_path, item, server)


def test_bz2_on_a_server(tmp_path: Path) -> None:
    """An archive that has no directory is not read."""
    package = Package(name="old", files={"a": b""}, archive_format=".tar.bz2")
    _, item = pure_package(tmp_path, package)
    with serve_ranges(served(tmp_path / "channel")) as server:
        assert "not a zip file" in _unread(tmp_path, item, server)
        assert server.sent == 0


def test_missing(tmp_path: Path) -> None:
    """A server without the archive is told; so is one that does not answer, once."""
    _, item = pure_package(tmp_path)
    with serve_ranges({}) as server:
        assert "HTTP status 404" in _unread(tmp_path, item, server)
    reason = _unread(tmp_path, item, server)
    assert "HTTP status" not in reason


@pytest.mark.parametrize("size", [10, 1000, -100, -30])
def test_damaged(tmp_path: Path, size: int) -> None:
    """An archive that is cut off, on a server or in a mirror, is an answer, no error."""
    path, item = pure_package(tmp_path)
    path.write_bytes(path.read_bytes()[:size])
    with serve_ranges(served(tmp_path / "channel")) as server:
        assert "damaged" in _unread(tmp_path, item, server)
    found = one(lists(tmp_path, mirror=(tmp_path / "channel").as_uri()).read([item]))
    assert isinstance(found, Unread)


def test_a_zip_file_of_something_else(tmp_path: Path) -> None:
    """A zip file without `info` is not a package."""
    path, item = pure_package(tmp_path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme", "text")
    with serve_ranges(served(tmp_path / "channel")) as server:
        assert "damaged" in _unread(tmp_path, item, server)


def test_another_archive_of_the_same_name(tmp_path: Path) -> None:
    """An archive that lies here with another digest is passed over."""
    path, item = pure_package(tmp_path)
    other = tmp_path / "cache"
    other.mkdir()
    (other / path.name).write_bytes(b"other")
    shutil.copy(path, tmp_path / path.name)
    assert PURE_FILES == one(lists(tmp_path, other, tmp_path).read([item]))
    found = one(lists(tmp_path / "b", other).read([item]))
    assert found == Unread("it has no location")


def test_a_list_that_was_damaged(tmp_path: Path) -> None:
    """A kept list that cannot be read is made again."""
    path, item = pure_package(tmp_path)
    kept = tmp_path / "lists" / f"{item.sha256.hex}.json"
    kept.parent.mkdir()
    kept.write_text("{")
    assert PURE_FILES == one(lists(tmp_path, path.parent).read([item]))
    assert PURE_FILES == one(lists(tmp_path).read([item]))


def test_no_place_to_keep_lists(tmp_path: Path) -> None:
    """Lists that cannot be kept are answered all the same."""
    path, item = pure_package(tmp_path)
    (tmp_path / "lists").write_text("a file stands there")
    assert PURE_FILES == one(lists(tmp_path, path.parent).read([item]))


def test_other_kinds_of_locations(tmp_path: Path) -> None:
    """A location that is neither a web server nor a directory is told."""
    _, item = pure_package(tmp_path)
    found = one(lists(tmp_path, mirror="oci://host.invalid/channel").read([item]))
    assert found == Unread("oci: cannot be read in parts")
