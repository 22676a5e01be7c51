"""Channels behind a password or a token: they are read, and the secret is written nowhere."""

import base64
import contextlib
import functools
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from simulators.channel import ChannelSimulator
from simulators.command import Outcome, lading, start
from simulators.engines import small_channel
from simulators.webserver import Silent, running

MICROMAMBA = os.environ.get("LADING_MICROMAMBA") or shutil.which("micromamba") or ""
SECRET = "s3cr3t-w0rd"  # noqa: S105  # the subject of these tests
TOKEN = f"/t/{SECRET}"
BASIC = base64.b64encode(f"someone:{SECRET}".encode()).decode()


class _Guarded(Silent):
    """Serves a directory to those who know the secret, in the header or as token."""

    def do_GET(self) -> None:  # noqa: N802  # the name that http.server looks for
        """Answer 401 to everybody else."""
        if TOKEN in self.path:
            self.path = self.path.replace(TOKEN, "")
        elif self.headers.get("Authorization") != f"Basic {BASIC}":
            self.send_error(401)
            return
        super().do_GET()

    def do_HEAD(self) -> None:  # noqa: N802  # likewise
        """Likewise."""
        self.path = self.path.replace(TOKEN, "")
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
    with running(functools.partial(guard, directory=str(channel.root.parent.parent))) as url:
        yield f"{url}/{channel.root.parent.name}/{channel.root.name}"


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
        case "source token below a path":
            return url.replace("/channel", f"{TOKEN}/channel"), {}
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
        "source token below a path",
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


def _project(root: Path, source: str) -> Path:
    project = root / "project"
    project.mkdir()
    (project / "environment.yml").write_text(source)
    return project


@pytest.mark.parametrize(
    "line",
    [
        "channels: ['https://someone:pass/{secret}@host.invalid/chan']",
        "channels: ['https://someone:pass#{secret}@host.invalid/chan']",
        "channels: ['https://someone:pass {secret}@host.invalid/chan']",
        "channels: ['https://[someone:{secret}@host.invalid/chan']",
        "dependencies: [{{pip: ['--extra-index-url https://someone:{secret}@host.invalid/x']}}]",
        "dependencies: [{{pip: ['--index-url=https://someone:{secret}@host.invalid/x']}}]",
        "dependencies: [{{pip: ['-f https://host.invalid/t/{secret}/x']}}]",
        "dependencies: [{{pip: ['x @ https://someone:{secret}@host.invalid/x.zip']}}]",
        "dependencies: ['https://someone:{secret}@host.invalid/chan::library']",
    ],
)
def test_a_source_that_is_refused(tmp_path: Path, line: str) -> None:
    """What cannot be read, or not be used, is refused and not repeated."""
    lines = ["name: x", "channels: [x]", "dependencies: [library, python]"]
    written = line.format(secret=SECRET)
    lines = [written if item.split(":")[0] == written.split(":")[0] else item for item in lines]
    project = _project(tmp_path, "\n".join(lines) + "\n")
    (project / "lading.toml").write_text('[mirrors]\n"https://conda.anaconda.org/x" = ["none"]\n')
    outcomes = [
        lading([*options, "lock", "-p", "linux-64"], project)
        for options in ([], ["-v"], ["--json"])
    ]
    assert all(item.code in {3, 4, 6} and item.is_plain_error for item in outcomes), outcomes
    assert _leaks(project, outcomes) == []


class _Broken(Silent):
    """Answers every request with an error that clients try again."""

    def do_GET(self) -> None:  # noqa: N802  # likewise
        """Answer that it is busy."""
        self.send_response(503)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815  # likewise


class _Cut(Silent):
    """Ends every answer before its end."""

    def do_GET(self) -> None:  # noqa: N802  # likewise
        """Promise more than is sent."""
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"x")


class _Denied(Silent):
    """Lets nobody in."""

    def do_GET(self) -> None:  # noqa: N802  # likewise
        """Answer 403."""
        self.send_error(403)


