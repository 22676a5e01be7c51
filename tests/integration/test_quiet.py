"""What every command says on standard error: with -q nothing but errors, else a line a phase."""

import json
import re
import subprocess
import sys
from pathlib import Path

from lading.cli.app import COMMANDS
from simulators.channel import CANONICAL, ChannelSimulator, File, Package
from simulators.command import PROGRAM, child_environment, lading

LOCK = "locks/x/linux-64.conda-lock.yml"
TARBALL = "dist/x-linux-64.tar.zst"
BILL = "dist/x-linux-64.manifest.json"
IMAGE = "dist/x-linux-64.sqsh"

STEPS = (
    f"bootstrap --dry-run --sha256 {'0' * 64}",
    "lock environment.yml",
    "list x",
    "tree",
    "graph",
    "why tool",
    "outdated x",
    "export x",
    "diff LOCK LOCK",
    "merge-lock LOCK LOCK LOCK LOCK",
    "fetch x",
    "mirror x mirrored",
    "install x",
    "pack x",
    "info",
    "manifest TARBALL",
    "verify TARBALL",
    "preflight TARBALL",
    "unpack TARBALL env",
    "verify env",
    "relocate env",
    "shell-hook env",
    "run env -- true",
    "unpack TARBALL name --store store",
    "rollback name",
    "fetch-frames --store other BILL BILL TARBALL",
    "gc --store store",
    "adopt LOCK -n y",
    "mount IMAGE",
    "umount place",
    "clean --frames",
)
"""In this order each does what it is for, but `rollback`, `mount` and `umount`, which fail."""

FAILING = ("rollback", "mount", "umount")

WITH_PHASES = ("lock", "merge-lock", "fetch", "pack", "unpack", "verify")


def make_project(root: Path) -> None:
    """A project that can be locked from a channel on this disk."""
    channel = ChannelSimulator(root / "channel")
    channel.add(Package(name="tool", files={"share/tool": File(b"tool")}))
    channel.write_repodata()
    source = f"name: x\nchannels: [{CANONICAL}]\nplatforms: [linux-64]\ndependencies: [tool]\n"
    (root / "environment.yml").write_text(source)
    (root / "lading.toml").write_text(f"[mirrors]\n{json.dumps(CANONICAL)} = [{channel.url!r}]\n")


def words_of(step: str) -> list[str]:
    """The arguments of a step."""
    names = {"LOCK": LOCK, "TARBALL": TARBALL, "BILL": BILL, "IMAGE": IMAGE}
    return [names.get(word, word) for word in step.split()]


def test_quiet(tmp_path: Path) -> None:
    """No command says anything with -q but why it failed."""
    make_project(tmp_path)
    assert set(COMMANDS) == {step.split()[0] for step in STEPS}
    for step in STEPS:
        done = lading(["-q", *words_of(step)], tmp_path)
        fails = step.split()[0] in FAILING
        assert fails is bool(done.code), f"{step}: {done}"
        assert fails or not done.stderr, f"{step}: {done.stderr}"
        assert not fails or done.is_plain_error, f"{step}: {done.stderr}"
        assert all(
            line.startswith(("error: ", "hint: ", "  ")) for line in done.stderr.splitlines()
        )


def test_a_line_a_phase(tmp_path: Path) -> None:
    """Off a terminal each phase is told with its size and time; standard output is for results."""
    make_project(tmp_path)
    told = {}
    for step in STEPS[: STEPS.index("relocate env")]:
        command = step.split()[0]
        if command not in WITH_PHASES:
            continue
        done = lading(words_of(step), tmp_path)
        assert 0 == done.code, done.stderr
        told[command] = re.findall(r"(?m)^(\S+) +(.*)  \d+\.\d s$", done.stderr)
    assert [("solve", "linux-64")] == told["lock"] == told["merge-lock"]
    assert [("fetch", "1 file")] == told["fetch"]
    # An archive that lies there for two seconds unchanged is not looked at again.
    assert ["transcode", "pack"] == [name for name, _ in told["pack"] if name != "fetch"]
    [(_, size)] = told["unpack"]
    [(verb, paths)] = told["verify"]
    assert re.fullmatch(r"\d+ files, \d+ MB", size)
    assert ("verify", size.split(",")[0]) == (verb, paths)
    stored = lading(words_of("unpack TARBALL name --store store"), tmp_path)
    lines = re.findall(r"(?m)^(\S+) +\d+ (.*)  \d+\.\d s$", stored.stderr)
    assert [("unpack", "frames"), ("place", "files")] == lines
    with (tmp_path / TARBALL).open("rb") as stream:
        piped = subprocess.run(
            [sys.executable, "-c", PROGRAM, "unpack", "-", "piped"],
            cwd=tmp_path,
            env=child_environment(tmp_path),
            stdin=stream,
            capture_output=True,
            text=True,
            check=True,
        )
    assert ["copy       1 MB", "unpack"] == [
        piped.stderr.splitlines()[0].rpartition("  ")[0],
        piped.stderr.splitlines()[1].split()[0],
    ]
    assert f"{tmp_path / 'piped'}\n" == piped.stdout
