"""`lading.lock.check` and `lading lock --check`: yes or no, without a solver."""

from dataclasses import replace
from pathlib import Path

import pytest

from lading.conda.names import Platform
from lading.errors import LockError
from lading.lock.check import CheckRequest, check_lock, locked_platforms
from lading.lock.model import lock_path
from lading.lock.requested import read_sources
from simulators.channel import CANONICAL
from simulators.command import lading
from simulators.engines import small_channel
from simulators.locking import LockProject

PROJECT = Path(__file__).parents[3]
PANGEO = "pangeo-notebook"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> LockProject:
    """A project that asks for `tool` and `library >=1`, locked for linux-64."""
    root = tmp_path_factory.mktemp("check")
    project = LockProject(root / "project", small_channel(root / "channel").url)
    project.write("tool", "library >=1")
    project.lock()
    return project


@pytest.fixture
def project(original: LockProject, tmp_path: Path) -> LockProject:
    """A copy of it."""
    copy = LockProject(tmp_path, original.location)
    copy.write("tool", "library >=1")
    path = lock_path(tmp_path, "service", Platform.LINUX_64)
    path.parent.mkdir(parents=True)
    path.write_bytes(lock_path(original.root, "service", Platform.LINUX_64).read_bytes())
    return copy


def _request(project: LockProject, *platforms: Platform) -> CheckRequest:
    asked = platforms or (Platform.LINUX_64,)
    sources = read_sources([project.source])
    requested = {platform: sources.on(platform) for platform in asked}
    return CheckRequest(name="service", directory=project.root, requested=requested)


def _found(request: CheckRequest) -> list[str]:
    return [f"{item.rule}: {item.subject}: {item.message}" for item in check_lock(request).findings]


def _edit(project: LockProject, old: str, new: str) -> None:
    path = lock_path(project.root, "service", Platform.LINUX_64)
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_fresh(project: LockProject) -> None:
    """What was just locked is fresh."""
    report = check_lock(_request(project))
    assert report.is_fresh
    assert report.packages == 3


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("library <2", f"spec: library <2: locked is 2.0 0 of {CANONICAL}"),
        ("library * h1_*", f"spec: library * h1_*: locked is 2.0 0 of {CANONICAL}"),
        ("missing", "spec: missing: it is not locked"),
    ],
)
def test_unsatisfied(project: LockProject, line: str, expected: str) -> None:
    """A spec that the lock does not answer is named with what is locked."""
    project.write("tool", line)
    assert [expected] == _found(_request(project))


def test_loosened(project: LockProject) -> None:
    """A spec that asks for less is still answered; only the content hash knows."""
    project.write("tool", "library")
    assert _found(_request(project)) == []
    request = _request(project)
    requested = replace(request.requested[Platform.LINUX_64], content_hash="0" * 64)
    [finding] = _found(replace(request, requested={Platform.LINUX_64: requested}))
    assert finding.startswith("hash: content_hash")


def test_surplus(project: LockProject) -> None:
    """What nothing asks for any more is named."""
    project.write("library")
    assert _found(_request(project)) == [
        "surplus: python 3.12.1: it is locked, and nothing asks for it",
        "surplus: tool 1.0: it is locked, and nothing asks for it",
    ]


def test_open(project: LockProject) -> None:
    """A dependency that is missing, or has a version that does not fit, is named."""
    _edit(project, "library: '>=1'", "library: <2\n    other: ''")
    assert _found(_request(project)) == [
        "closure: tool 1.0: it needs library <2, locked is 2.0",
        "closure: tool 1.0: it needs other, which is not locked",
    ]


def test_virtual_packages(project: LockProject) -> None:
    """Other virtual packages, or ones that are not enough, are named."""
    targeted = {Platform.LINUX_64: {"glibc": "2.17", "cuda": "12"}}
    request = replace(_request(project), virtual_packages=targeted)
    assert _found(request) == [
        "virtual: __cuda: asked for is 12, the lock targets none",
        "virtual: __glibc: asked for is 2.17, the lock targets 2.28",
    ]
    _edit(project, "__glibc=2.28=0 ", "")
    assert "closure: tool 1.0: it needs __glibc >=2.17, the lock targets none" in _found(
        _request(project)
    )


def test_channels(project: LockProject) -> None:
    """Other channels are named."""
    [finding] = _found(replace(_request(project), channels=("conda-forge",)))
    assert finding.startswith("channels: channels: asked for are https://conda.anaconda.org")


def test_platforms(project: LockProject) -> None:
    """A platform too few and one too many."""
    assert _found(_request(project, Platform.OSX_64)) == ["platform: osx-64: it is not locked"]
    request = replace(_request(project, Platform.OSX_64), all_platforms=True)
    assert "platform: linux-64: it is locked, and nothing asks for it" in _found(request)


def test_selectors(project: LockProject) -> None:
    """Lines for another platform ask for nothing here."""
    project.write("tool", "library >=1", "elsewhere  # [osx]")
    assert _found(_request(project)) == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("wheel ==1.0", "spec: pip: wheel ==1.0: it is not locked"),
        ("wheel; sys_platform == 'win32'", None),
        ("wheel; platform_machine == 'x86_64'", "it is not locked"),
    ],
)
def test_requirements(project: LockProject, line: str, expected: str | None) -> None:
    """A pip requirement is looked up where its marker holds."""
    project.write("tool", "library >=1")
    text = project.source.read_text()
    project.source.write_text(f'{text}  - pip:\n    - "{line}"\n')
    found = [item for item in _found(_request(project)) if "pip: wheel" in item]
    assert bool(found) is (expected is not None)
    assert expected is None or expected in found[0]


def test_broken_lock(project: LockProject) -> None:
    """A lock that cannot be read is an error, not a no."""
    _edit(project, "package:\n", "package:\n<<<<<<< HEAD\n")
    with pytest.raises(LockError, match="merge conflict markers"):
        check_lock(_request(project))


def test_published_locks_are_fresh() -> None:
    """The committed locks answer their sources: 800 packages for each of 4 platforms."""
    paths = [PROJECT / "examples" / PANGEO / name for name in ("base.yml", "environment.yml")]
    sources = read_sources(paths)
    requested = {platform: sources.on(platform) for platform in locked_platforms(PROJECT, PANGEO)}
    report = check_lock(CheckRequest(name=PANGEO, directory=PROJECT, requested=requested))
    assert report.findings == ()
    assert len(report.platforms) == 4
    assert report.packages > 3000


def test_command(project: LockProject) -> None:
    """Exit code 0 and yes, exit code 1 and no with the spec; JSON likewise; nothing is written."""
    yes = lading(["lock", "--check", "-n", "service"], project.root)
    assert (yes.code, yes.stdout[:4]) == (0, "yes:")
    project.write("tool", "library <2")
    no = lading(["--json", "lock", "--check", "-n", "service"], project.root)
    assert no.code == 1
    assert '"subject":"library <2"' in no.stdout
    assert not (project.root / ".lading").exists()
