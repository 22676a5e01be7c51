"""Channels behind a password or a token: they are read, and the secret is written nowhere."""

import base64
import functools
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from simulators.channel import ChannelSimulator
from simulators.command import Outcome, lading
from simulators.engines import small_channel
from simulators.webserver import Silent, running

MICROMAMBA = os.environ.get("LADING_MICROMAMBA") or shutil.which("micromamba") or ""
SECRET = "s3cr3t-w0rd"  # noqa: S105  # the subject of these tests
BASIC = base64.b64encode(f"someone:{SECRET}".encode()).decode()


class _Guarded(Silent):
    """Serves a directory to those who know the secret, in the header or as token."""

    def do_GET(self) -> None:  # noqa: N802  # the name that http.server looks for
        """Answer 401 to everybody else."""
        token = f"/t/{SECRET}"
        if self.path.startswith(token):
            self.path = self.path.removeprefix(token)
        elif self.headers.get("Authorization") != f"Basic {BASIC}":
            self.send_error(401)
            return
        super().do_GET()

    def do_HEAD(self) -> None:  # noqa: N802  # likewise
        """Likewise."""
        self.path = self.path.removeprefix(f"/t/{SECRET}")
        super().do_HEAD()


class _Bearing(Silent):
    """Serves a directory to those who have the secret in a header of this kind, to nobody else."""

    def _is_known(self) -> bool:
        known = self.headers.get("Authorization") == f"Bearer {SECRET}"
        if not known:
            self.send_error(401)
        return known

    def do_GET(self) -> None:  # noqa: N802  # likewise
        """Answer 401 to everybody else."""
        if self._is_known():
            super().do_GET()

    def do_HEAD(self) -> None:  # noqa: N802  # likewise
        """Likewise."""
        if self._is_known():
            super().do_HEAD()


@contextmanager
def _guarded(channel: ChannelSimulator, guard: type[Silent] = _Guarded) -> Iterator[str]:
    with running(functools.partial(guard, directory=str(channel.root.parent))) as url:
        yield f"{url}/{channel.root.name}"


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[str]:
    """The URL of a guarded channel."""
    with _guarded(small_channel(tmp_path / "served" / "channel")) as url:
        yield url


def _host(url: str) -> str:
    return url.split("/")[2]


def _places(url: str, home: Path, way: str) -> tuple[str, dict[str, str]]:
    """The channel to write into the source, and the variables; the secret lies where `way` says."""
    host = _host(url)
    match way:
        case "source password":
            return url.replace("://", f"://someone:{SECRET}@"), {}
        case "source token":
            return url.replace(host, f"{host}/t/{SECRET}"), {}
        case "source variable":
            return url.replace("://", "://someone:${PASSWORD}@"), {"PASSWORD": SECRET}
        case "netrc":
            (home / ".netrc").write_text(f"machine 127.0.0.1 login someone password {SECRET}\n")
        case "condarc":
            alias = url.replace(host, f"{host}/t/{SECRET}").rpartition("/")[0]
            (home / ".condarc").write_text(f"channel_alias: {alias}\n")
        case _:
            kind = (
                {"CondaToken": SECRET}
                if way == "auth token"
                else {"BasicHTTP": {"username": "someone", "password": SECRET}}
            )
            (home / "auth.json").write_text(json.dumps({host: kind}))
            return url, {"RATTLER_AUTH_FILE": str(home / "auth.json")}
    return url, {}


def _leaks(project: Path, outcomes: list[Outcome]) -> list[str]:
    """Where the secret, plain or encoded, is found but in the source itself."""
    words = [SECRET.encode(), BASIC.encode()]
    found = [
        str(path)
        for path in project.rglob("*")
        if path.is_file() and path.name != "environment.yml"
        if any(word in path.read_bytes() for word in words)
    ]
    for number, outcome in enumerate(outcomes):
        text = (outcome.stdout + outcome.stderr).encode()
        found += [f"output {number}" for word in words if word in text]
    return found


