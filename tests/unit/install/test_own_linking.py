"""A prefix that lading fills by itself."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.conda.names import Platform
from lading.engine.embedded import EmbeddedEngine
from lading.engine.protocol import InstallRequest
from lading.errors import PrefixTooLongError
from lading.install.link import Linked, link_packages
from simulators.channel import PLACEHOLDER, ChannelSimulator, Entry, File, Package, Symlink
from simulators.engines import install_request

SCRIPT = b"#!" + PLACEHOLDER + b"/bin/python3.11 -s\nprint('" + PLACEHOLDER + b"')\n"
FILES: dict[str, Entry] = {
    "bin/script": File(SCRIPT, mode=0o755, text=True),
    "etc/own": File(b"changed in place", no_link=True),
    "lib/__pycache__/x.cpython-311.pyc": b"bytecode",
    "lib/link": Symlink("x.py"),
    "lib/program": File(b"\0" + PLACEHOLDER + b"/x\0end", mode=0o755, binary=True),
    "lib/x.py": b"source",
}


def request(root: Path, files: dict[str, Entry], prefix: Path) -> InstallRequest:
    """An installation of one package with these files into `prefix`."""
    channel = ChannelSimulator(root / "channel")
    channel.add(Package(name="a", files=files))
    asked = install_request(root, channel.records(), channel.archives())
    return InstallRequest(
        platform=Platform.LINUX_64,
        records=asked.records,
        archives=asked.archives,
        prefix=prefix,
        package_cache=asked.package_cache,
    )


def link(root: Path, prefix: Path, *, bytecode: bool = True) -> Linked:
    """What was linked of `FILES` into `prefix`."""
    asked = request(root, FILES, prefix)
    return link_packages(EmbeddedEngine(root / "state"), asked, bytecode=bytecode)


def test_what_lies_in_the_prefix(tmp_path: Path) -> None:
    """Files are shared with the package cache, but those that hold the prefix or are changed."""
    prefix = tmp_path / "prefix"
    [directory] = link(tmp_path, prefix).extracted.values()
    shared = {path for path in FILES if (prefix / path).samefile(directory / path)}
    assert {"lib/__pycache__/x.cpython-311.pyc", "lib/link", "lib/x.py"} == shared
    path = os.fsencode(prefix)
    assert SCRIPT.replace(PLACEHOLDER, path) == (prefix / "bin/script").read_bytes()
    assert b"\0" + path + b"/x\0" == (prefix / "lib/program").read_bytes()[: len(path) + 4]
    assert len(PLACEHOLDER) + 7 == (prefix / "lib/program").stat().st_size
    modes = {name: (prefix / name).stat().st_mode & 0o777 for name in ("bin/script", "etc/own")}
    assert {"bin/script": 0o755, "etc/own": 0o644} == modes
    assert ["a-1.0-0.json"] == [item.name for item in (prefix / "conda-meta").iterdir()]


def test_bytecode_that_nobody_wants(tmp_path: Path) -> None:
    """It is not linked, nor is its directory made."""
    link(tmp_path, tmp_path / "prefix", bytecode=False)
    found = sorted(path.name for path in (tmp_path / "prefix/lib").iterdir())
    assert ["link", "program", "x.py"] == found


@pytest.mark.parametrize("name", ["with blank", "long" * 30])
def test_a_prefix_that_no_first_line_can_name(tmp_path: Path, name: str) -> None:
    """The script finds its interpreter on PATH, as with conda; the rest names the prefix."""
    prefix = tmp_path / name
    link(tmp_path, prefix)
    assert (
        b"#!/usr/bin/env python3.11 -s\nprint('" + os.fsencode(prefix) + b"')\n"
        == (prefix / "bin/script").read_bytes()
    )


def test_a_prefix_that_is_too_long(tmp_path: Path) -> None:
    """A program has no room for it: that is said with its name, and what to do."""
    prefix = tmp_path / ("x" * 200) / ("y" * 50)
    with pytest.raises(PrefixTooLongError, match="lib/program") as caught:
        link(tmp_path, prefix)
    assert "install into a shorter path" == caught.value.hint


@pytest.fixture
def shm() -> Iterator[Path]:
    """A directory of a file system in memory."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        yield Path(directory)


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="there is no other file system")
def test_another_file_system(tmp_path: Path, shm: Path) -> None:
    """What cannot be linked there is copied, with its mode."""
    prefix = shm / "prefix"
    asked = request(tmp_path, {"bin/x": File(b"content", mode=0o755)}, prefix)
    link_packages(EmbeddedEngine(tmp_path / "state"), asked)
    status = (prefix / "bin/x").stat()
    assert (b"content", 1, 0o755) == (
        (prefix / "bin/x").read_bytes(),
        status.st_nlink,
        status.st_mode & 0o777,
    )
