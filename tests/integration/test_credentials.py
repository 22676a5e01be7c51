"""Channels behind a password or a token: they are read, and the secret is written nowhere."""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulators.command import lading, start
from simulators.engines import small_channel
from simulators.guarded import (
    SECRET,
    TokenGuarded,
    guarded,
    leaks_of,
    places,
    project_of,
)

MICROMAMBA = os.environ.get("LADING_MICROMAMBA") or shutil.which("micromamba") or ""


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[str]:
    """The URL of a guarded channel."""
    with guarded(small_channel(tmp_path / "served" / "channel")) as url:
        yield url


@pytest.mark.parametrize(
    "way",
    [
        "source password",
        "source token",
        "source token below a path",
        "source variable",
        "netrc",
        "condarc",
        "auth token",
        "auth password",
    ],
)
def test_lock(channel: str, tmp_path: Path, way: str) -> None:
    """The channel is read, and what is locked has the plain URL."""
    project, home = tmp_path / "project", tmp_path / "home"
    project.mkdir()
    home.mkdir()
    written, variables = places(channel, home, way)
    source = f"name: x\nchannels: ['{written}']\ndependencies: [library]\n"
    (project / "environment.yml").write_text(source)
    environment = {"HOME": str(home), **variables}
    arguments = ["-v", "lock", "-p", "linux-64"]
    outcome = lading(arguments, project, environment)
    assert outcome.code == 0, outcome.stderr
    text = (project / "locks/x/linux-64.conda-lock.yml").read_text()
    assert f"url: {channel}/linux-64/library-2.0-0.tar.bz2" in text
    checked = lading(["-v", "lock", "--check"], project, environment)
    assert checked.code == 0, checked.stdout
    assert leaks_of(project, [outcome, checked]) == []


def test_install_and_pack(channel: str, tmp_path: Path) -> None:
    """A tarball of guarded packages holds the plain URLs."""
    project, home = tmp_path / "project", tmp_path / "home"
    project.mkdir()
    home.mkdir()
    written, variables = places(channel, home, "netrc")
    source = f"name: x\nchannels: ['{written}']\ndependencies: [library]\n"
    (project / "environment.yml").write_text(source)
    outcomes = []
    for command in (["lock", "-p", "linux-64"], ["install", "x"], ["pack", "x", "--format", "tar"]):
        outcomes.append(lading(["-v", *command], project, {"HOME": str(home), **variables}))
        assert outcomes[-1].code == 0, outcomes[-1].stderr
    assert leaks_of(project, outcomes) == []


@pytest.mark.micromamba
@pytest.mark.skipif(not MICROMAMBA, reason="there is no micromamba on this machine")
@pytest.mark.parametrize("way", ["source password", "source token"])
def test_micromamba(channel: str, tmp_path: Path, way: str) -> None:
    """The other engine writes it nowhere either."""
    project = tmp_path / "project"
    project.mkdir()
    written, _ = places(channel, tmp_path, way)
    source = f"name: x\nchannels: ['{written}']\ndependencies: [library]\n"
    (project / "environment.yml").write_text(source)
    variables = {"LADING_ENGINE": "micromamba", "LADING_MICROMAMBA": MICROMAMBA}
    outcome = lading(["-v", "lock", "-p", "linux-64"], project, variables)
    assert outcome.code == 0, outcome.stderr
    assert leaks_of(project, [outcome]) == []


@pytest.mark.parametrize("way", ["source password", "source token"])
def test_refused(channel: str, tmp_path: Path, way: str) -> None:
    """A wrong secret is told without the secret."""
    written, _ = places(channel, tmp_path, way)
    wrong = written.replace(SECRET, f"{SECRET}-of-yesterday")
    source = f"name: x\nchannels: ['{wrong}']\ndependencies: [library]\n"
    (tmp_path / "project").mkdir()
    (tmp_path / "project/environment.yml").write_text(source)
    outcome = lading(["-v", "lock", "-p", "linux-64"], tmp_path / "project")
    assert outcome.code == 6
    assert outcome.is_plain_error
    assert leaks_of(tmp_path / "project", [outcome]) == []


def test_unset_variable(channel: str, tmp_path: Path) -> None:
    """A variable that is not set is named."""
    written, _ = places(channel, tmp_path, "source variable")
    source = f"name: x\nchannels: ['{written}']\ndependencies: [library]\n"
    (tmp_path / "environment.yml").write_text(source)
    outcome = lading(["lock", "-p", "linux-64"], tmp_path)
    assert outcome.code == 3
    assert "PASSWORD, which is not set" in outcome.stderr


