"""`lading lock` as a user runs it: what it targets, what would move, what overwrites what."""

import json
import os
import pty
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulators.channel import ChannelSimulator, Package
from simulators.command import lading, listing, start
from simulators.engine_project import ENGINES, engine_variables
from simulators.rangeserver import serve_ranges
from simulators.webserver import serve_directory
from simulators.wheel_index import WheelIndex

engines = pytest.mark.parametrize("engine", ENGINES)


@pytest.fixture
def channel(tmp_path: Path) -> ChannelSimulator:
    """A channel with packages that need virtual ones, and with a framework for python."""
    channel = ChannelSimulator(tmp_path / "channel")
    for subdir in ("linux-64", "linux-aarch64"):
        channel.add(Package(name="python", version="3.12.1", build="h0_0", subdir=subdir))
        channel.add(Package(name="modest", depends=("__glibc >=2.17",), subdir=subdir))
        channel.add(Package(name="modern", depends=("__glibc >=2.34",), subdir=subdir))
        channel.add(Package(name="graphics", depends=("__cuda >=12",), subdir=subdir))
    channel.add(Package(name="pip", noarch="python", depends=("python",)))
    channel.add(
        Package(
            name="framework",
            noarch="python",
            depends=("python",),
            files={"site-packages/framework/shared.py": b""},
        )
    )
    channel.write_repodata()
    return channel


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty project."""
    path = tmp_path / "project"
    path.mkdir()
    return path


def write(project: Path, channel: ChannelSimulator, *dependencies: str) -> None:
    """Write the environment file."""
    (project / "environment.yml").write_text(
        f"name: x\nchannels: ['{channel.url}']\ndependencies: [{', '.join(dependencies)}]\n"
    )


def targeted(project: Path, platform: str = "linux-64") -> set[str]:
    """What the lock says that it was solved for."""
    text = (project / f"locks/x/{platform}.conda-lock.yml").read_text()
    return set(re.search(r"lading-virtual-packages: (.*)", text)[1].split())


LOCK_BOTH = ["lock", "-p", "linux-64", "-p", "linux-aarch64"]
SPEC_FILE = """\
subdirs:
  linux-64:
    packages:
      __glibc: "2.34"
      __archspec: "1 x86_64_v3"
