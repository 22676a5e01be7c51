"""Secrets in URLs of tarballs, archives and locks: whatever fails, they are not told."""

import json
import shutil
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from simulators.channel import ChannelSimulator
from simulators.command import at_once, lading
from simulators.engines import small_channel
from simulators.guarded import (
    SECRET,
    TOKEN,
    guarded,
    host_of,
    leaks_of,
    places,
    project_of,
)
from simulators.webserver import Silent, running


class Broken(Silent):
    """Answers every request with an error that clients try again."""

    def do_GET(self) -> None:  # noqa: N802  # likewise
        """Answer that it is busy."""
        self.send_response(503)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815  # likewise


class Cut(Silent):
    """Ends every answer before its end."""

    def do_GET(self) -> None:  # noqa: N802  # likewise
        """Promise more than is sent."""
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"x")


class Denied(Silent):
    """Lets nobody in."""

    def do_GET(self) -> None:  # noqa: N802  # likewise
        """Answer 403."""
        self.send_error(403)


PLAIN = "https://x.invalid"

SECRET_URLS = (
    f"http://someone:{SECRET}@HOST/x.tar.zst",
    f"http://HOST/t/{SECRET}/x.tar.zst",
    f"http://HOST/api/t/{SECRET}/x.tar.zst",
    f"http://HOST/x.tar.zst?X-Amz-Signature={SECRET}",
    f"http://HOST/x.tar.zst?sig={SECRET}&token={SECRET}",
)


def test_unpacking_a_url_that_fails(tmp_path: Path) -> None:
    """No way to fail tells the secret, to a person or to a program."""
    with ExitStack() as stack:
        hosts = [
            host_of(stack.enter_context(running(partial(guard, directory=str(tmp_path)))))
            for guard in (Broken, Cut, Denied)
        ]
        outcomes = at_once(
            partial(lading, ["-v", "--json", "unpack", url.replace("HOST", host), "env"], tmp_path)
            for url in SECRET_URLS
            for host in (*hosts, "127.0.0.1:9")
        )
    assert all(item.code != 0 and item.is_plain_error for item in outcomes), outcomes
    assert leaks_of(tmp_path, outcomes) == []


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> tuple[ChannelSimulator, Path]:
    """A channel, and a project that was locked from it; nothing may write into it."""
    root = tmp_path_factory.mktemp("locked")
    channel = small_channel(root / "served" / "channel")
    project = project_of(root, f"name: x\nchannels: [{PLAIN}]\ndependencies: [library]\n")
    write_mirror(project, PLAIN, channel.url)
    assert lading(["lock", "-p", "linux-64"], project).code == 0
    return channel, project


def write_mirror(project: Path, canonical: str, location: str) -> None:
    """Let the project read a channel from elsewhere."""
    text = f"[mirrors]\n{json.dumps(canonical)} = [{json.dumps(location)}]\n"
    (project / "lading.toml").write_text(text)


def test_fetching_that_fails(tmp_path: Path, locked: tuple[ChannelSimulator, Path]) -> None:
    """Retries of libraries are not printed; errors name the plain URL."""
    channel, project = locked
    commands = []
    with ExitStack() as stack:
        for guard in (Broken, Cut, Denied):
            url = stack.enter_context(guarded(channel, guard))
            for way in ("source password", "source token", "source token below a path"):
                copy = shutil.copytree(project, tmp_path / f"{guard.__name__} {way}")
                write_mirror(copy, PLAIN, places(url, tmp_path, way)[0])
                commands.append(partial(lading, ["-v", "fetch", "x"], copy))
                if guard is Denied or way == "source password":
                    commands.append(partial(lading, ["-v", "lock", "-p", "linux-64"], copy))
        outcomes = at_once(commands)
    assert all(item.code == 6 and item.is_plain_error for item in outcomes), outcomes
    for settings in tmp_path.glob("*/lading.toml"):
        settings.unlink()
    assert leaks_of(tmp_path, outcomes) == []


@pytest.mark.parametrize("part", [f"someone:{SECRET}@", f"t/{SECRET}/", f"api/t/{SECRET}/"])
def test_a_lock_of_somebody_else(tmp_path: Path, part: str) -> None:
    """The credentials in a foreign lock reach no output of any command."""
    simulator = small_channel(tmp_path / "channel")
    plain, secret = "https://host.invalid/chan", f"https://host.invalid/{part}chan"
    if "@" in part:
        secret = f"https://{part}host.invalid/chan"
    base = secret.replace(TOKEN, "") if "@" not in part else plain
    project = project_of(tmp_path, f"name: x\nchannels: ['{base}']\ndependencies: [library]\n")
    write_mirror(project, base, simulator.url)
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
    assert leaks_of(project, outcomes) == []
