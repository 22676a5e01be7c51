"""Web servers on loopback that want a password or a token, and looking for what leaked."""

import base64
import functools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from simulators.channel import ChannelSimulator
from simulators.command import Outcome
from simulators.webserver import Silent, running

USER = "someone"
PASSWORD = SECRET = "s3cr3t-w0rd"  # noqa: S105  # the subject of these tests
TOKEN = f"/t/{SECRET}"
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


class Guarded(Silent):
    """Serves a directory to those who know the password."""

    def do_GET(self) -> None:  # noqa: N802  # the name that http.server looks for
        """Answer 401 to everybody else."""
        if self.headers.get("Authorization") == f"Basic {BASIC}":
            super().do_GET()
        else:
            self.send_error(401)

    do_HEAD = do_GET  # noqa: N815  # likewise


class TokenGuarded(Silent):
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


class Bearing(Silent):
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
def guarded(channel: ChannelSimulator, guard: type[Silent] = TokenGuarded) -> Iterator[str]:
    """The URL of a channel behind `guard`."""
    with running(functools.partial(guard, directory=str(channel.root.parent.parent))) as url:
        yield f"{url}/{channel.root.parent.name}/{channel.root.name}"


def host_of(url: str) -> str:
    """Host and port of a URL."""
    return url.split("/")[2]


def places(url: str, home: Path, way: str) -> tuple[str, dict[str, str]]:
    """The channel to write into the source, and the variables; the secret lies where `way` says."""
    host = host_of(url)
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


def leaks_of(project: Path, outcomes: list[Outcome]) -> list[str]:
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


def project_of(root: Path, source: str) -> Path:
    """A project with this environment file."""
    project = root / "project"
    project.mkdir()
    (project / "environment.yml").write_text(source)
    return project