@pytest.mark.parametrize(
    "line",
    [
        "channels: ['https://someone:pass/{secret}@host.invalid/chan']",
        "channels: ['https://someone:pass#{secret}@host.invalid/chan']",
        "channels: ['https://someone:pass {secret}@host.invalid/chan']",
        "channels: ['https://[someone:{secret}@host.invalid/chan']",
        "dependencies: [{{pip: ['--extra-index-url https://someone:{secret}@host.invalid/x']}}]",
        "dependencies: [{{pip: ['--index-url=https://someone:{secret}@host.invalid/x']}}]",
        "dependencies: [{{pip: ['-f https://host.invalid/t/{secret}/x']}}]",
        "dependencies: [{{pip: ['x @ https://someone:{secret}@host.invalid/x.zip']}}]",
        "dependencies: ['https://someone:{secret}@host.invalid/chan::library']",
    ],
)
def test_a_source_that_is_refused(tmp_path: Path, line: str) -> None:
    """What cannot be read, or not be used, is refused and not repeated."""
    lines = ["name: x", "channels: [x]", "dependencies: [library, python]"]
    written = line.format(secret=SECRET)
    lines = [written if item.split(":")[0] == written.split(":")[0] else item for item in lines]
    project = project_of(tmp_path, "\n".join(lines) + "\n")
    (project / "lading.toml").write_text('[mirrors]\n"https://conda.anaconda.org/x" = ["none"]\n')
    outcomes = [
        lading([*options, "lock", "-p", "linux-64"], project)
        for options in ([], ["-v"], ["--json"])
    ]
    assert all(item.code in {3, 4, 6} and item.is_plain_error for item in outcomes), outcomes
    assert leaks_of(project, outcomes) == []


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="there is no /proc")
@pytest.mark.parametrize("engine", ["embedded", "micromamba"])
@pytest.mark.parametrize("way", ["source password", "source token"])
def test_arguments_of_children(channel: str, tmp_path: Path, way: str, engine: str) -> None:
    """What everybody on the machine can see of a running process holds no secret."""
    if engine == "micromamba" and not MICROMAMBA:
        pytest.skip("there is no micromamba on this machine")
    written, _ = places(channel, tmp_path, way)
    source = f"name: x\nchannels: ['{written}']\ndependencies: ['{written}::library']\n"
    project = project_of(tmp_path, source)
    variables = {"LADING_ENGINE": engine, "LADING_MICROMAMBA": MICROMAMBA}
    seen = set()
    with start(["lock", "-p", "linux-64"], project, variables) as child:
        while child.poll() is None:
            seen |= _arguments(child.pid)
        output = "".join(child.communicate())
    assert child.returncode == 0, output
    assert [] == [line for line in seen if SECRET.encode() in line]
    assert SECRET not in output
    assert engine == "embedded" or any(b"--dry-run" in line for line in seen)


def _arguments(root: int) -> set[bytes]:
    """The arguments of a process and of all that it started; other tests run beside this one."""
    parents, lines = {}, {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            # What follows the name, which may hold anything: state, parent (proc_pid_stat(5)).
            parents[int(path.name)] = int(
                (path / "stat").read_bytes().rpartition(b")")[2].split()[1]
            )
            lines[int(path.name)] = (path / "cmdline").read_bytes()
    family = {root}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return {lines[pid] for pid in family if pid in lines}


class _Slow(TokenGuarded):
    """Answers for one subdir, and for the other one not in time."""

    def do_GET(self) -> None:  # noqa: N802  # likewise
        """Wait before the packages of linux-64 are sent."""
        if "/linux-64/" in self.path:
            time.sleep(20)
        super().do_GET()


def test_a_killed_run(tmp_path: Path) -> None:
    """What it kept of a channel with a secret is private, and the next run removes it."""
    simulator = small_channel(tmp_path / "served" / "channel")
    project = tmp_path / "project"
    project.mkdir()
    source = "name: x\nchannels: ['{}']\ndependencies: [library]\n"
    command = ["lock", "-p", "linux-64"]
    with guarded(simulator, _Slow) as url:
        written, _ = places(url, tmp_path, "source token")
        (project / "environment.yml").write_text(source.format(written))
        with start(command, project) as child:
            deadline = time.monotonic() + 15
            while not leaks_of(project, []) and time.monotonic() < deadline:
                time.sleep(0.1)
            child.kill()
            child.communicate()
        leaks = leaks_of(project, [])
        assert leaks
        for leak in leaks:
            hidden = next(path for path in Path(leak).parents if ".lading-" in path.name)
            assert 0o700 == hidden.stat().st_mode & 0o777
    (project / "environment.yml").write_text(source.format(simulator.url))
    again = lading(command, project)
    assert (0, []) == (again.code, leaks_of(project, [again])), again