@pytest.mark.parametrize(
    "way",
    [
        "source password",
        "source token",
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
    written, variables = _places(channel, home, way)
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
    assert _leaks(project, [outcome, checked]) == []


def test_install_and_pack(channel: str, tmp_path: Path) -> None:
    """A tarball of guarded packages holds the plain URLs."""
    project, home = tmp_path / "project", tmp_path / "home"
    project.mkdir()
    home.mkdir()
    written, variables = _places(channel, home, "netrc")
    source = f"name: x\nchannels: ['{written}']\ndependencies: [library]\n"
    (project / "environment.yml").write_text(source)
    outcomes = []
    for command in (["lock", "-p", "linux-64"], ["install", "x"], ["pack", "x", "--format", "tar"]):
        outcomes.append(lading(["-v", *command], project, {"HOME": str(home), **variables}))
        assert outcomes[-1].code == 0, outcomes[-1].stderr
    assert _leaks(project, outcomes) == []


@pytest.mark.micromamba
@pytest.mark.skipif(not MICROMAMBA, reason="there is no micromamba on this machine")
@pytest.mark.parametrize("way", ["source password", "source token"])
def test_micromamba(channel: str, tmp_path: Path, way: str) -> None:
    """The other engine writes it nowhere either."""
    project = tmp_path / "project"
    project.mkdir()
    written, _ = _places(channel, tmp_path, way)
    source = f"name: x\nchannels: ['{written}']\ndependencies: [library]\n"
    (project / "environment.yml").write_text(source)
    variables = {"LADING_ENGINE": "micromamba", "LADING_MICROMAMBA": MICROMAMBA}
    outcome = lading(["-v", "lock", "-p", "linux-64"], project, variables)
    assert outcome.code == 0, outcome.stderr
    assert _leaks(project, [outcome]) == []


@pytest.mark.parametrize("way", ["source password", "source token"])
def test_refused(channel: str, tmp_path: Path, way: str) -> None:
    """A wrong secret is told without the secret."""
    written, _ = _places(channel, tmp_path, way)
    wrong = written.replace(SECRET, f"{SECRET}-of-yesterday")
    source = f"name: x\nchannels: ['{wrong}']\ndependencies: [library]\n"
    (tmp_path / "project").mkdir()
    (tmp_path / "project/environment.yml").write_text(source)
    outcome = lading(["-v", "lock", "-p", "linux-64"], tmp_path / "project")
    assert outcome.code == 6
    assert outcome.is_plain_error
    assert _leaks(tmp_path / "project", [outcome]) == []


@pytest.fixture
def bearing(tmp_path: Path) -> Iterator[str]:
    """The URL of a channel that demands a bearer token."""
    with _guarded(small_channel(tmp_path / "served" / "channel"), _Bearing) as url:
        yield url


def _bearer_project(url: str, root: Path, token: str = SECRET) -> tuple[Path, dict[str, str]]:
    """A project with a channel at `url`, and the variables that tell of the token for its host."""
    project = root / "project"
    project.mkdir()
    source = f"name: x\nchannels: ['{url}']\ndependencies: [library]\n"
    (project / "environment.yml").write_text(source)
    (root / "auth.json").write_text(json.dumps({_host(url): {"BearerToken": token}}))
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
    assert _leaks(project, outcomes) == []


@pytest.mark.parametrize("token", ["", f"{SECRET}-of-yesterday"])
def test_wrong_bearer_token(bearing: str, tmp_path: Path, token: str) -> None:
    """Without the right token the channel is not read, and the wrong one is not told."""
    project, variables = _bearer_project(bearing, tmp_path, token)
    outcome = lading(["-v", "lock", "-p", "linux-64"], project, variables)
    assert (outcome.code, outcome.is_plain_error) == (6, True), outcome.stderr
    assert _leaks(project, [outcome]) == []


def test_bearer_token_of_another_host(bearing: str, tmp_path: Path) -> None:
    """A token is sent to its own host alone."""
    project, variables = _bearer_project(bearing, tmp_path)
    auth = {"other.invalid": {"BearerToken": SECRET}, f"{_host(bearing)}0": {"BearerToken": SECRET}}
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
    assert _leaks(project, [outcome]) == []


def test_unset_variable(channel: str, tmp_path: Path) -> None:
    """A variable that is not set is named."""
    written, _ = _places(channel, tmp_path, "source variable")
    source = f"name: x\nchannels: ['{written}']\ndependencies: [library]\n"
    (tmp_path / "environment.yml").write_text(source)
    outcome = lading(["lock", "-p", "linux-64"], tmp_path)
    assert outcome.code == 3
    assert "PASSWORD, which is not set" in outcome.stderr
