"""`lading.engine.micromamba`: how the executable is found, called and understood.

What real executables print stands in `tests/conformance/test_micromamba.py`.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lading.conda.names import Platform
from lading.conda.records import RepodataRecord
from lading.conda.virtual import VirtualPackage
from lading.engine.micromamba import MicromambaEngine
from lading.engine.micromamba_executable import find_micromamba, read_version
from lading.errors import (
    DigestMismatchError,
    EngineError,
    EngineFailedError,
    EngineNotFoundError,
    FetchError,
    SolveError,
)
from lading.system.process import Completed
from lading.system.program import Run
from simulators.channel import CANONICAL, ChannelSimulator
from simulators.engines import install_request, small_channel, solve_request

UNSOLVABLE = Completed(
    argv=(),
    returncode=1,
    stdout='{"solver_problems": ["unsupported request"], "success": false}',
    stderr="critical libmamba Could not solve for environment specs\n",
)


class _Recorder:
    """A runner that answers from a function and remembers what it was asked."""

    def __init__(self, answer: Callable[[Run], Completed]) -> None:
        self.runs: list[Run] = []
        self._answer = answer

    def __call__(self, request: Run) -> Completed:
        self.runs.append(request)
        return self._answer(request)


@pytest.fixture
def channel(tmp_path: Path) -> ChannelSimulator:
    """The small channel."""
    return small_channel(tmp_path / "channel")


def _completed(stdout: str = "", stderr: str = "", returncode: int = 0) -> Completed:
    return Completed(argv=(), returncode=returncode, stdout=stdout, stderr=stderr)


def _engine(tmp_path: Path, recorder: _Recorder) -> MicromambaEngine:
    environment = {"PATH": "/usr/bin", "HOME": "/home/user", "CONDA_PREFIX": "/opt/conda"}
    return MicromambaEngine(
        Path("/opt/micromamba"), "2.8.1", tmp_path / "state", environment, runner=recorder
    )


def _linking(records: tuple[RepodataRecord, ...], location: str, **more: object) -> Completed:
    """The answer of a dry run that links `records`."""
    actions = [
        {
            "name": record.name,
            "version": record.version,
            "build": record.build,
            "url": record.url.replace(CANONICAL, location),
            "sha256": record.sha256.hex,
            "md5": record.md5.hex,
            "depends": list(record.depends),
        }
        for record in records
    ]
    return _completed(json.dumps({"actions": {"LINK": actions, **more}}))


def _chosen(channel: ChannelSimulator, *distributions: str) -> tuple[RepodataRecord, ...]:
    return tuple(item for item in channel.records() if item.distribution in distributions)


def _executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_order_of_search(tmp_path: Path) -> None:
    """What was named, then the variable, then the private one, then PATH."""
    on_path = _executable(tmp_path / "path" / "micromamba")
    private = tmp_path / ".lading" / "bin" / "micromamba"
    variable = _executable(tmp_path / "variable" / "mm")
    named = _executable(tmp_path / "named" / "mm")
    environment = {"PATH": str(on_path.parent)}
    assert on_path == find_micromamba(None, environment, tmp_path)
    _executable(private)
    assert private == find_micromamba(None, environment, tmp_path)
    environment["LADING_MICROMAMBA"] = str(variable)
    assert variable == find_micromamba(None, environment, tmp_path)
    assert named == find_micromamba(named, environment, tmp_path)
    assert named == find_micromamba(Path("named/mm"), environment, tmp_path)


def test_none_found(tmp_path: Path) -> None:
    """Without any there is none, and that is no error."""
    assert find_micromamba(None, {"PATH": str(tmp_path)}, tmp_path) is None


@pytest.mark.parametrize("environment", [{}, {"LADING_MICROMAMBA": "nowhere"}])
def test_named_but_missing(tmp_path: Path, environment: dict[str, str]) -> None:
    """One that was named must be there."""
    named = None if environment else tmp_path / "nowhere"
    with pytest.raises(EngineNotFoundError, match="nowhere is not an executable file"):
        find_micromamba(named, environment, tmp_path)


@pytest.mark.parametrize("text", ["2.0.0", "2.1.0", "2.3.3", "2.5.0", "2.8.1\n"])
def test_supported_versions(text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Tested versions are accepted without a word."""
    recorder = _Recorder(lambda _: _completed(text))
    assert text.strip() == read_version(tmp_path / "micromamba", {}, recorder)
    assert not caplog.records


