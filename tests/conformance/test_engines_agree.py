"""One lock, installed by either engine, gives the same bytes."""

import json
import os
from pathlib import Path

import pytest

from lading.system.digest import sha256_of_file
from simulators.channel import CANONICAL, PLACEHOLDER, File, HardLink, Package, Symlink
from simulators.command import lading
from simulators.project import ENVIRONMENT, Project

pytestmark = [
    pytest.mark.micromamba,
    pytest.mark.skipif("LADING_MICROMAMBA" not in os.environ, reason="no LADING_MICROMAMBA"),
]

PACKAGES = (
    Package(
        name="tool",
        depends=("library >=2",),
        files={
            "bin/tool": File(b"#!/bin/sh\necho " + PLACEHOLDER + b"\n", mode=0o755, text=True),
            "bin/script": File(b"#!" + PLACEHOLDER + b"/bin/perl\n", mode=0o755, text=True),
            "lib/x.so": File(b"\x7fELF\0" + PLACEHOLDER + b"/lib\0", binary=True),
            "lib/link": Symlink("x.so"),
            "share/both": b"tool",
            "share/ünï x": b"odd",
        },
        scripts={"post-link": b"#!/bin/sh\ntouch $PREFIX/post-link-ran\n"},
    ),
    Package(
        name="library",
        version="2.0",
        archive_format=".tar.bz2",
        files={"lib/first": b"l" * 10_000, "lib/second": HardLink("lib/first"), "share/both": b""},
    ),
    Package(name="generic", noarch="generic", files={"share/data": bytes(range(256))}),
)


def pack(root: Path, engine: str, mask: int, zone: str, workers: str) -> dict[str, str]:
    """File name → digest of what a host packs, before and of a prefix that `engine` filled."""
    project = Project.of(root, PACKAGES)
    mirrors = f"[mirrors]\n{json.dumps(CANONICAL)} = [{json.dumps(project.channel.url)}]\n"
    (root / "lading.toml").write_text(mirrors)
    variables = {"LADING_MICROMAMBA": os.environ["LADING_MICROMAMBA"], "TZ": zone}
    pack = ["pack", "-j", workers, ENVIRONMENT]
    for arguments in (
        pack,
        ["install", ENVIRONMENT],
        ["verify", ENVIRONMENT],
        [*pack, "-f", "tar.gz"],
        [*pack, "-f", "sqsh"],
        [*pack, "--installer"],
    ):
        done = lading(
            ["--engine", engine, *arguments],
            root,
            variables,
            preparation=lambda: (os.umask(mask), None)[1],
        )
        assert 0 == done.code, done.stdout + done.stderr
    return {path.name: sha256_of_file(path).hex for path in (project.root / "dist").iterdir()}


def test_both_engines_pack_the_same(tmp_path: Path) -> None:
    """Artifacts do not tell which engine filled the prefix, nor where, nor by how many workers."""
    assert pack(tmp_path / "a", "embedded", 0o022, "UTC", "1") == pack(
        tmp_path / "longer name", "micromamba", 0o077, "Asia/Tokyo", "8"
    )
