"""`lading.engine.embedded`: solving and installing with py-rattler."""

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lading.conda.names import Platform
from lading.engine.embedded import EmbeddedEngine
from lading.errors import (
    ArchiveError,
    EngineFailedError,
    FetchError,
    LadingError,
    SolveError,
    SpecError,
)
from lading.system.digest import sha256_of
from simulators.channel import CANONICAL, ChannelSimulator, File, Package
from simulators.engines import install_request, small_channel, solve_request
from simulators.webserver import Answer, serve, serve_directory

REFUSED = "http://127.0.0.1:9/channel"


@pytest.fixture
def channel(tmp_path: Path) -> ChannelSimulator:
    """The small channel."""
    return small_channel(tmp_path / "channel")


@pytest.fixture
def engine(tmp_path: Path) -> EmbeddedEngine:
    """An engine with a state of its own."""
    return EmbeddedEngine(tmp_path / "state")


def _names(records: object) -> list[str]:
    return [record.distribution for record in records]


def test_identity(engine: EmbeddedEngine) -> None:
    """It says what it is."""
    assert engine.name == "embedded"
    assert engine.version.startswith("0.")


def test_solution(channel: ChannelSimulator, engine: EmbeddedEngine) -> None:
    """The newest packages that fit, sorted by name, each as the channel describes it."""
    solution = engine.solve(solve_request((channel.url,), "tool"))
    expected = {record.distribution: record for record in channel.records()}
    assert _names(solution) == ["library-2.0-0", "python-3.12.1-0", "tool-1.0-0"]
    assert [expected[name] for name in _names(solution)] == list(solution)


def test_order_of_specs_does_not_matter(channel: ChannelSimulator, engine: EmbeddedEngine) -> None:
    """The same request in another order has the same solution."""
    one = engine.solve(solve_request((channel.url,), "tool", "library >=1"))
    assert one == engine.solve(solve_request((channel.url,), "library >=1", "tool"))


def test_running_event_loop(channel: ChannelSimulator, engine: EmbeddedEngine) -> None:
    """It works below an event loop, as in a notebook."""

    async def inside() -> int:
        return len(engine.solve(solve_request((channel.url,), "tool")))

    assert asyncio.run(inside()) == 3


def test_locked_records_stay(channel: ChannelSimulator, engine: EmbeddedEngine) -> None:
    """What was locked stays as long as it satisfies."""
    locked = tuple(record for record in channel.records() if record.version == "1.0")
    solution = engine.solve(solve_request((channel.url,), "tool", locked=locked))
    assert "library-1.0-0" in _names(solution)
    # `old` is locked, but nobody asks for it any more.
    assert "old-1.0-0" not in _names(solution)


def test_locked_records_move_where_they_must(
    channel: ChannelSimulator, engine: EmbeddedEngine
) -> None:
    """A pin that does not satisfy any more, or is gone from the channel, is not kept."""
    records = channel.records()
    new = tuple(record for record in records if record.version == "2.0")
    gone = tuple(replace(record, sha256=sha256_of(b"gone")) for record in records)
    solution = engine.solve(solve_request((channel.url,), "old", locked=new))
    assert _names(solution) == ["library-1.0-0", "old-1.0-0"]
    solution = engine.solve(solve_request((channel.url,), "library", locked=gone[:1]))
    assert _names(solution) == ["library-2.0-0"]


def test_spec_with_channel(channel: ChannelSimulator, engine: EmbeddedEngine) -> None:
    """A spec may name the canonical channel, whatever is read."""
    solution = engine.solve(solve_request((channel.url,), f"{CANONICAL}::library ==1.0"))
    assert _names(solution) == ["library-1.0-0"]


def test_other_platform(channel: ChannelSimulator, engine: EmbeddedEngine) -> None:
    """Each platform has its own packages and noarch."""
    channel.add(Package(name="only", subdir="osx-arm64"))
    channel.write_repodata()
    request = solve_request((channel.url,), "only", platform=Platform.OSX_ARM64)
    assert _names(engine.solve(request)) == ["only-1.0-0"]


