"""`lading unpack` of a tarball on a server: the bill and the frames are read by ranges."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lading.format.remote import TAIL_BYTES
from lading.pack.packer import Packed
from simulators.handmade import file, payload
from simulators.launcher import Launcher, Run
from simulators.rangeserver import RangeServer, serve_ranges
from simulators.versions import (
    environment,
    flip_bit,
    leftovers,
    pack_payloads,
    package_of,
    verified,
)

BALLAST = payload(file("share/ballast", random.Random(1).randbytes(5 * TAIL_BYTES)), name="ballast")


@dataclass(frozen=True, slots=True)
class Served:
    """Where a tarball on a server is unpacked, by the command."""

    root: Path
    packed: Packed
    server: RangeServer
    launcher: Launcher

    @property
    def url(self) -> str:
        """Of the tarball."""
        return f"{self.server.url}/env.tar.zst"

    def unpack(self, *options: object, url: str = "") -> Run:
        """How unpacking to `opt/env` ended."""
        return self.launcher.run(
            "-C", self.root, "unpack", *options, url or self.url, self.root / "opt/env"
        )


def packed(root: Path, version: str) -> Packed:
    """A version of the environment, with a package that does not fit into the end of it."""
    payloads = [BALLAST, *environment(root / "sources", version)]
    return pack_payloads(root / f"tarball-{version}", payloads)


@pytest.fixture
def served(tmp_path: Path, launcher: Launcher) -> Iterator[Served]:
    """A server with version 2, and a place for it."""
    new = packed(tmp_path, "2")
    (tmp_path / "opt").mkdir()
    with serve_ranges({"/env.tar.zst": new.plan.tarball.read_bytes()}) as server:
        yield Served(tmp_path, new, server, launcher)


def test_it_is_unpacked(served: Served) -> None:
    """As from a file: checked and relocated."""
    found = served.unpack()
    assert (0, ()) == (found.code, tuple(verified(served.root / "opt/env"))), found.output


def test_one_package_is_read_alone(served: Served) -> None:
    """What nobody asked for stays on the server."""
    found = served.unpack("--only", "tool")
    assert (0, True) == (found.code, served.server.sent < 2 * TAIL_BYTES), found.output
    assert ["bin", "share"] == sorted(path.name for path in (served.root / "opt/env").iterdir())


def test_a_store_gets_what_it_lacks(served: Served) -> None:
    """An update in one command: the bill, and the frames that changed."""
    store = served.root / "store"
    old = packed(served.root, "1").plan.tarball
    assert (
        0
        == served.launcher.run(
            *("-C", served.root, "unpack", "--store", store, old, served.root / "opt/env")
        ).code
    )
    found = served.unpack("--store", store)
    [changed] = package_of(served.packed, "tool").package.frames
    assert (0, ()) == (found.code, tuple(verified(served.root / "opt/env"))), found.output
    assert served.server.sent < TAIL_BYTES + changed.length + 1


def test_what_is_refused(served: Served) -> None:
    """Another bill than the one inside, a wrong byte, what has no bill, and nothing."""
    other = packed(served.root, "1").plan.manifest
    [frame] = package_of(served.packed, "ballast").package.frames
    damaged = flip_bit(served.packed.plan.tarball.read_bytes(), 8 * (frame.offset + 100))
    with serve_ranges({"/x": damaged, "/y": b"x" * 3 * TAIL_BYTES}) as server:
        found = [
            served.unpack("--manifest-sha256", "0" * 64),
            served.unpack("--manifest", other),
            *(served.unpack(url=f"{server.url}/{name}") for name in "xyz"),
        ]
    assert ([7, 7, 7, 7, 6], []) == (
        [run.code for run in found],
        leftovers(served.root / "opt"),
    )
    assert "no bill at its end" in found[3].output
    assert "404" in found[4].output
    own = ("--manifest", served.packed.plan.manifest)
    right = ("--manifest-sha256", served.packed.manifest_sha256.hex)
    assert 0 == served.unpack(*own, *right).code


def test_a_server_without_ranges_is_read_whole(served: Served) -> None:
    """Into a file beside the prefix, of which nothing is left."""
    with serve_ranges(dict(served.server.files), knows_ranges=False) as server:
        found = served.unpack(url=f"{server.url}/env.tar.zst")
    assert (0, ["env"]) == (found.code, [path.name for path in (served.root / "opt").iterdir()])
    assert () == tuple(verified(served.root / "opt/env"))
