"""What real micromamba executables print and do is understood.

The recordings below `micromamba/` are of 2.5.0 and 2.8.1. The live tests run the executable named
by LADING_MICROMAMBA, or the one on PATH.
"""

import json
import os
import shutil
from pathlib import Path

import pytest

from lading.conda.channels import ChannelUrl, MirrorMap
from lading.conda.names import MatchSpecText, Platform
from lading.conda.virtual import default_virtual_packages
from lading.engine.embedded import EmbeddedEngine
from lading.engine.micromamba import MicromambaEngine
from lading.engine.micromamba_executable import read_version
from lading.engine.protocol import InstallRequest, SolveRequest
from lading.errors import (
    ArchiveError,
    DigestMismatchError,
    FetchError,
    SolveError,
)
from lading.system.process import Completed
from lading.system.program import Run
from simulators.channel import ChannelSimulator, Package
from simulators.engines import install_request, small_channel, solve_request
from simulators.webserver import Answer, serve

RECORDINGS = Path(__file__).parent / "micromamba"
VERSIONS = ("2.5", "2.8")
CANONICAL = ChannelUrl("https://demo.invalid/channel")
CHANNEL = str(RECORDINGS)
"""A directory that is there, instead of the one that was recorded from."""

_EXECUTABLE = os.environ.get("LADING_MICROMAMBA") or shutil.which("micromamba")
live = [
    pytest.mark.micromamba,
    pytest.mark.skipif(_EXECUTABLE is None, reason="there is no micromamba on this machine"),
]


class _Replay:
    """A runner that answers with recordings, by what is asked."""

    def __init__(self, version: str, json_name: str, text_name: str = "") -> None:
        self._directory = RECORDINGS / version
        self._json_name, self._text_name = json_name, text_name

    def __call__(self, request: Run) -> Completed:
        name = self._json_name if "--json" in request.argv else self._text_name
        text = (self._directory / f"{name or self._json_name}.json").read_text()
        content = json.loads(text.replace("<CHANNEL>", CHANNEL))
        return Completed(
            argv=request.argv,
            returncode=content["returncode"],
            stdout=content["stdout"],
            stderr=content["stderr"],
        )


def _engine(tmp_path: Path, replay: _Replay) -> MicromambaEngine:
    return MicromambaEngine(Path("/m"), "2.8.1", tmp_path, {}, runner=replay)


def _request(*specs: str) -> SolveRequest:
    return SolveRequest(
        platform=Platform.LINUX_64,
        specs=tuple(MatchSpecText(spec) for spec in specs),
        channels=(CANONICAL,),
        virtual_packages=default_virtual_packages(Platform.LINUX_64),
        mirrors=MirrorMap(mirrors={CANONICAL: (f"file://{CHANNEL}",)}),
    )


@pytest.mark.parametrize("version", VERSIONS)
class TestRecordings:
    """Recorded answers of both generations."""

    def test_version(self, tmp_path: Path, version: str) -> None:
        """The version is read."""
        read = read_version(tmp_path / "m", {}, _Replay(version, "version"))
        assert read.startswith(version + ".")

    def test_solution(self, tmp_path: Path, version: str) -> None:
        """A dry run is read; empty lists may be null."""
        engine = _engine(tmp_path, _Replay(version, "create-dry-run-json"))
        solution = engine.solve(_request("python", "requests", "click", "pip"))
        assert {"python", "requests", "click", "pip"} <= {record.name for record in solution}
        assert all(record.url.startswith(CANONICAL) for record in solution)
        assert all(record.sha256 and record.md5 for record in solution)

    def test_no_solution(self, tmp_path: Path, version: str) -> None:
        """The readable explanation is kept, without the noise around it."""
        replay = _Replay(version, "unsatisfiable-json", "unsatisfiable-text")
        with pytest.raises(SolveError) as caught:
            _engine(tmp_path, replay).solve(_request("python 3.11.*", "numpy <1.0"))
        assert len(caught.value.details) == 2
        assert "numpy <1.0 * does not exist" in caught.value.details[1]

    @pytest.mark.parametrize("name", ["missing-channel-json", "unreachable-channel-json"])
    def test_unreachable(self, tmp_path: Path, version: str, name: str) -> None:
        """A channel that cannot be read is a failed download, told without advice."""
        with pytest.raises(FetchError) as caught:
            _engine(tmp_path, _Replay(version, name)).solve(_request("python"))
        assert any("not loaded!" in line for line in caught.value.details)
        assert not any("mamba clean" in line for line in caught.value.details)

    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("explicit-bad-sha256", DigestMismatchError),
            ("explicit-missing-archive", FetchError),
        ],
    )
    def test_failed_install(
        self, tmp_path: Path, version: str, name: str, kind: type[Exception]
    ) -> None:
        """What went wrong with an installation is known by its words."""
        request = InstallRequest(
            platform=Platform.LINUX_64,
            records=(),
            archives={},
            prefix=tmp_path / "prefix",
            package_cache=tmp_path / "pkgs",
        )
        with pytest.raises(kind):
            _engine(tmp_path, _Replay(version, name)).install(request)