@pytest.mark.parametrize("text", ["1.5.8", "2.9.0", "3.0.0"])
def test_untested_versions(text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Others are accepted with a warning."""
    with caplog.at_level(logging.WARNING):
        assert text == read_version(tmp_path / "m", {}, _Recorder(lambda _: _completed(text)))
    assert "untested" in caplog.text


@pytest.mark.parametrize("text", ["2.1.1", "2.2.0", "2.3.2"])
def test_broken_versions(text: str, tmp_path: Path) -> None:
    """Those that leave packages out are refused."""
    with pytest.raises(EngineError, match="leaves packages out") as caught:
        read_version(tmp_path / "m", {}, _Recorder(lambda _: _completed(text)))
    assert "2.3.3" in caught.value.hint


@pytest.mark.parametrize("answer", [_completed("hello"), _completed("2.5.0", "no", 1)])
def test_not_micromamba(tmp_path: Path, answer: Completed) -> None:
    """Something else is refused."""
    with pytest.raises(EngineError, match="is not micromamba"):
        MicromambaEngine.start(tmp_path / "m", tmp_path, {}, runner=_Recorder(lambda _: answer))


def test_solve_is_isolated(tmp_path: Path, channel: ChannelSimulator) -> None:
    """Nothing of the caller reaches the child; what it may expect of the target is explicit."""
    answer = _linking(_chosen(channel, "library-2.0-0"), channel.url)
    recorder = _Recorder(lambda _: answer)
    engine = _engine(tmp_path, recorder)
    (record,) = engine.solve(solve_request((channel.url,), "library"))
    (run,) = recorder.runs
    assert record.distribution == "library-2.0-0"
    assert record.url.startswith(CANONICAL)
    assert (engine.name, engine.version) == ("micromamba", "2.8.1")
    assert run.argv[:3] == ("/opt/micromamba", "create", "--no-rc")
    assert {"--dry-run", "--json"} <= set(run.argv)
    assert channel.url == run.environment["CONDA_CHANNELS"]
    assert run.argv[run.argv.index("--channel-priority") + 1] == "strict"
    assert "CONDA_PREFIX" not in run.environment
    assert run.environment["HOME"] != "/home/user"
    expected = {"GLIBC": "2.28", "LINUX": "5.10", "ARCHSPEC": "x86_64", "CUDA": "", "OSX": ""}
    assert expected == {name: run.environment[f"CONDA_OVERRIDE_{name}"] for name in expected}
    assert str(tmp_path / "state" / "solve" / "linux-64") == run.environment["CONDA_PKGS_DIRS"]


def test_priority_and_timeout(tmp_path: Path, channel: ChannelSimulator) -> None:
    """Both are passed on."""
    recorder = _Recorder(lambda _: _linking(_chosen(channel, "library-2.0-0"), channel.url))
    request = replace(solve_request((channel.url,), "library", timeout=9), strict_priority=False)
    _engine(tmp_path, recorder).solve(request)
    assert "disabled" in recorder.runs[0].argv
    assert recorder.runs[0].timeout == 9


def test_unknown_virtual_package(tmp_path: Path, channel: ChannelSimulator) -> None:
    """A virtual package that micromamba cannot be told of is refused before it is called."""
    request = replace(
        solve_request((channel.url,), "tool"),
        virtual_packages=(VirtualPackage("__cuda_arch", "9.0"),),
    )
    with pytest.raises(EngineError, match="__cuda_arch"):
        _engine(tmp_path, _Recorder(lambda _: UNSOLVABLE)).solve(request)


def test_solution_with_a_hole(tmp_path: Path, channel: ChannelSimulator) -> None:
    """A solution that leaves out what is needed is refused."""
    recorder = _Recorder(lambda _: _linking(_chosen(channel, "tool-1.0-0"), channel.url))
    with pytest.raises(EngineFailedError, match="tool requires python"):
        _engine(tmp_path, recorder).solve(solve_request((channel.url,), "tool"))


def test_explanation_is_asked_for(tmp_path: Path, channel: ChannelSimulator) -> None:
    """Without a solution it is asked again for words that a person understands."""
    words = _completed(
        "",
        "error    libmamba Could not solve for environment specs\n"
        "    The following package could not be installed\n"
        "    └─ absent does not exist.\n"
        "critical libmamba Could not solve for environment specs\n",
        1,
    )
    recorder = _Recorder(lambda run: UNSOLVABLE if "--json" in run.argv else words)
    with pytest.raises(SolveError) as caught:
        _engine(tmp_path, recorder).solve(solve_request((channel.url,), "absent"))
    expected = (
        "The following package could not be installed",
        "└─ absent does not exist.",
    )
    assert expected == caught.value.details


def test_all_pins_hold(tmp_path: Path, channel: ChannelSimulator) -> None:
    """Where all pins fit, one call is enough, and what nobody needs is left out."""
    records = _chosen(channel, "library-1.0-0", "old-1.0-0")
    recorder = _Recorder(lambda _: _linking(records, channel.url))
    request = solve_request((channel.url,), "library", locked=records)
    solution = _engine(tmp_path, recorder).solve(request)
    assert {"library ==1.0 0", "old ==1.0 0"} <= set(recorder.runs[0].argv)
    assert [record.distribution for record in solution] == ["library-1.0-0"]


def test_some_pins_hold(tmp_path: Path, channel: ChannelSimulator) -> None:
    """Where they do not, an update says which must move, and the rest is pinned again."""
    before = _chosen(channel, "library-1.0-0", "python-3.12.1-0")
    after = _chosen(channel, "library-2.0-0", "python-3.12.1-0")
    moved = _linking(after[:1], channel.url, UNLINK=[{"name": "library"}])
    answers = iter([UNSOLVABLE, moved, _linking(after, channel.url)])
    seen: list[list[str]] = []

    def answer(run: Run) -> Completed:
        if "install" in run.argv:
            prefix = Path(run.argv[run.argv.index("--prefix") + 1])
            seen.append(sorted(path.name for path in (prefix / "conda-meta").iterdir()))
        return next(answers)

    recorder = _Recorder(answer)
    request = solve_request((channel.url,), "library >=2", "python", locked=before)
    solution = _engine(tmp_path, recorder).solve(request)
    assert seen == [["history", "library-1.0-0.json", "python-3.12.1-0.json"]]
    assert {"library ==2.0 0", "python[version='==3.12.1',build='0']"} <= set(recorder.runs[2].argv)
    expected = [record.distribution for record in after]
    assert expected == [record.distribution for record in solution]


def test_no_pin_holds(tmp_path: Path, channel: ChannelSimulator) -> None:
    """Where even that fails, all is solved anew."""
    before = _chosen(channel, "library-1.0-0")
    after = _chosen(channel, "library-2.0-0")
    answers = iter([UNSOLVABLE, UNSOLVABLE, _linking(after, channel.url)])
    recorder = _Recorder(lambda _: next(answers))
    request = solve_request((channel.url,), "library", locked=before)
    (record,) = _engine(tmp_path, recorder).solve(request)
    assert record.distribution == "library-2.0-0"


def test_next_mirror(tmp_path: Path, channel: ChannelSimulator) -> None:
    """A mirror that cannot be read is passed over; with none left, the download failed."""
    unreachable = _completed("", "critical libmamba Multiple errors occurred:\n    gone\n", 1)
    good = _linking(_chosen(channel, "library-2.0-0"), channel.url)
    recorder = _Recorder(
        lambda run: good if channel.url == run.environment["CONDA_CHANNELS"] else unreachable
    )
    engine = _engine(tmp_path, recorder)
    request = solve_request(("http://user:secret@127.0.0.1:9/x", channel.url), "library")
    assert len(engine.solve(request)) == 1
    with pytest.raises(FetchError) as caught:
        engine.solve(solve_request(("http://user:secret@127.0.0.1:9/x",), "library"))
    assert CANONICAL in str(caught.value)
    assert "secret" not in repr(caught.value.details)


def test_a_killed_call_leaves_no_secret(tmp_path: Path, channel: ChannelSimulator) -> None:
    """The next call removes its directory, which may hold URLs with secrets."""
    left = tmp_path / "state/.call.lading-abcdefgh/pkgs"
    left.mkdir(parents=True)
    recorder = _Recorder(lambda _: _linking(_chosen(channel, "library-2.0-0"), channel.url))
    _engine(tmp_path, recorder).solve(solve_request((channel.url,), "library"))
    assert not left.exists()


def test_arguments_hold_no_secret(tmp_path: Path, channel: ChannelSimulator) -> None:
    """Everybody on the machine can read them; variables only the user."""
    location = "https://user:hush@host.example/t/hush/chan"
    answer = _linking(_chosen(channel, "library-2.0-0"), "https://host.example/chan")
    recorder = _Recorder(lambda _: answer)
    _engine(tmp_path, recorder).solve(solve_request((location,), f"{CANONICAL}::library"))
    (run,) = recorder.runs
    assert (location, "https://host.example/chan::library") == (
        run.environment["CONDA_CHANNELS"],
        run.argv[-1],
    )
    assert "hush" not in repr(run.argv)


def test_platforms_do_not_share_a_cache(tmp_path: Path, channel: ChannelSimulator) -> None:
    """Platforms solved at once do not wait for each other's lock."""
    recorder = _Recorder(lambda _: _linking(_chosen(channel, "library-2.0-0"), channel.url))
    for platform in (Platform.LINUX_64, Platform.OSX_ARM64):
        request = solve_request((channel.url,), "library", platform=platform)
        _engine(tmp_path, recorder).solve(request)
    assert len({run.environment["CONDA_PKGS_DIRS"] for run in recorder.runs}) == 2


def test_install(tmp_path: Path, channel: ChannelSimulator) -> None:
    """It installs from an explicit file with sha256, bytecode and link scripts switched off."""
    files: list[str] = []
    told: list[tuple[str, int, int]] = []

    def answer(run: Run) -> Completed:
        files.append(Path(run.argv[run.argv.index("--file") + 1]).read_text())
        prefix = Path(run.argv[run.argv.index("--prefix") + 1])
        prefix.mkdir()
        (prefix / ".mambarc").write_text("platform: linux-64")
        return _completed()

    recorder = _Recorder(answer)
    records = _chosen(channel, "library-2.0-0", "tool-1.0-0")
    request = install_request(
        tmp_path, records, channel.archives(), progress=lambda *words: told.append(words)
    )
    _engine(tmp_path, recorder).install(request)
    archives = channel.archives()
    expected = [
        "@EXPLICIT",
        *(f"{archives[item.distribution].as_uri()}#sha256:{item.sha256.hex}" for item in records),
    ]
    assert expected == files[0].splitlines()
    (run,) = recorder.runs
    assert {"--no-rc", "--no-pyc", "--yes"} <= set(run.argv)
    assert str(tmp_path / "pkgs") == run.environment["CONDA_PKGS_DIRS"]
    # For the processes that it starts itself, which do not get --no-rc.
    assert "true" == run.environment["MAMBA_NO_RC"]
    shell = Path(run.environment["PATH"].split(":")[0]) / "bash"
    assert shell.stat().st_mode & 0o111
    assert list(request.prefix.iterdir()) == []
    assert told == [("link", 0, 2), ("link", 2, 2)]


def test_failed_install(tmp_path: Path, channel: ChannelSimulator) -> None:
    """A wrong digest is told as one."""
    complaint = 'error    libmamba File not valid: SHA256 doesn\'t match expectation "x"\n'
    recorder = _Recorder(lambda _: _completed("", complaint, 1))
    request = install_request(tmp_path, _chosen(channel, "tool-1.0-0"), channel.archives())
    with pytest.raises(DigestMismatchError):
        _engine(tmp_path, recorder).install(request)


def test_install_without_digest(tmp_path: Path, channel: ChannelSimulator) -> None:
    """A record without sha256 cannot be checked, so it is not installed."""
    records = tuple(replace(item, sha256=None) for item in _chosen(channel, "tool-1.0-0"))
    with pytest.raises(EngineFailedError, match="no sha256"):
        _engine(tmp_path, _Recorder(lambda _: _completed())).install(
            install_request(tmp_path, records, channel.archives())
        )


@pytest.mark.parametrize("spec", ['tool[when="__unix"]', "tool[flags=[a]]", "tool[extras=[a]]"])
def test_fields_that_it_ignores(tmp_path: Path, channel: ChannelSimulator, spec: str) -> None:
    """What it would ignore of a MatchSpec is not passed to it."""
    recorder = _Recorder(lambda _: UNSOLVABLE)
    with pytest.raises(EngineError, match="micromamba ignores `") as caught:
        _engine(tmp_path, recorder).solve(solve_request((channel.url,), spec))
    assert ([], True) == (recorder.runs, "--engine embedded" in caught.value.hint)
