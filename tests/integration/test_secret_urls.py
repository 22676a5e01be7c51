"""Secrets in URLs of tarballs, archives and locks: whatever fails, they are not told."""

import functools
import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from simulators.command import Outcome, lading
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


SECRET_URLS = (
    f"http://someone:{SECRET}@HOST/x.tar.zst",
    f"http://HOST/t/{SECRET}/x.tar.zst",
    f"http://HOST/api/t/{SECRET}/x.tar.zst",
    f"http://HOST/x.tar.zst?X-Amz-Signature={SECRET}",
    f"http://HOST/x.tar.zst?sig={SECRET}&token={SECRET}",
)


def at_once(calls: Iterable[Callable[[], Outcome]]) -> list[Outcome]:
    """The outcomes of commands that mostly wait before they try again."""
    with ThreadPoolExecutor(8) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


@pytest.mark.parametrize("guard", [Broken, Cut, Denied, None])
def test_unpacking_a_url_that_fails(tmp_path: Path, guard: type[Silent] | None) -> None:
    """No way to fail tells the secret, to a person or to a program."""
    with running(functools.partial(guard or Broken, directory=str(tmp_path))) as server:
        host = "127.0.0.1:9" if guard is None else host_of(server)
        outcomes = at_once(
            functools.partial(
                lading, ["-v", "--json", "unpack", url.replace("HOST", host), "env"], tmp_path
            )
            for url in SECRET_URLS
        )
    assert all(item.code != 0 and item.is_plain_error for item in outcomes), outcomes
    assert leaks_of(tmp_path, outcomes) == []


@pytest.mark.parametrize("guard", [Broken, Cut, Denied])
def test_fetching_that_fails(tmp_path: Path, guard: type[Silent]) -> None:
    """Retries of libraries are not printed; errors name the plain URL."""
    simulator = small_channel(tmp_path / "served" / "channel")
    ways = ("source password", "source token", "source token below a path")
    projects = []
    with guarded(simulator, guard) as url:
        for way in ways:
            (tmp_path / way).mkdir()
            source = "name: x\nchannels: [https://x.invalid]\ndependencies: [library]\n"
            project = project_of(tmp_path / way, source)
            mirror = f'[mirrors]\n"https://x.invalid" = [{json.dumps(simulator.url)}]\n'
            (project / "lading.toml").write_text(mirror)
            assert lading(["lock", "-p", "linux-64"], project).code == 0
            written, _ = places(url, tmp_path, way)
            mirror = f'[mirrors]\n"https://x.invalid" = [{json.dumps(written)}]\n'
            (project / "lading.toml").write_text(mirror)
            projects.append(project)
        outcomes = at_once(
            functools.partial(lading, ["-v", *command], project)
            for project in projects
            for command in (["fetch", "x"], ["lock", "-p", "linux-64"])
        )
    assert all(item.code == 6 and item.is_plain_error for item in outcomes), outcomes
    for project in projects:
        (project / "lading.toml").unlink()
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
    assert leaks_of(project, outcomes) == []
