"""Packages are checked while lading extracts them."""

import os
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from lading.conda.names import Platform
from lading.errors import ArchiveError, UnsafePathError
from lading.install.extracted import damaged_packages
from lading.install.extraction import Extraction, extract_packages
from lading.install.known_state import KnownState
from lading.package.checks import check_packages
from simulators.channel import ChannelSimulator, File, HardLink, Package, Symlink

PACKAGE = Package(
    name="a",
    files={
        "bin/run": File(b"#!/bin/sh\n", mode=0o6775),
        "lib/large": os.urandom(3 << 20),
        "lib/link": Symlink("x"),
        "lib/second": HardLink("lib/x"),
        "lib/x": File(b"content", mode=0o044),
        "lib/x.py": b"import os\n",
    },
)


def extraction(tmp_path: Path, package: Package = PACKAGE) -> Extraction:
    """What is to be extracted."""
    channel = ChannelSimulator(tmp_path / "channel")
    channel.add(package)
    [record] = channel.records()
    checked = tmp_path / "checked"
    checked.mkdir()
    (tmp_path / "cache").mkdir()
    assert record.sha256 is not None
    return Extraction(
        record=record,
        archive=channel.archives()[record.distribution],
        place=tmp_path / "cache" / record.distribution,
        known=KnownState(checked / f"{record.sha256.hex}.state"),
        checked=checked,
    )


@pytest.mark.parametrize("archive_format", [".conda", ".tar.bz2"])
@pytest.mark.parametrize("umask", [0, 0o077])
def test_a_package_as_it_lies_then(tmp_path: Path, archive_format: str, umask: int) -> None:
    """Every file has its content, whatever the umask; only the owner may write; nothing is left."""
    item = extraction(tmp_path, replace(PACKAGE, archive_format=archive_format))
    before = os.umask(umask)
    try:
        extract_packages([item], workers=2)
    finally:
        os.umask(before)
    place = item.place
    modes = {path: (place / path).stat().st_mode & 0o7777 for path in ("bin/run", "lib/x")}
    assert 0 == (place / "lib").stat().st_mode & 0o022
    assert ({"bin/run": 0o755, "lib/x": 0o444}, [place.name]) == (
        modes,
        [path.name for path in place.parent.iterdir()],
    )
    assert (b"content", "x") == (
        (place / "lib/second").read_bytes(),
        str((place / "lib/link").readlink()),
    )
    assert {} == damaged_packages({place.name: place}, {place.name: item.archive})


def test_it_is_not_hashed_again(tmp_path: Path) -> None:
    """Its state is known, and a change is noticed; the check of the archive is kept as well."""
    item = extraction(tmp_path)
    extract_packages([item], workers=1)
    assert item.known is not None
    assert item.known.is_of(item.place)
    item.archive.write_bytes(b"")
    archives = {item.place.name: item.archive}
    [package] = check_packages([item.record], archives, Platform.LINUX_64, item.checked).values()
    assert "a" == package.name
    (item.place / "lib/x.py").write_bytes(b"import sys")
    assert not item.known.is_of(item.place)


ATTACKS = {
    "another digest": (
        replace(PACKAGE, files={"x": File(b"a", recorded_sha256="0" * 64)}),
        ArchiveError,
    ),
    "below a link": (
        replace(PACKAGE, files={"d": Symlink("/tmp"), "d/x": b"a"}),
        UnsafePathError,
    ),
    "twice": (
        replace(PACKAGE, raw_members=((tarfile.TarInfo("lib/x"), b""),)),
        ArchiveError,
    ),
    "outside": (replace(PACKAGE, raw_members=((tarfile.TarInfo("../x"), b""),)), ArchiveError),
    "not listed right": (replace(PACKAGE, files={"x": File(b"a", recorded_size=2)}), ArchiveError),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_what_is_refused_leaves_nothing(tmp_path: Path, name: str) -> None:
    """A package that is not sound does not get its name in the cache, nor is it known."""
    package, error = ATTACKS[name]
    item = extraction(tmp_path, package)
    with pytest.raises(error):
        extract_packages([item], workers=1)
    assert [] == [*item.place.parent.iterdir(), *item.checked.iterdir()]


def test_another_process_was_faster(tmp_path: Path) -> None:
    """What it extracted stands, and nothing is said about its state."""
    item = extraction(tmp_path)
    item.place.mkdir()
    (item.place / "mark").touch()
    extract_packages([item], workers=1)
    assert ([item.place / "mark"], False) == (
        list(item.place.iterdir()),
        item.known is not None and item.known.is_of(item.place),
    )


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    """A temporary of a process that is gone lies there no longer."""
    item = extraction(tmp_path)
    stale = item.place.with_name(f".{item.place.name}.lading-abcd1234")
    stale.mkdir()
    os.utime(stale, (0, 0))
    extract_packages([item], workers=1)
    assert [item.place] == list(item.place.parent.iterdir())