class TestLive:
    """The executable of this machine."""

    pytestmark = live

    @pytest.fixture
    def channel(self, tmp_path: Path) -> ChannelSimulator:
        """The small channel."""
        return small_channel(tmp_path / "channel")

    @pytest.fixture
    def engine(self, tmp_path: Path) -> MicromambaEngine:
        """An engine around it."""
        return MicromambaEngine.start(Path(_EXECUTABLE), tmp_path / "state", os.environ)

    def test_both_engines_agree(
        self, tmp_path: Path, channel: ChannelSimulator, engine: MicromambaEngine
    ) -> None:
        """Both engines give the same records, down to the last field."""
        request = solve_request((channel.url,), "tool", "library <3")
        assert EmbeddedEngine(tmp_path / "e").solve(request) == engine.solve(request)

    def test_pins(self, channel: ChannelSimulator, engine: MicromambaEngine) -> None:
        """Pins stay, as far as they can, and only what must move moves."""
        locked = tuple(item for item in channel.records() if item.version != "2.0")
        kept = engine.solve(solve_request((channel.url,), "tool", locked=locked))
        assert "library-1.0-0" in [record.distribution for record in kept]
        request = solve_request((channel.url,), "tool", "library >=2", locked=kept)
        channel.add(Package(name="python", version="3.13.0"))
        channel.write_repodata()
        moved = [record.distribution for record in engine.solve(request)]
        assert moved == ["library-2.0-0", "python-3.12.1-0", "tool-1.0-0"]

    def test_no_solution(self, channel: ChannelSimulator, engine: MicromambaEngine) -> None:
        """The explanation names what is missing."""
        with pytest.raises(SolveError) as caught:
            engine.solve(solve_request((channel.url,), "absent"))
        assert any("absent" in line for line in caught.value.details)

    def test_virtual_packages(self, channel: ChannelSimulator, engine: MicromambaEngine) -> None:
        """What this machine has does not count."""
        with pytest.raises(SolveError) as caught:
            engine.solve(solve_request((channel.url,), "tool", virtual=False))
        assert any("__glibc" in line for line in caught.value.details)

    @pytest.mark.parametrize(
        "answer",
        [Answer(b"", status=404), Answer(b"<!DOCTYPE html><title>Log in</title>", "text/html")],
    )
    def test_wrong_answers(self, engine: MicromambaEngine, answer: Answer) -> None:
        """A server that has no channel has no solution either."""
        with serve({"*": answer}) as url, pytest.raises((FetchError, SolveError)):
            engine.solve(solve_request((url,), "tool"))

    def test_install(
        self, tmp_path: Path, channel: ChannelSimulator, engine: MicromambaEngine
    ) -> None:
        """Both engines fill a prefix with the same files; no link script runs."""
        request = solve_request((channel.url,), "tool")
        records = engine.solve(request)
        by_name = {record.name: record for record in records}
        ordered = tuple(by_name[name] for name in ("python", "library", "tool"))
        found = []
        for number, each in enumerate((engine, EmbeddedEngine(tmp_path / "e"))):
            prefix = f"prefix-{number}"
            each.install(install_request(tmp_path, ordered, channel.archives(), prefix=prefix))
            root = tmp_path / prefix
            assert not (root / "SCRIPT_RAN").exists()
            found.append({path.relative_to(root) for path in root.rglob("*")})
        assert found[0] == found[1]

    def test_damaged_archive(
        self, tmp_path: Path, channel: ChannelSimulator, engine: MicromambaEngine
    ) -> None:
        """An archive with another digest, or none at all, is told as what it is."""
        records = tuple(item for item in channel.records() if item.version == "2.0")
        archive = channel.archives()["library-2.0-0"]
        archive.write_bytes(archive.read_bytes()[:-100])
        with pytest.raises((DigestMismatchError, ArchiveError)):
            engine.install(install_request(tmp_path, records, channel.archives()))
        archive.unlink()
        with pytest.raises(FetchError):
            engine.install(install_request(tmp_path, records, channel.archives(), prefix="other"))

    def test_home_stays_empty(
        self,
        tmp_path: Path,
        channel: ChannelSimulator,
        engine: MicromambaEngine,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Nothing is written to the caller's home."""
        home = tmp_path / "home"
        home.mkdir()
        monkeypatch.setenv("HOME", str(home))
        records = engine.solve(solve_request((channel.url,), "library"))
        engine.install(install_request(tmp_path, records, channel.archives()))
        assert list(home.iterdir()) == []
