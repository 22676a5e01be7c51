"""Channels that want a token in a header, which stands in no URL."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulators.command import lading
from simulators.engines import small_channel
from simulators.guarded import SECRET, Bearing, guarded, host_of, leaks_of

MICROMAMBA = os.environ.get("LADING_MICROMAMBA") or shutil.which("micromamba") or ""


@pytest.fixture
def bearing(tmp_path: Path) -> Iterator[str]:
    """The URL of a channel that demands a bearer token."""
    with guarded(small_channel(tmp_path / "served" / "channel"), Bearing) as url:
        yield url


def _bearer_project(url: str, root: Path, token: str = SECRET) -> tuple[Path, dict[str, str]]:
    """A project with a channel at `url`, and the variables that tell of the token for its host."""
    project = root / "project"
    project.mkdir()
    source = f"name: x\nchannels: ['{url}']\ndependencies: [library]\n"
    (project / "environment.yml").write_text(source)
    (root / "auth.json").write_text(json.dumps({host_of(url): {"BearerToken": token}}))
    return project, {"RATTLER_AUTH_FILE": str(root / "auth.json")}


def test_bearer_token(bearing: str, tmp_path: Path) -> None:
    """A channel behind a bearer token is locked, fetched, installed and packed; none is written."""
    project, variables = _bearer_project(bearing, tmp_path)
    commands = (
        ["lock", "-p", "linux-64"],
        ["lock", "-p", "linux-64", "--update-all"],
        ["fetch", "x"],
        ["install", "x"],
        ["pack", "x", "--format", "tar"],
    )
    outcomes = [lading(["-v", *command], project, variables) for command in commands]
    assert [0] * len(commands) == [item.code for item in outcomes], outcomes
    text = (project / "locks/x/linux-64.conda-lock.yml").read_text()
    assert f"url: {bearing}/linux-64/library-2.0-0.tar.bz2" in text
    assert leaks_of(project, outcomes) == []


@pytest.mark.parametrize("token", ["", f"{SECRET}-of-yesterday"])
def test_wrong_bearer_token(bearing: str, tmp_path: Path, token: str) -> None:
    """Without the right token the channel is not read, and the wrong one is not told."""
    project, variables = _bearer_project(bearing, tmp_path, token)
    outcome = lading(["-v", "lock", "-p", "linux-64"], project, variables)
    assert (outcome.code, outcome.is_plain_error) == (6, True), outcome.stderr
    assert leaks_of(project, [outcome]) == []


def test_bearer_token_of_another_host(bearing: str, tmp_path: Path) -> None:
    """A token is sent to its own host alone."""
    project, variables = _bearer_project(bearing, tmp_path)
    auth = {
        "other.invalid": {"BearerToken": SECRET},
        f"{host_of(bearing)}0": {"BearerToken": SECRET},
    }
    (tmp_path / "auth.json").write_text(json.dumps(auth))
    assert lading(["lock", "-p", "linux-64"], project, variables).code == 6


@pytest.mark.micromamba
@pytest.mark.skipif(not MICROMAMBA, reason="there is no micromamba on this machine")
def test_bearer_token_and_micromamba(bearing: str, tmp_path: Path) -> None:
    """micromamba, which would need it in a file, is not asked; the other engine is named."""
    project, variables = _bearer_project(bearing, tmp_path)
    engine = {"LADING_ENGINE": "micromamba", "LADING_MICROMAMBA": MICROMAMBA}
    outcome = lading(["lock", "-p", "linux-64"], project, variables | engine)
    assert (outcome.code, outcome.is_plain_error) == (5, True), outcome.stderr
    assert "--engine embedded" in outcome.stderr
    assert leaks_of(project, [outcome]) == []
