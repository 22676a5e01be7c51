"""`lading.lock.solve`: from sources to lockfiles."""

import os
from pathlib import Path

import pytest

from lading.conda.names import Platform
from lading.engine.embedded import EmbeddedEngine
from lading.errors import FetchError, LadingError, LockError, SolveError, SpecError, UsageError
from lading.lock.diff import LockDiff
from lading.lock.request import LockOutcome
from lading.lock.solve import apply_lock, plan_lock, read_lock_inputs, solve_lock
from simulators.channel import CANONICAL, ChannelSimulator, Package
from simulators.engines import small_channel
from simulators.locking import LockProject
from simulators.webserver import Answer, serve

BOTH = (Platform.LINUX_64, Platform.OSX_ARM64)


@pytest.fixture
def channel(tmp_path: Path) -> ChannelSimulator:
    """The small channel, with a Python and a library for a second platform."""
    channel = small_channel(tmp_path / "channel")
    channel.add(Package(name="library", version="2.0", subdir="osx-arm64"))
    channel.write_repodata()
    return channel


@pytest.fixture
def project(tmp_path: Path, channel: ChannelSimulator) -> LockProject:
    """A project that asks for `library`."""
    project = LockProject(tmp_path / "project", channel.url)
    project.write("library")
    return project


def _versions(outcome: LockOutcome) -> dict[str, str]:
    return {item.name: item.version for item in outcome.platforms[0].lockfile.packages}


def _files(project: LockProject) -> list[str]:
    return sorted(path.name for path in project.locks.rglob("*") if path.is_file())


def test_first_lock(project: LockProject) -> None:
    """One lockfile a platform, with canonical URLs, for everyone to read under any umask."""
    before = os.umask(0o077)
    try:
        outcome = project.lock(platforms=BOTH)
    finally:
        os.umask(before)
    assert _files(project) == ["linux-64.conda-lock.yml", "osx-arm64.conda-lock.yml"]
    assert list(BOTH) == [item.platform for item in outcome.platforms]
    assert outcome.platforms[0].written
    for item in outcome.platforms:
        assert [package.name for package in item.diff.added] == ["library"]
        assert all(package.url.startswith(CANONICAL) for package in item.lockfile.packages)
        assert item.lockfile.sources == ("../../environment.yml",)
        assert item.path.stat().st_mode & 0o777 == 0o644


def test_again(project: LockProject, tmp_path: Path) -> None:
    """Locking again, elsewhere or for more platforms gives the same bytes; nothing is touched."""
    first = project.lock().platforms[0]
    stamp = first.path.stat().st_mtime_ns
    again = project.lock()
    assert not again.platforms[0].written
    assert again.platforms[0].diff == LockDiff()
    assert stamp == first.path.stat().st_mtime_ns
    other = LockProject(tmp_path / "elsewhere" / "deep", project.location)
    other.write("library")
    data = first.path.read_bytes()
    assert data == other.lock().platforms[0].path.read_bytes()
    assert data == project.lock(platforms=BOTH).platforms[0].path.read_bytes()


def test_pins_are_kept(project: LockProject, channel: ChannelSimulator) -> None:
    """A new version in the channel moves nothing, unless it is asked to."""
    project.write("tool")
    assert _versions(project.lock())["library"] == "2.0"
    channel.add(Package(name="library", version="3.0"))
    channel.add(Package(name="python", version="3.12.9"))
    channel.write_repodata()
    assert not project.lock().platforms[0].written
    moved = project.lock(update=frozenset({"library"}))
    assert [(item.name, item.before, item.after) for item in moved.platforms[0].diff.changed] == [
        ("library", "2.0", "3.0")
    ]
    assert _versions(moved)["python"] == "3.12.1"
    assert _versions(project.lock(update_all=True))["python"] == "3.12.9"


def test_changed_source_moves_what_it_must(project: LockProject) -> None:
    """A constraint that a pin does not satisfy moves this pin; what is not needed goes."""
    project.lock()
    project.write("old")
    outcome = project.lock()
    assert _versions(outcome) == {"library": "1.0", "old": "1.0"}
    project.write("python")
    assert _versions(project.lock()) == {"python": "3.12.1"}


def test_unknown_update(project: LockProject) -> None:
    """Only what is locked can be updated."""
    project.lock()
    with pytest.raises(UsageError, match="cannot update numpy"):
        project.lock(update=frozenset({"numpy"}))


def test_broken_lockfile_is_made_again(
    project: LockProject, caplog: pytest.LogCaptureFixture
) -> None:
    """A lockfile that cannot be read keeps no pin, with a warning."""
    path = project.lock().platforms[0].path
    data = path.read_bytes()
    path.write_bytes(b"\n<<<<<<< ours\n")
    assert project.lock().platforms[0].written
    assert data == path.read_bytes()
    assert "no pin is kept" in caplog.text


