"""The reader of `docs/reference/`, written from the description of the format, against ours."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lading.format.compression import Format
from lading.pack.packer import Packed
from simulators.handmade import file, link, pack, payload, snapshot
from simulators.versions import contents_of, flip_bit

READER = Path(__file__).parents[2] / "docs/reference/read_tarball.py"
MOST_LINES = 150


def read(*arguments: object) -> "subprocess.CompletedProcess[str]":
    """What the reader did."""
    return subprocess.run(
        [sys.executable, READER, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONUTF8": "1"},
    )


@pytest.fixture(scope="module", params=list(Format))
def packed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Packed:
    """A tarball with a member that several frames hold, and with odd names."""
    large = b"".join(number.to_bytes(4) * 400 for number in range(12_000))
    files = (
        file("bin/run", b"#!/bin/sh\n", executable=True),
        file("lib/large", large),
        file("lib/zlast", b"behind"),
        file("share/" + "n" * 120, b"long"),
        file("share/üñí", b""),
        link("bin/there", "run"),
    )
    others = payload(file("a", b"x" * 1000), name="other")
    directory = tmp_path_factory.mktemp("tarball")
    return pack(directory, payload(*files), others, format_=request.param)


def test_it_is_short() -> None:
    """So that it is read."""
    assert len(READER.read_text("utf-8").splitlines()) <= MOST_LINES


def test_it_lists_what_we_list(packed: Packed) -> None:
    """Every member in the order of the archive."""
    contents = contents_of(packed)
    expected = [f"{item.mode} {item.size} {item.path}" for item in contents.files]
    assert 2 < len(contents.packages[0].slices)
    assert expected == read("list", packed.plan.tarball).stdout.splitlines()


def test_it_extracts_what_tar_extracts(packed: Packed, tmp_path: Path) -> None:
    """Members as shipped, lists and bill."""
    done = read("extract", packed.plan.tarball, tmp_path / "ours")
    assert (0, "") == (done.returncode, done.stderr)
    (tmp_path / "theirs").mkdir()
    subprocess.run(
        ["tar", "-xf", packed.plan.tarball, "-C", tmp_path / "theirs"],
        check=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert snapshot(tmp_path / "theirs") == snapshot(tmp_path / "ours")
    bill = tmp_path / "ours/conda-meta/lading/manifest.json"
    assert packed.plan.manifest.read_bytes() == bill.read_bytes()
    assert 2 == json.loads(bill.read_bytes())["version"]


def test_it_refuses_what_we_refuse(packed: Packed, tmp_path: Path) -> None:
    """Damage in a frame, in a list, and in the bill."""
    data = packed.plan.tarball.read_bytes()
    last = packed.manifest.packages[-1].listed
    places = (50, last.offset + 30, last.offset + last.length + 200)
    path = tmp_path / "damaged"
    codes = []
    for place in places:
        path.write_bytes(flip_bit(data, 8 * place + 1))
        codes.append(read("verify", path).returncode)
    assert (0, [1, 1, 1]) == (read("verify", packed.plan.tarball).returncode, codes)