"""


def test_no_cuda_unless_asked_for(project: Path, channel: ChannelSimulator) -> None:
    """The defaults hold no `__cuda`."""
    write(project, channel, "modest")
    assert lading(["lock", "-p", "linux-64"], project).code == 0
    assert {"__archspec=1=x86_64", "__glibc=2.28=0", "__linux=5.10=0", "__unix=0=0"} == targeted(
        project
    )


@engines
def test_a_file_of_conda_lock_beside_the_source(
    project: Path, channel: ChannelSimulator, engine: str
) -> None:
    """It is found, and holds for the platform that it names alone."""
    write(project, channel, "modest")
    (project / "virtual-packages.yml").write_text(SPEC_FILE)
    done = lading(LOCK_BOTH, project, engine_variables(engine))
    assert done.code == 0, done.stderr
    assert {"__glibc=2.34=0", "__archspec=1=x86_64_v3"} <= targeted(project)
    assert {"__glibc=2.28=0", "__archspec=1=aarch64"} <= targeted(project, "linux-aarch64")
    assert lading(["lock", "--check"], project).code == 0
    (project / "virtual-packages.yml").unlink()
    stale = lading(["lock", "--check"], project)
    assert (stale.code, "__glibc: asked for is 2.28, the lock targets 2.34" in stale.stdout) == (
        1,
        True,
    )


def test_who_says_most(project: Path, channel: ChannelSimulator) -> None:
    """The file named, then the configuration, then the file beside."""
    write(project, channel, "modest")
    (project / "virtual-packages.yaml").write_text(SPEC_FILE)
    (project / "lading.toml").write_text(
        '[environments.x.virtual-packages]\nglibc = "2.31"\nlinux = "6.1"\n'
        '[environments.x.virtual-packages.linux-aarch64]\nglibc = "2.35"\n'
    )
    assert lading(LOCK_BOTH, project).code == 0
    assert {"__glibc=2.31=0", "__archspec=1=x86_64_v3", "__linux=6.1=0"} <= targeted(project)
    assert {"__glibc=2.35=0", "__linux=6.1=0"} <= targeted(project, "linux-aarch64")
    (project / "other.yml").write_text(SPEC_FILE.replace("2.34", "2.17"))
    option = ("--virtual-package-spec", "other.yml")
    assert lading([*LOCK_BOTH, *option], project).code == 0
    assert "__glibc=2.17=0" in targeted(project)
    assert lading(["lock", "--check", *option], project).code == 0
    assert lading(["lock", "--check"], project).code == 1


def test_a_wrong_file_of_virtual_packages(project: Path, channel: ChannelSimulator) -> None:
    """What is wrong with it is told, whether it was named or found."""
    write(project, channel, "modest")
    (project / "virtual-packages.yml").write_text("subdirs: {linux-65: {packages: {}}}")
    found = lading(["lock", "-p", "linux-64"], project)
    assert (found.code, found.is_plain_error, "linux-65" in found.stderr) == (3, True, True)
    named = lading(["lock", "-p", "linux-64", "--virtual-package-spec", "none.yml"], project)
    assert (named.code, named.is_plain_error, "none.yml" in named.stderr) == (3, True, True)


@engines
@pytest.mark.parametrize(
    ("package", "words"),
    [
        ("modern", "modern 1.0 requires __glibc >=2.34; the lock targets 2.28"),
        ("graphics", "graphics 1.0 requires __cuda >=12; the lock targets no __cuda"),
    ],
)
def test_more_than_the_lock_targets(
    project: Path, channel: ChannelSimulator, engine: str, package: str, words: str
) -> None:
    """What requires more is named; where the lock targets that, there is a solution."""
    write(project, channel, package)
    done = lading(["lock", "-p", "linux-64"], project, engine_variables(engine))
    assert (done.code, done.is_plain_error) == (4, True), done.stderr
    assert words in done.error_lines[0]
    (project / "lading.toml").write_text(
        '[environments.x.virtual-packages]\nglibc = "2.34"\ncuda = "12.4"\n'
    )
    done = lading(["lock", "-p", "linux-64"], project, engine_variables(engine))
    assert done.code == 0, done.stderr
    assert {"__glibc=2.34=0", "__cuda=12.4=0"} <= targeted(project)


def test_a_dry_run(project: Path, channel: ChannelSimulator) -> None:
    """What would move is told with its reason, and nothing is written."""
    write(project, channel, "modest")
    first = lading(["lock", "-p", "linux-64", "--dry-run"], project)
    assert (first.code, (project / "locks").exists()) == (0, False)
    assert "linux-64: 1 conda and 0 pip packages, would be written" in first.stdout
    lading(["lock", "-p", "linux-64"], project)
    path = project / "locks/x/linux-64.conda-lock.yml"
    before, paths = path.read_bytes(), listing(project)
    unchanged = lading(["lock", "-p", "linux-64", "--dry-run"], project)
    assert "packages, unchanged" in unchanged.stdout
    channel.add(Package(name="modest", version="2.0", depends=("library",)))
    channel.add(Package(name="library"))
    channel.write_repodata()
    command = ["lock", "-p", "linux-64", "--dry-run", "--update", "modest"]
    told = lading(command, project)
    assert told.code == 0, told.stderr
    assert "  + library 1.0  (needed by modest 2.0)" in told.stdout
    assert "    modest 1.0 -> 2.0  (an update was asked for)" in told.stdout
    document = json.loads(lading([*command, "--json"], project).stdout)
    [platform] = document["platforms"]
    assert (True, True, ["library 1.0"]) == (
        document["dry_run"],
        platform["written"],
        platform["added"],
    )
    assert platform["seconds"] > 0
    assert (before, paths) == (path.read_bytes(), listing(project))


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """An index with a wheel that has a file of `framework`, one that brings it, and a good one."""
    wheels = WheelIndex(tmp_path / "index")
    wheels.add_wheel("plugin", "1.0", files={"framework/shared.py": b""})
    wheels.add_wheel("bundle", "1.0", requires=("plugin",))
    wheels.add_wheel("good", "1.0", files={"framework/other.py": b""})
    with serve_directory(wheels.root) as url:
        yield f"{url}/simple/"


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("plugin==1.0", "delete `- plugin==1.0` below `pip:` in environment.yml"),
        ("bundle", "delete `- bundle` below `pip:` in environment.yml, which brings plugin"),
    ],
)
def test_a_wheel_over_a_conda_package(
    project: Path, channel: ChannelSimulator, index: str, line: str, hint: str
) -> None:
    """It is refused with the file and the line to delete; the old lock stays."""
    command = ["lock", "-p", "linux-64", "--pip-index", index]
    write(project, channel, "framework", "{pip: [good]}")
    done = lading(command, project)
    assert (done.code, "not checked" in done.stderr) == (0, False), done.stderr
    before = (project / "locks/x/linux-64.conda-lock.yml").read_bytes()
    write(project, channel, "framework", f"{{pip: ['{line}']}}")
    for more in ([], ["--dry-run"]):
        refused = lading([*command, *more], project)
        assert (refused.code, refused.is_plain_error) == (3, True), refused.stderr
        path = "lib/python3.12/site-packages/framework/shared.py"
        assert f"plugin 1.0 overwrites {path} of the conda package framework 1.0" in refused.stderr
        assert f"hint: {hint}\n" in refused.stderr
    assert before == (project / "locks/x/linux-64.conda-lock.yml").read_bytes()


def test_what_could_not_be_compared(project: Path, channel: ChannelSimulator, index: str) -> None:
    """Archives that cannot be looked into are told in one line, and the lock is written."""
    files = {
        f"/{path.relative_to(channel.root)}": path.read_bytes()
        for path in channel.root.rglob("*.*")
        if path.name == "repodata.json"
    }
    write(project, channel, "framework", "{pip: [good]}")
    with serve_ranges(files) as server:
        (project / "lading.toml").write_text(f"[mirrors]\n'{channel.url}' = ['{server.url}']\n")
        done = lading(["lock", "-p", "linux-64", "--pip-index", index], project)
    assert done.code == 0, done.stderr
    [line] = [line for line in done.stderr.splitlines() if "not checked" in line]
    assert "HTTP status 404" in line
    assert "and 2 more" in line


def test_progress_of_each_platform(project: Path, channel: ChannelSimulator) -> None:
    """On a terminal each platform has a bar with the time that it takes."""
    write(project, channel, "modest")
    reader, writer = pty.openpty()
    with start(LOCK_BOTH, project, {"TERM": "xterm"}, errors=writer) as child:
        os.close(writer)
        shown = b""
        while piece := _read(reader):
            shown += piece
        child.communicate(timeout=60)
    os.close(reader)
    assert child.returncode == 0
    for platform in (b"linux-64", b"linux-aarch64"):
        assert re.search(platform + rb".{1,400}?1/1.{1,80}?0:00:0", shown, re.DOTALL)
    assert re.search(rb"linux-64: 1 conda and 0 pip packages, written, \d+\.\d s", shown)


def _read(descriptor: int) -> bytes:
    """What comes next from a terminal; empty at its end."""
    try:
        return os.read(descriptor, 4096)
    except OSError:
        # Linux has an error where other files have an end.
        return b""