SECRET_URLS = (
    f"http://someone:{SECRET}@HOST/x.tar.zst",
    f"http://HOST/t/{SECRET}/x.tar.zst",
    f"http://HOST/api/t/{SECRET}/x.tar.zst",
    f"http://HOST/x.tar.zst?X-Amz-Signature={SECRET}",
    f"http://HOST/x.tar.zst?sig={SECRET}&token={SECRET}",
)


def _at_once(calls: Iterable[Callable[[], Outcome]]) -> list[Outcome]:
    """The outcomes of commands that mostly wait before they try again."""
    with ThreadPoolExecutor(8) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


@pytest.mark.parametrize("guard", [_Broken, _Cut, _Denied, None])
def test_unpacking_a_url_that_fails(tmp_path: Path, guard: type[Silent] | None) -> None:
    """No way to fail tells the secret, to a person or to a program."""
    with running(functools.partial(guard or _Broken, directory=str(tmp_path))) as server:
        host = "127.0.0.1:9" if guard is None else _host(server)
        outcomes = _at_once(
            functools.partial(
                lading, ["-v", "--json", "unpack", url.replace("HOST", host), "env"], tmp_path
            )
            for url in SECRET_URLS
        )
    assert all(item.code != 0 and item.is_plain_error for item in outcomes), outcomes
    assert _leaks(tmp_path, outcomes) == []


@pytest.mark.parametrize("guard", [_Broken, _Cut, _Denied])
def test_fetching_that_fails(tmp_path: Path, guard: type[Silent]) -> None:
    """Retries of libraries are not printed; errors name the plain URL."""
    simulator = small_channel(tmp_path / "served" / "channel")
    ways = ("source password", "source token", "source token below a path")
    projects = []
    with _guarded(simulator, guard) as url:
        for way in ways:
            (tmp_path / way).mkdir()
            source = "name: x\nchannels: [https://x.invalid]\ndependencies: [library]\n"
            project = _project(tmp_path / way, source)
            mirror = f'[mirrors]\n"https://x.invalid" = [{json.dumps(simulator.url)}]\n'
            (project / "lading.toml").write_text(mirror)
            assert lading(["lock", "-p", "linux-64"], project).code == 0
            written, _ = _places(url, tmp_path, way)
            mirror = f'[mirrors]\n"https://x.invalid" = [{json.dumps(written)}]\n'
            (project / "lading.toml").write_text(mirror)
            projects.append(project)
        outcomes = _at_once(
            functools.partial(lading, ["-v", *command], project)
            for project in projects
            for command in (["fetch", "x"], ["lock", "-p", "linux-64"])
        )
    assert all(item.code == 6 and item.is_plain_error for item in outcomes), outcomes
    for project in projects:
        (project / "lading.toml").unlink()
    assert _leaks(tmp_path, outcomes) == []


