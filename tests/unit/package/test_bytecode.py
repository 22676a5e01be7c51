"""Which bytecode of a package fits its source."""

import importlib.util
import struct
import sys
from pathlib import Path

import pytest

from lading.conda.names import Platform
from lading.package.bytecode import MAGICS
from lading.package.checks import check_packages
from simulators.channel import TIMESTAMP, ChannelSimulator, File, HardLink, Package

MTIME = TIMESTAMP // 1000
LIBRARY = "lib/python3.11/site-packages"
SOURCE = b"x = 1\n"
MAGIC = b"\xa7\r\r\n"

CODE = b"the marshalled code"


def stamped(mtime: int = MTIME, size: int = len(SOURCE), magic: bytes = MAGIC) -> bytes:
    """Bytecode that records the time and size of its source."""
    return struct.pack("<4sIII", magic, 0, mtime, size) + CODE


def fitting(tmp_path: Path, package: Package) -> list[str]:
    """The paths of the bytecode of `package` that fits."""
    channel = ChannelSimulator(tmp_path / "channel")
    channel.add(package)
    [checked] = check_packages(
        channel.records(), channel.archives(), Platform.LINUX_64, tmp_path / "checked"
    ).values()
    return [item.path for item in checked.bytecode]


def module(
    bytecode: object, source: object = SOURCE, directory: str = LIBRARY
) -> dict[str, object]:
    """The files of a module and of its bytecode."""
    cached = f"{directory}/__pycache__/m.cpython-311.pyc"
    return {cached: bytecode, f"{directory}/m.py": source}


@pytest.mark.parametrize("suffix", [".conda", ".tar.bz2"])
def test_the_header_is_that_of_an_unchecked_hash(tmp_path: Path, suffix: str) -> None:
    """It is what python itself would write, for the magic number of any python (PEP 552)."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    directory = f"lib/python{version}"
    cached = importlib.util.cache_from_source(f"{directory}/m.py")
    files = {cached: stamped(magic=importlib.util.MAGIC_NUMBER), f"{directory}/m.py": SOURCE}
    channel = ChannelSimulator(tmp_path)
    channel.add(Package(name="a", archive_format=suffix, files=files))
    [checked] = check_packages(channel.records(), channel.archives(), Platform.LINUX_64).values()
    expected = importlib.util.MAGIC_NUMBER + b"\1\0\0\0" + importlib.util.source_hash(SOURCE)
    assert [(cached, f"{directory}/m.py", expected)] == [
        (item.path, item.source, item.header) for item in checked.bytecode
    ]


def test_the_magic_number_of_this_python_is_known() -> None:
    """The table agrees with the interpreter that runs this test."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert importlib.util.MAGIC_NUMBER == MAGICS[version].to_bytes(2, "little") + b"\r\n"


@pytest.mark.parametrize(
    "files",
    [
        module(stamped(mtime=MTIME + 1)),
        module(stamped(size=7)),
        module(stamped(magic=b"\xa8\r\r\n")),
        module(stamped()[:15]),
        module(MAGIC + b"\1\0\0\0" + bytes(8) + CODE),
        module(MAGIC + b"\4\0\0\0" + bytes(8) + CODE),
        module(File(stamped(), binary=True)),
        module(stamped(), File(SOURCE, text=True)),
        module(stamped(), HardLink("share/other")) | {"share/other": SOURCE},
        module(stamped(), directory="share"),
        {f"{LIBRARY}/__pycache__/m.cpython-311.pyc": stamped()},
        {f"{LIBRARY}/__pycache__/m.cpython-312.pyc": stamped(), f"{LIBRARY}/m.py": SOURCE},
        {f"{LIBRARY}/__pycache__/m.cpython-311.opt-1.pyc": stamped(), f"{LIBRARY}/m.py": SOURCE},
    ],
    ids=[
        *("other time", "other size", "other python", "too short", "other hash", "other flags"),
        *("placeholder inside", "placeholder in the source", "hard link", "not a library"),
        *("no source", "tag of another python", "optimised"),
    ],
)
def test_what_does_not_fit(tmp_path: Path, files: dict[str, object]) -> None:
    """One difference is enough; then it is compiled."""
    assert [] == fitting(tmp_path, Package(name="a", files=files))


def test_a_noarch_package_is_compiled(tmp_path: Path) -> None:
    """Its bytecode, if it has any, is that of the python that it was built with."""
    assert [] == fitting(tmp_path, Package(name="a", noarch="generic", files=module(stamped())))


def test_what_fits(tmp_path: Path) -> None:
    """Times beyond 2106 are cut to 32 bits, in both places; a result is kept by the digest."""
    package = Package(name="a", files=module(stamped()))
    cached = [f"{LIBRARY}/__pycache__/m.cpython-311.pyc"]
    assert [cached, cached] == [fitting(tmp_path, package), fitting(tmp_path, package)]