def test_variables_and_virtual_packages(project: LockProject) -> None:
    """What lading needs at install time is kept."""
    project.write("library", head="variables: {LEVEL: 3}")
    targeted = {Platform.LINUX_64: {"glibc": "2.17", "cuda": "12.4"}}
    outcome = project.lock(virtual_packages=targeted)
    metadata = outcome.platforms[0].lockfile.metadata
    assert metadata["lading-variable-LEVEL"] == "3"
    assert "__cuda=12.4=0" in metadata["lading-virtual-packages"]
    assert "__glibc=2.17=0" in metadata["lading-virtual-packages"]


def test_record_without_md5(project: LockProject, channel: ChannelSimulator) -> None:
    """A record that the format cannot hold is named."""
    channel.edit("library-2.0-0.tar.bz2", md5=None)
    channel.write_repodata()
    with pytest.raises(LockError, match=r"linux-64: .*md5 of library-2\.0-0"):
        project.lock()
    assert _files(project) == []


class TestFailure:
    """Whatever fails, no lockfile is written, and the old ones stay as they are."""

    @pytest.fixture
    def before(self, project: LockProject) -> dict[Path, bytes]:
        """The lockfiles of a lock that succeeded."""
        project.lock(platforms=BOTH)
        return self._state(project)

    @staticmethod
    def _state(project: LockProject) -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in project.locks.rglob("*") if path.is_file()}

    def _fails(
        self, project: LockProject, before: dict[Path, bytes], kind: type[LadingError]
    ) -> LadingError:
        with pytest.raises(kind) as caught:
            project.lock(platforms=BOTH, engine=EmbeddedEngine(project.root / "fresh"))
        assert before == self._state(project)
        return caught.value

    @pytest.mark.parametrize(
        "text",
        [
            None,
            "",
            "- a\n- list\n",
            "channels: [a]\ndependencies: [a]\nchanels: [b]\n",
            "channels: [a]\ndependencies: ['a b c d']\n",
            "channels: [a]\ndependencies: [a]\nname: [x\n",
        ],
        ids=["missing", "empty", "list", "unknown-key", "bad-spec", "bad-yaml"],
    )
    def test_source(
        self, project: LockProject, before: dict[Path, bytes], text: str | None
    ) -> None:
        """A wrong source ends with exit code 3 and the file's name."""
        if text is None:
            project.source.unlink()
        else:
            project.source.write_text(text)
        error = self._fails(project, before, SpecError)
        assert error.exit_code == 3
        assert str(project.source) in str(error)

    @pytest.mark.parametrize("specs", [["absent"], ["library <1"], ["old", "library >=2"]])
    def test_no_solution(
        self, project: LockProject, before: dict[Path, bytes], specs: list[str]
    ) -> None:
        """No solution ends with exit code 4, the platforms' names and an explanation."""
        project.write(*specs)
        error = self._fails(project, before, SolveError)
        assert "linux-64" in str(error)
        assert error.details or "no package is named absent" in str(error)

    def test_no_solution_for_one_platform(self, project: LockProject) -> None:
        """One platform without solution is enough: the other one is not written either."""
        project.write("python")
        error = self._fails(project, {}, SolveError)
        assert str(error).startswith("osx-arm64: ")

    @pytest.mark.parametrize(
        "answer",
        [
            None,
            Answer(b"", status=404),
            Answer(b"<!DOCTYPE html><title>Log in</title>", "text/html"),
        ],
        ids=["refused", "404", "html"],
    )
    def test_unreachable(
        self,
        project: LockProject,
        before: dict[Path, bytes],
        answer: Answer | None,
    ) -> None:
        """A channel that cannot be read ends with exit code 6."""
        with serve({"*": answer} if answer else {}) as url:
            location = url if answer else "http://127.0.0.1:9/channel"
            error = self._fails(LockProject(project.root, location), before, FetchError)
        assert CANONICAL in str(error)
        assert error.hint


def test_directory_that_cannot_be_written(project: LockProject) -> None:
    """A directory in the way is told, and no temporary file stays."""
    project.locks.write_text("a file stands there")
    with pytest.raises(LockError, match="cannot write"):
        project.lock()
    assert sorted(path.name for path in project.root.iterdir() if path.name != ".lading") == [
        "environment.yml",
        "locks",
    ]


def test_nothing_is_written_before_apply(project: LockProject) -> None:
    """Solving alone writes nothing: a dry run."""
    request = project.request()
    plan = plan_lock(request, read_lock_inputs(request))
    told: list[tuple[str, int, int]] = []
    engine = EmbeddedEngine(project.root / ".lading" / "e")
    solved = solve_lock(plan, engine, lambda *words: told.append(words))
    assert _files(project) == []
    assert told == [("linux-64", 0, 1), ("linux-64", 1, 1)]
    assert apply_lock(solved).platforms[0].written