@pytest.mark.parametrize("part", [f"someone:{SECRET}@", f"t/{SECRET}/", f"api/t/{SECRET}/"])
def test_a_lock_of_somebody_else(tmp_path: Path, part: str) -> None:
    """The credentials in a foreign lock reach no output of any command."""
    simulator = small_channel(tmp_path / "channel")
    plain, secret = "https://host.invalid/chan", f"https://host.invalid/{part}chan"
    if "@" in part:
        secret = f"https://{part}host.invalid/chan"
    base = secret.replace(TOKEN, "") if "@" not in part else plain
    project = _project(tmp_path, f"name: x\nchannels: ['{base}']\ndependencies: [library]\n")
    mirrors = f"[mirrors]\n{json.dumps(base)} = [{json.dumps(simulator.url)}]\n"
    (project / "lading.toml").write_text(mirrors)
    assert lading(["lock", "-p", "linux-64"], project).code == 0
    lock = project / "locks/x/linux-64.conda-lock.yml"
    foreign = lock.read_text().replace(base, secret)
    assert SECRET in foreign
    (tmp_path / "conda-lock.yml").write_text(foreign)
    lock.write_text(foreign)
    commands = (
        ["install", "x"],
        ["pack", "x", "--format", "tar"],
        ["verify", "x"],
        ["fetch", "x"],
        ["mirror", "x", "mirror"],
        ["export", "x"],
        ["export", "x", "--environment-yml"],
        ["export", "x", "--unified", "-o", "unified.yml"],
        ["diff", str(tmp_path / "conda-lock.yml"), "x"],
        ["tree"],
        ["why", "library"],
        ["graph"],
        ["lock", "--check"],
        ["lock", "-p", "linux-64", "--from-conda-lock", str(tmp_path / "conda-lock.yml")],
    )
    outcomes = [lading(["-v", *command], project) for command in commands]
    outcomes += [lading(["--json", *command], project) for command in commands[2:4]]
    assert all(item.code in {0, 1} for item in outcomes), outcomes
    assert _leaks(project, outcomes) == []


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="there is no /proc")
@pytest.mark.parametrize("engine", ["embedded", "micromamba"])
@pytest.mark.parametrize("way", ["source password", "source token"])
def test_arguments_of_children(channel: str, tmp_path: Path, way: str, engine: str) -> None:
    """What everybody on the machine can see of a running process holds no secret."""
    if engine == "micromamba" and not MICROMAMBA:
        pytest.skip("there is no micromamba on this machine")
    written, _ = _places(channel, tmp_path, way)
    source = f"name: x\nchannels: ['{written}']\ndependencies: ['{written}::library']\n"
    project = _project(tmp_path, source)
    variables = {"LADING_ENGINE": engine, "LADING_MICROMAMBA": MICROMAMBA}
    seen = set()
    with start(["lock", "-p", "linux-64"], project, variables) as child:
        while child.poll() is None:
            seen |= _arguments(child.pid)
        output = "".join(child.communicate())
    assert child.returncode == 0, output
    assert [] == [line for line in seen if SECRET.encode() in line]
    assert SECRET not in output
    assert engine == "embedded" or any(b"--dry-run" in line for line in seen)


def _arguments(root: int) -> set[bytes]:
    """The arguments of a process and of all that it started; other tests run beside this one."""
    parents, lines = {}, {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            # What follows the name, which may hold anything: state, parent (proc_pid_stat(5)).
            parents[int(path.name)] = int(
                (path / "stat").read_bytes().rpartition(b")")[2].split()[1]
            )
            lines[int(path.name)] = (path / "cmdline").read_bytes()
    family = {root}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return {lines[pid] for pid in family if pid in lines}


class _Slow(_Guarded):
    """Answers for one subdir, and for the other one not in time."""

    def do_GET(self) -> None:  # noqa: N802  # likewise
        """Wait before the packages of linux-64 are sent."""
        if "/linux-64/" in self.path:
            time.sleep(20)
        super().do_GET()


def test_a_killed_run(tmp_path: Path) -> None:
    """What it kept of a channel with a secret is private, and the next run removes it."""
    simulator = small_channel(tmp_path / "served" / "channel")
    project = tmp_path / "project"
    project.mkdir()
    source = "name: x\nchannels: ['{}']\ndependencies: [library]\n"
    command = ["lock", "-p", "linux-64"]
    with _guarded(simulator, _Slow) as url:
        written, _ = _places(url, tmp_path, "source token")
        (project / "environment.yml").write_text(source.format(written))
        with start(command, project) as child:
            deadline = time.monotonic() + 15
            while not _leaks(project, []) and time.monotonic() < deadline:
                time.sleep(0.1)
            child.kill()
            child.communicate()
        leaks = _leaks(project, [])
        assert leaks
        for leak in leaks:
            hidden = next(path for path in Path(leak).parents if ".lading-" in path.name)
            assert 0o700 == hidden.stat().st_mode & 0o777
    (project / "environment.yml").write_text(source.format(simulator.url))
    again = lading(command, project)
    assert (0, []) == (again.code, _leaks(project, [again])), again
