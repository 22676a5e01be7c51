"""Getting micromamba."""

from pathlib import Path

import pytest

from lading.conda.names import Platform
from lading.engine.bootstrap import DIGESTS, BootstrapPlan, apply_bootstrap, plan_bootstrap
from lading.errors import DigestMismatchError, FetchError, UsageError
from lading.system.digest import sha256_of
from simulators.faults import Fault, serve_faults

PROGRAM = b"#!/bin/sh\necho 2.8.1\n" + b"#" * 400_000
DIGEST = sha256_of(PROGRAM)


def plan(root: Path, source: str = "", **more: object) -> BootstrapPlan:
    """A plan to get the program from `source`."""
    values: dict[str, object] = {"source": source, "sha256": DIGEST}
    return plan_bootstrap(Platform.LINUX_64, root / "bin/micromamba", **(values | more))


def test_the_table_has_every_platform(tmp_path: Path) -> None:
    """One version, one executable a platform, each at the official location."""
    names = {"linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64"}
    assert names == {str(platform) for platform in DIGESTS}
    plans = [plan_bootstrap(platform, tmp_path) for platform in DIGESTS]
    for platform, planned in zip(DIGESTS, plans, strict=True):
        assert planned.version == "2.8.1"
        assert planned.url.startswith("https://github.com/mamba-org/micromamba-releases/")
        assert planned.url.endswith(f"/2.8.1-0/micromamba-{platform}")
    assert len(DIGESTS) == len({planned.sha256 for planned in plans})


def test_without_a_digest_nothing_is_downloaded(tmp_path: Path) -> None:
    """A digest is not invented: it is asked for."""
    with pytest.raises(UsageError, match="no digest is known for file:///m") as caught:
        plan_bootstrap(Platform.LINUX_S390X, tmp_path / "m", source="file:///m")
    assert "--sha256" in caught.value.hint


def test_a_platform_without_release(tmp_path: Path) -> None:
    """What is not in the table must be named."""
    with pytest.raises(UsageError, match="no micromamba is known for linux-s390x"):
        plan_bootstrap(Platform.LINUX_S390X, tmp_path / "m")


def test_it_is_made_executable(tmp_path: Path) -> None:
    """What has the right digest may be executed, and nothing lies beside it."""
    copy = tmp_path / "copy"
    copy.write_bytes(PROGRAM)
    wanted = plan(tmp_path, copy.as_uri())
    apply_bootstrap(wanted, {})
    assert (PROGRAM, 0o755, ["micromamba"]) == (
        wanted.target.read_bytes(),
        wanted.target.stat().st_mode & 0o777,
        [path.name for path in wanted.target.parent.iterdir()],
    )
    assert plan(tmp_path, copy.as_uri()).is_current


def test_a_wrong_digest_is_refused(tmp_path: Path) -> None:
    """What has another digest is never executable, and the old one stays."""
    target = tmp_path / "bin/micromamba"
    target.parent.mkdir()
    target.write_bytes(b"old")
    with (
        serve_faults({"/m": PROGRAM}, always=Fault.WRONG) as server,
        pytest.raises(DigestMismatchError),
    ):
        apply_bootstrap(plan(tmp_path, f"{server.url}/m"), {})
    assert [("micromamba", b"old", 0o644)] == [
        (path.name, path.read_bytes(), path.stat().st_mode & 0o777)
        for path in target.parent.iterdir()
    ]


def test_an_interrupted_download_goes_on(tmp_path: Path) -> None:
    """What was read before is not asked for again."""
    part = tmp_path / f"bin/.fetch-{DIGEST.hex}"
    part.parent.mkdir()
    part.write_bytes(PROGRAM[:1000])
    with serve_faults({"/m": PROGRAM}) as server:
        apply_bootstrap(plan(tmp_path, f"{server.url}/m"), {})
    assert [("/m", "bytes=1000-")] == server.asked


def test_without_a_network_the_embedded_engine_serves(tmp_path: Path) -> None:
    """Who cannot reach the release is told what to do."""
    with pytest.raises(FetchError, match="micromamba cannot be downloaded") as caught:
        apply_bootstrap(plan(tmp_path, "file:///nowhere"), {})
    assert "use the embedded engine" in caught.value.hint
