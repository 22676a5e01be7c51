"""Tarballs from a pipe, parts of them, and `lading clean`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lading.format.compression import Format
from lading.pack.packer import Packed
from simulators.command import Outcome, lading, listing
from simulators.launcher import Launcher
from simulators.store_node import package_of
from simulators.versions import (
    flip_bit,
    leftovers,
    small_disk,
    verified,
    versioned_tarball,
)

LIMIT_SECONDS = 60


def piped(packed: Packed, root: Path, *options: object, cut: str = "") -> Outcome:
    """What `cat TARBALL | lading unpack - PREFIX` did; its code is 141 where `cat` fell silent."""
    program = f'"{sys.executable}" -c "from lading.cli.app import main; main()"'
    words = " ".join(f'"{item}"' for item in options)
    pipeline = f'set -o pipefail; cat "$0" {cut} | {program} unpack {words} - place/prefix'
    done = subprocess.run(
        ["bash", "-c", pipeline, str(packed.plan.tarball)],
        cwd=root,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("format_", list(Format))
@pytest.mark.parametrize("has_manifest", [True, False])
def test_a_tarball_may_come_through_a_pipe(
    tmp_path: Path, format_: Format, *, has_manifest: bool
) -> None:
    """With its bill at hand, or inside."""
    packed = versioned_tarball(tmp_path / "tarballs", format_=format_)
    options = ["--manifest", packed.plan.manifest] if has_manifest else []
    outcome = piped(packed, tmp_path, *options)
    prefix = tmp_path / "place/prefix"
    assert (0, [], []) == (outcome.code, list(verified(prefix)), leftovers(tmp_path))


@pytest.mark.parametrize("has_manifest", [True, False])
@pytest.mark.parametrize("size", [0, 100, 5000, 8000])
def test_a_pipe_that_is_cut_off_is_refused(
    tmp_path: Path, size: int, *, has_manifest: bool
) -> None:
    """Exit code 7; neither prefix nor anything beside it is left."""
    packed = versioned_tarball(tmp_path / "tarballs")
    options = ["--manifest", packed.plan.manifest] if has_manifest else []
    before = listing(tmp_path)
    outcome = piped(packed, tmp_path, *options, cut=f"| head -c {size}")
    assert (7, True, before) == (outcome.code, outcome.is_plain_error, listing(tmp_path))


def test_a_pipe_with_no_room_for_it_is_told(tmp_path: Path) -> None:
    """Exit code 8: the pipe is kept as a file until its end has come."""
    packed = versioned_tarball(tmp_path / "tarballs")
    with small_disk(tmp_path / "disk", kilobytes=4):
        outcome = piped(packed, tmp_path / "disk")
        found = (outcome.code, outcome.is_plain_error, listing(tmp_path / "disk"))
    assert (8, True, []) == found


def test_one_package_is_unpacked(tmp_path: Path, launcher: Launcher) -> None:
    """Its files, relocated, and nothing else."""
    packed = versioned_tarball(tmp_path / "tarballs")
    launcher.run("unpack", "--only", "tool", packed.plan.tarball, tmp_path / "p")
    assert (
        ["bin", "bin/tool", "share", "share/tool", "share/tool/version"],
        f"#!/bin/sh\necho {tmp_path}/p/share 1\n",
    ) == (listing(tmp_path / "p"), (tmp_path / "p/bin/tool").read_text())


def test_several_packages_are_unpacked(tmp_path: Path, launcher: Launcher) -> None:
    """Each that is named."""
    packed = versioned_tarball(tmp_path / "tarballs")
    options = ["--only", "tool", "--only", "zother"]
    launcher.run("unpack", *options, packed.plan.tarball, tmp_path / "p")
    assert ["bin", "share", "share/other", "share/tool"] == [
        path for path in listing(tmp_path / "p") if (tmp_path / "p" / path).is_dir()
    ]


def test_one_package_is_read_alone(tmp_path: Path, launcher: Launcher) -> None:
    """Damage elsewhere in the tarball does not matter to it."""
    packed = versioned_tarball(tmp_path / "tarballs")
    frame = package_of(packed, "zother").frames[0]
    damaged = flip_bit(packed.plan.tarball.read_bytes(), 8 * (frame.offset + 30))
    packed.plan.tarball.write_bytes(damaged)
    codes = [
        launcher.run("unpack", "--only", name, packed.plan.tarball, tmp_path / name).code
        for name in ("tool", "zother")
    ]
    assert [0, 7] == codes


def test_an_unknown_package_is_told(tmp_path: Path) -> None:
    """Exit code 2, and nothing is written."""
    packed = versioned_tarball(tmp_path / "tarballs")
    outcome = lading(["unpack", "--only", "none", packed.plan.tarball, "p"], tmp_path)
    assert (2, True, False) == (outcome.code, outcome.is_plain_error, (tmp_path / "p").exists())


@pytest.mark.parametrize("is_there", [True, False])
def test_a_pipe_is_read_to_its_end(tmp_path: Path, *, is_there: bool) -> None:
    """What nobody needs is read too, so that the program that writes into the pipe ends well."""
    packed = versioned_tarball(tmp_path / "tarballs")
    options = ["--manifest", packed.plan.manifest, "--store", "store"]
    if is_there:
        assert 0 == piped(packed, tmp_path, *options).code
    else:
        options.append("--dry-run")
    found = piped(packed, tmp_path, *options)
    assert 0 == found.code
    # What follows the tarball is read, and refused.
    more = "| { cat; head -c 1000000 /dev/zero; }"
    assert 7 == piped(packed, tmp_path, *options, cut=more).code


def test_cleaning_removes_frames(tmp_path: Path, launcher: Launcher) -> None:
    """And says how much; other caches stay."""
    for name in ("frames/ab/abc.frames", "bytecode/x", "pkgs/x", "wheels/x"):
        path = tmp_path / ".lading" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(2_000_000))
    run = launcher.run("-C", tmp_path, "clean", "--frames")
    left = sorted(path.parent.name for path in tmp_path.rglob("*") if path.is_file())
    assert (0, "removed 2.0 MB of frames\n", ["bytecode", "pkgs", "wheels"]) == (
        run.code,
        run.output,
        left,
    )


def test_cleaning_what_is_not_there_is_no_error(tmp_path: Path, launcher: Launcher) -> None:
    """A fresh project has no caches."""
    run = launcher.run("-C", tmp_path, "clean", "--frames", "--bytecode", "--packages")
    assert (0, "removed 0.0 MB of frames\n") == (run.code, run.output)


def test_cleaning_nothing_is_told(tmp_path: Path) -> None:
    """Exit code 2."""
    outcome = lading(["clean"], tmp_path)
    assert (2, True) == (outcome.code, outcome.is_plain_error)