def test_virtual_packages_are_explicit(channel: ChannelSimulator, engine: EmbeddedEngine) -> None:
    """What this machine has does not count."""
    with pytest.raises(SolveError) as caught:
        engine.solve(solve_request((channel.url,), "tool", virtual=False))
    assert any("__glibc" in line for line in caught.value.details)


@pytest.mark.parametrize("specs", [("absent",), ("tool", "library <1"), ("old", "library >=2")])
def test_no_solution(
    channel: ChannelSimulator, engine: EmbeddedEngine, specs: tuple[str, ...]
) -> None:
    """Without a solution the explanation is kept."""
    with pytest.raises(SolveError) as caught:
        engine.solve(solve_request((channel.url,), *specs))
    assert caught.value.details
    assert caught.value.exit_code == 4


def test_bad_spec(channel: ChannelSimulator, engine: EmbeddedEngine) -> None:
    """A spec that is not in the one spelling is the user's error."""
    with pytest.raises(SpecError):
        engine.solve(solve_request((channel.url,), "tool ^1$"))


def test_not_closed(tmp_path: Path, engine: EmbeddedEngine) -> None:
    """A solver can only answer from the records: one that needs what is nowhere has no solution."""
    channel = ChannelSimulator(tmp_path / "open")
    channel.add(Package(name="a", depends=("nowhere",)))
    channel.write_repodata()
    with pytest.raises(SolveError):
        engine.solve(solve_request((channel.url,), "a"))


def test_first_mirror_that_answers(channel: ChannelSimulator, engine: EmbeddedEngine) -> None:
    """A mirror that cannot be read is passed over; the URLs are canonical whichever answered."""
    with serve_directory(channel.root) as url, serve({}) as empty:
        solution = engine.solve(solve_request((empty, url), "tool"))
    assert all(record.url.startswith(CANONICAL + "/") for record in solution)


def test_unreachable(tmp_path: Path, engine: EmbeddedEngine) -> None:
    """A channel that cannot be read is named, its mirrors without credentials."""
    guarded = "http://user:secret@127.0.0.1:9/channel"
    with pytest.raises(FetchError) as caught:
        engine.solve(solve_request((guarded, (tmp_path / "nowhere").as_uri()), "tool"))
    assert CANONICAL in str(caught.value)
    assert caught.value.exit_code == 6
    assert f"{REFUSED}:" in caught.value.details
    assert "secret" not in repr(caught.value.details)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b"", status=404),
        Answer(b"", status=500),
        Answer(b"<!DOCTYPE html><title>Log in</title>", "text/html"),
        Answer(b'{"packages": '),
    ],
)
def test_wrong_answers(engine: EmbeddedEngine, answer: Answer) -> None:
    """A server that has no channel is a failed download, also where it says 200."""
    with serve({"*": answer}) as url, pytest.raises(FetchError):
        engine.solve(solve_request((url,), "tool"))


def test_timeout(channel: ChannelSimulator, engine: EmbeddedEngine) -> None:
    """A solver that takes too long is ended."""
    try:
        engine.solve(solve_request((channel.url,), "tool", timeout=1e-6))
    except EngineFailedError as error:
        assert "time" in str(error)  # noqa: PT017  # the solver may be faster than the clock


def test_install(tmp_path: Path, channel: ChannelSimulator, engine: EmbeddedEngine) -> None:
    """The prefix holds every package, no link script ran, and each record knows its cache."""
    told: list[tuple[str, int, int]] = []
    records = engine.solve(solve_request((channel.url,), "tool"))
    request = install_request(
        tmp_path, records, channel.archives(), progress=lambda *words: told.append(words)
    )
    engine.install(request)
    prefix = request.prefix
    assert (prefix / "lib" / "library").read_bytes() == b"two"
    assert (prefix / "lib/python3.12/site-packages/tool/__init__.py").is_file()
    assert (prefix / "bin" / "tool").is_file()
    assert str(prefix).encode() in (prefix / "bin" / "python3.12").read_bytes()
    assert not (prefix / "SCRIPT_RAN").exists()
    assert not (prefix / "CACHEDIR.TAG").exists()
    found = {path.stem for path in (prefix / "conda-meta").glob("*.json")}
    assert {record.distribution for record in records} == found
    for path in (prefix / "conda-meta").glob("*.json"):
        directory = Path(json.loads(path.read_bytes())["extracted_package_dir"])
        assert directory.parent == request.package_cache
        assert (directory / "info" / "index.json").is_file()
    assert {(1, 3), (2, 3), (3, 3)} == {(done, total) for _, done, total in told}
    assert {"link"} == {what for what, _, _ in told}


