"""Linking from a cache that may be damaged, and link scripts."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from lading.conda.names import Platform
from lading.conda.records import RepodataRecord
from lading.engine.embedded import EmbeddedEngine
from lading.engine.protocol import InstallRequest, SolveRequest
from lading.errors import ArchiveError, EngineFailedError
from lading.install.link import extracted_directories, link_packages, run_link_scripts
from simulators.channel import ChannelSimulator, File, Package
from simulators.engines import install_request
from simulators.records import record

FILES = {"lib/x": b"content", "lib/y": b"other"}
Damage = Callable[[Path], object]


@dataclass(slots=True)
class _Linker:
    """An engine that links what lies extracted, and extracts nothing."""

    extracted: Path
    calls: int = 0
    name: str = "linker"
    version: str = "0"

    def solve(self, request: SolveRequest) -> tuple[RepodataRecord, ...]:
        """Nothing is solved here."""
        raise NotImplementedError(request)

    def place_of_extracted(self, record: RepodataRecord, package_cache: Path) -> None:
        """It extracts nothing."""

    def install(self, request: InstallRequest) -> None:
        """Write the prefix records."""
        self.calls += 1
        for item in request.records:
            path = request.prefix / f"conda-meta/{item.distribution}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"extracted_package_dir": str(self.extracted)}))


@pytest.fixture
def request_(tmp_path: Path) -> InstallRequest:
    """An installation of one package."""
    channel = ChannelSimulator(tmp_path / "channel")
    channel.add(Package(name="a", files=FILES))
    return install_request(tmp_path, channel.records(), channel.archives())


def engine(tmp_path: Path) -> EmbeddedEngine:
    """An engine with private state."""
    return EmbeddedEngine(tmp_path / "state")


def test_linking_says_where_packages_lie(tmp_path: Path, request_: InstallRequest) -> None:
    """Each package is told with its extracted directory."""
    [directory] = link_packages(engine(tmp_path), request_).extracted.values()
    assert (b"content", b"content") == (
        (directory / "lib/x").read_bytes(),
        (request_.prefix / "lib/x").read_bytes(),
    )


@pytest.mark.parametrize(
    "damage",
    [
        lambda root: (root / "lib/x").write_bytes(b"CONTENT"),
        lambda root: (root / "lib/x").unlink(),
        lambda root: (root / "info/paths.json").write_bytes(b"{"),
    ],
)
def test_a_damaged_package_is_extracted_anew(
    tmp_path: Path, request_: InstallRequest, damage: Damage
) -> None:
    """What was changed in the cache, or is gone from it, does not reach a prefix."""
    linker = engine(tmp_path)
    [directory] = link_packages(linker, request_).extracted.values()
    damage(directory)
    again = InstallRequest(
        platform=Platform.LINUX_64,
        records=request_.records,
        archives=request_.archives,
        prefix=tmp_path / "again",
        package_cache=request_.package_cache,
    )
    [directory] = link_packages(engine(tmp_path), again).extracted.values()
    assert FILES == {name: (tmp_path / "again" / name).read_bytes() for name in FILES}
    assert FILES == {name: (directory / name).read_bytes() for name in FILES}


def test_a_neighbour_in_the_cache_is_another_package(
    tmp_path: Path, request_: InstallRequest
) -> None:
    """A damaged a-1.0-0 is repaired, although a-1.0-0_1 and others lie beside it, whole."""
    [directory] = link_packages(engine(tmp_path), request_).extracted.values()
    for number in range(20):
        shutil.copytree(directory, directory.with_name(f"a-1.0-0_{number}"))
    (directory / "lib/x").unlink()
    link_packages(engine(tmp_path), replace(request_, prefix=tmp_path / "again"))
    assert FILES == {name: (tmp_path / "again" / name).read_bytes() for name in FILES}


def test_a_package_that_contradicts_itself(tmp_path: Path) -> None:
    """A package whose own list is wrong is refused, after one more attempt."""
    channel = ChannelSimulator(tmp_path / "channel")
    channel.add(Package(name="a", files={"x": File(b"true", recorded_sha256="0" * 64)}))
    request = install_request(tmp_path, channel.records(), channel.archives())
    with pytest.raises(
        ArchiveError, match=r"a-1\.0-0 is not what its own list says: x has another"
    ):
        link_packages(engine(tmp_path), request)


def test_damage_outside_of_the_cache(tmp_path: Path, request_: InstallRequest) -> None:
    """What an engine linked from elsewhere is not lading's to repair."""
    linker = _Linker(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/info").mkdir(parents=True)
    (tmp_path / "elsewhere/info/index.json").write_bytes(b"{}")
    with pytest.raises(ArchiveError, match="outside of the package cache"):
        link_packages(linker, request_)
    assert linker.calls == 1


SCRIPT = b"""#!/bin/sh
echo "$PKG_NAME $PKG_VERSION $PKG_BUILDNUM $PREFIX" >> "$PREFIX/ran"
echo told >> "$PREFIX/.messages.txt"
"""


def run_scripted(tmp_path: Path, script: bytes) -> tuple[str, Path]:
    """What the link scripts of two packages told, and the prefix that they ran in."""
    channel = ChannelSimulator(tmp_path / "channel")
    for name in ("b", "a"):
        channel.add(Package(name=name, build_number=3, scripts={"post-link": script}))
    request = install_request(tmp_path, channel.records()[::-1], channel.archives())
    extracted = link_packages(engine(tmp_path), request).extracted
    words = run_link_scripts(request.records, extracted, request.prefix, {"PATH": os.defpath})
    return words, request.prefix


def test_link_scripts_run_in_order(tmp_path: Path) -> None:
    """Each gets the variables that conda gives, in the order of the records."""
    words, prefix = run_scripted(tmp_path, SCRIPT)
    expected = f"b 1.0 3 {prefix}\na 1.0 3 {prefix}\n"
    assert (expected, "told\ntold\n", False) == (
        (prefix / "ran").read_text(),
        words,
        (prefix / ".messages.txt").exists(),
    )


def test_a_link_script_that_fails(tmp_path: Path) -> None:
    """Which one failed is said, with its last words."""
    with pytest.raises(EngineFailedError, match="of b failed") as caught:
        run_scripted(tmp_path, b"#!/bin/sh\necho no luck >&2\nexit 3\n")
    assert ("no luck",) == caught.value.details


def test_link_scripts_are_sourced(tmp_path: Path) -> None:
    """They may return, read what activation sets, and find their environment's programs first."""
    channel = ChannelSimulator(tmp_path / "channel")
    script = b"""
echo "$GREETING $CONDA_PREFIX $(helper)" > "$PREFIX/said"
declare -A shell=([is]=bash)
[ -n "$GREETING" ] && return 0
exit 9
"""
    channel.add(
        Package(
            name="a",
            files={
                "etc/conda/activate.d/a.sh": b'export GREETING="hello $CONDA_DEFAULT_ENV"\n',
                "bin/helper": File(b"#!/bin/sh\necho helped\n", 0o755),
            },
            scripts={
                "pre-link": b'echo "$GREETING $SOURCE_DIR" > "$PREFIX/before"\n',
                "post-link": script,
            },
        )
    )
    request = install_request(tmp_path, channel.records(), channel.archives())
    extracted = link_packages(engine(tmp_path), request).extracted
    run_link_scripts(request.records, extracted, request.prefix, {"PATH": os.defpath})
    prefix = request.prefix
    assert (f"hello {prefix.name} {prefix} helped\n", f" {prefix}\n") == (
        (prefix / "said").read_text(),
        (prefix / "before").read_text(),
    )


def test_nothing_to_run(tmp_path: Path, request_: InstallRequest) -> None:
    """Without scripts nothing happens."""
    extracted = link_packages(engine(tmp_path), request_)
    assert run_link_scripts(request_.records, extracted, request_.prefix, {}) == ""


@pytest.mark.parametrize("key", ["extracted_package_dir", "source"])
def test_the_prefix_record_names_the_extracted_package(tmp_path: Path, key: str) -> None:
    """Either key that engines write is read."""
    directory = tmp_path / "a-1.0-0"
    (directory / "info").mkdir(parents=True)
    (directory / "info/index.json").write_text("{}")
    document = {key: str(directory)} if key != "source" else {"link": {key: str(directory)}}
    write_prefix_record(tmp_path / "prefix", document)
    assert {"a-1.0-0": directory} == extracted_directories(tmp_path / "prefix", [record("a")])


def write_prefix_record(prefix: Path, document: object) -> None:
    """A prefix record of `a`, as an engine leaves it."""
    (prefix / "conda-meta").mkdir(parents=True)
    (prefix / "conda-meta/a-1.0-0.json").write_text(json.dumps(document))


@pytest.mark.parametrize(
    "document", [{}, [], {"link": None}, {"link": {"source": "/nowhere"}}, {"link": {"source": 1}}]
)
def test_a_prefix_record_that_does_not_say(tmp_path: Path, document: object) -> None:
    """An engine that leaves no record, or no trace of the package cache, is named as the cause."""
    with pytest.raises(EngineFailedError, match=r"left no prefix record of a-1\.0-0"):
        extracted_directories(tmp_path, [record("a")])
    write_prefix_record(tmp_path, document)
    with pytest.raises(EngineFailedError, match=r"does not say where a-1\.0-0 lies"):
        extracted_directories(tmp_path, [record("a")])
