"""The bytes of a tarball, frozen: a change of them is a change that users must be told of."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from lading.format.opening import open_tarball
from lading.system.digest import sha256_of_file
from simulators.channel import CANONICAL, PLACEHOLDER, File, HardLink, Package, Symlink
from simulators.command import lading
from simulators.project import ENVIRONMENT, Project

GOLDEN_TAR = "6a8f2e027333fdc0e04343421dc6ca6110540cfc43ea8f0719848c95366e8089"
"""SHA-256 of the uncompressed tar of the synthetic environment."""

PACKAGES = (
    Package(
        name="tool",
        version="1.2",
        depends=("library >=2",),
        files={
            "bin/tool": File(b"#!/bin/sh\necho " + PLACEHOLDER + b"\n", mode=0o755, text=True),
            "bin/script": File(b"#!" + PLACEHOLDER + b"/bin/perl\nx\n", mode=0o775, text=True),
            "lib/libtool.so.1": File(b"\x7fELF\0" + PLACEHOLDER + b"/lib\0rest", binary=True),
            "lib/libtool.so": Symlink("libtool.so.1"),
            "share/tool/" + "n" * 120: b"a long name",
            "share/tool/üñí x": b"an odd name",
            "share/tool/empty": b"",
            "etc/conf": File(b"prefix=" + PLACEHOLDER + b"\n", mode=0o600, text=True),
        },
    ),
    Package(
        name="library",
        version="2.0",
        archive_format=".tar.bz2",
        timestamp=1_600_000_000_000,
        files={"lib/first": b"l" * 10_000, "lib/second": HardLink("lib/first")},
    ),
    Package(name="generic", noarch="generic", files={"share/data": bytes(range(256))}),
)

HOSTS = (
    {"umask": 0o022, "TZ": "UTC", "LC_ALL": "C", "PYTHONHASHSEED": "0"},
    {"umask": 0o077, "TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "4242"},
)


def pack(root: Path, host: dict[str, object], *arguments: str) -> Path:
    """The directory of the outputs that a host with other habits packs of the environment."""
    project = Project.of(root, PACKAGES)
    mirrors = f"[mirrors]\n{json.dumps(CANONICAL)} = [{json.dumps(project.channel.url)}]\n"
    (root / "lading.toml").write_text(mirrors)
    home = root / "some home"
    home.mkdir()
    environment = {key: str(value) for key, value in host.items() if key != "umask"}
    mask = host["umask"]
    assert isinstance(mask, int)
    done = lading(
        ["pack", ENVIRONMENT, "-o", "out", *arguments],
        root,
        {**environment, "HOME": str(home)},
        preparation=lambda: (os.umask(mask), None)[1],
    )
    assert 0 == done.code, done.stderr
    return root / "out"


def digests(directory: Path) -> dict[str, str]:
    """File name → SHA-256."""
    return {path.name: sha256_of_file(path).hex for path in directory.iterdir()}


@pytest.fixture(scope="module")
def tar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs in the format without compression."""
    return pack(tmp_path_factory.mktemp("golden"), HOSTS[0], "-f", "tar")


def test_the_tar_is_as_it_always_was(tar: Path) -> None:
    """The uncompressed bytes do not depend on any library, so they are frozen."""
    assert GOLDEN_TAR == sha256_of_file(tar / f"{ENVIRONMENT}-linux-64.tar").hex


@pytest.mark.parametrize("format_", ["tar.zst", "tar.gz", "tar", "sqsh"])
def test_two_hosts_pack_the_same(tmp_path: Path, format_: str) -> None:
    """umask, time zone, locale, home, hash seed, directory and number of workers do not show."""
    places = (tmp_path / "a", tmp_path / "another place" / "of the second host")
    outputs = [
        digests(pack(place, host, "-f", format_, "-j", workers))
        for place, host, workers in zip(places, HOSTS, ("1", "8"), strict=True)
    ]
    assert outputs[0] == outputs[1]


def test_packing_again_gives_the_same(tmp_path: Path) -> None:
    """From the frame cache come the bytes that come without it."""
    first = digests(pack(tmp_path / "a", HOSTS[0]))
    root = tmp_path / "a"
    lading(["pack", ENVIRONMENT, "-o", "again"], root)
    lading(["pack", ENVIRONMENT, "-o", "fresh", "--no-frame-cache"], root)
    assert [first, first] == [digests(root / "again"), digests(root / "fresh")]


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_the_outputs_are_readable(tmp_path: Path, mask: int) -> None:
    """Whatever the umask, others may read what is shipped to them."""
    out = pack(tmp_path / "a", {**HOSTS[0], "umask": mask})
    assert {0o644} == {path.stat().st_mode & 0o777 for path in out.iterdir()}


def test_a_source_date_caps_all_times(tmp_path: Path) -> None:
    """With SOURCE_DATE_EPOCH no member is newer; the digest is another one."""
    host = {**HOSTS[0], "SOURCE_DATE_EPOCH": "1650000000"}
    out = pack(tmp_path / "a", host)
    with open_tarball(out / f"{ENVIRONMENT}-linux-64.tar.zst") as opened:
        packages = opened.contents().packages
    assert {"library": 1_600_000_000, "tool": 1_650_000_000, "": 1_650_000_000} == {
        item.package.name: item.mtime for item in packages if item.package.name != "generic"
    }
    assert 1_650_000_000 == opened.bill.manifest.mtime


def test_no_member_tells_of_the_host(tar: Path) -> None:
    """Neither the directory, nor the user, nor the clock is in the tar."""
    data = (tar / f"{ENVIRONMENT}-linux-64.tar").read_bytes()
    found = [word for word in (str(tar.parent), "pytest", "some home") if word.encode() in data]
    assert [] == found


def test_the_digests_are_those_of_the_files(tar: Path) -> None:
    """The digests beside the tarball are in the form that `sha256sum -c` reads."""
    lines = (tar / f"{ENVIRONMENT}-linux-64.tar.sha256").read_text().splitlines()
    assert [
        f"{hashlib.sha256((tar / name).read_bytes()).hexdigest()}  {name}"
        for name in (f"{ENVIRONMENT}-linux-64.tar", f"{ENVIRONMENT}-linux-64.tar.manifest.json")
    ] == lines