def test_free_threaded_python(tmp_path: Path, engine: EmbeddedEngine) -> None:
    """Noarch packages go where that Python looks for them, though no lock says where."""
    channel = ChannelSimulator(tmp_path / "channel")
    place = "lib/python3.13t/site-packages"
    channel.add(Package(name="python", version="3.13.0", python_site_packages_path=place))
    channel.add(Package(name="pure", noarch="python", files={"site-packages/pure.py": b""}))
    engine.install(install_request(tmp_path, channel.records(), channel.archives()))
    assert (tmp_path / "prefix" / place / "pure.py").is_file()


def test_cached_package_of_same_name(tmp_path: Path, engine: EmbeddedEngine) -> None:
    """Another archive of the same name is not served from the cache; the first prefix stays."""
    for number in ("one", "two"):
        channel = ChannelSimulator(tmp_path / number)
        channel.add(Package(name="a", files={"a": number.encode()}))
        request = install_request(
            tmp_path, channel.records(), channel.archives(), prefix=f"prefix-{number}"
        )
        engine.install(request)
    assert (tmp_path / "prefix-one" / "a").read_bytes() == b"one"
    assert (tmp_path / "prefix-two" / "a").read_bytes() == b"two"


@pytest.mark.parametrize("archive_format", [".conda", ".tar.bz2"])
def test_damaged_archive(tmp_path: Path, engine: EmbeddedEngine, archive_format: str) -> None:
    """A truncated archive is an integrity error."""
    channel = ChannelSimulator(tmp_path / "channel")
    package = Package(name="a", files={"a": b"a" * 999}, archive_format=archive_format)
    path = channel.add(package)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(ArchiveError) as caught:
        engine.install(install_request(tmp_path, channel.records(), channel.archives()))
    assert caught.value.exit_code == 7


def test_missing_archive(tmp_path: Path, engine: EmbeddedEngine) -> None:
    """An archive that is not there is a failed download."""
    channel = ChannelSimulator(tmp_path / "channel")
    channel.add(Package(name="a", files={"a": b"a"})).unlink()
    with pytest.raises(FetchError):
        engine.install(install_request(tmp_path, channel.records(), channel.archives()))


def test_failure_of_the_file_system(tmp_path: Path, engine: EmbeddedEngine) -> None:
    """A prefix that cannot be made is an error of ours, not of rattler."""
    channel = ChannelSimulator(tmp_path / "channel")
    channel.add(Package(name="a", files={"a": File(b"a")}))
    (tmp_path / "prefix").write_text("a file stands there")
    with pytest.raises(LadingError):
        engine.install(install_request(tmp_path, channel.records(), channel.archives()))


def test_home_stays_empty(
    tmp_path: Path,
    channel: ChannelSimulator,
    engine: EmbeddedEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is written to, or needed from, the caller's home."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    with serve_directory(channel.root) as url:
        records = engine.solve(solve_request((url,), "tool"))
    engine.install(install_request(tmp_path, records, channel.archives()))
    assert list(home.iterdir()) == []


def test_end_of_the_interpreter(channel: ChannelSimulator, tmp_path: Path) -> None:
    """A program that ends right after solving does not crash (it did, one time in three)."""
    program = (
        "import sys; sys.path[:0] = sys.argv[3:]\n"
        "from pathlib import Path\n"
        "from simulators.engines import solve_request\n"
        "from lading.engine.embedded import EmbeddedEngine\n"
        "engine = EmbeddedEngine(Path(sys.argv[1]))\n"
        "engine.solve(solve_request((sys.argv[2],), 'tool'))\n"
    )
    words = [sys.executable, "-c", program, str(tmp_path / "end"), channel.url, *sys.path]
    for _ in range(8):
        subprocess.run(words, check=True)
