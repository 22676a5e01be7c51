"""A web server on loopback that answers as it is told, for tests.

    with serve({"/noarch/repodata.json": Answer(b"{}")}) as url: ...
    with serve_directory(path) as url: ...

Whatever it is not told of is a 404. `url` has no trailing slash.
"""

import functools
import http.server
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Answer", "Silent", "listening", "running", "serve", "serve_directory"]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; `status` 200 means that `body` is what was asked for."""

    body: bytes
    content_type: str = "application/json"
    status: int = 200


class Silent(http.server.SimpleHTTPRequestHandler):
    """Serves a directory without a word."""

    def log_message(self, *_arguments: object) -> None:
        """Nothing."""


class _Told(Silent):
    """Answers from a table; a missing path is answered by the entry `*`, if there is one."""

    def __init__(
        self, answers: Mapping[str, Answer], *arguments: object, **options: object
    ) -> None:
        self._answers = answers
        super().__init__(*arguments, **options)

    def do_GET(self) -> None:
        """Answer."""
        missing = self._answers.get("*", Answer(b"", status=404))
        answer = self._answers.get(self.path, missing)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(answer.body)

    do_HEAD = do_GET  # noqa: N815  # the name that http.server looks for


class _Server(http.server.ThreadingHTTPServer):
    """Does not tell of clients that hang up."""

    def handle_error(self, *_arguments: object) -> None:
        """Nothing."""


@contextmanager
def serve(answers: Mapping[str, Answer]) -> Iterator[str]:
    """The URL of a server that gives `answers` (path → answer, `*` for all others)."""
    with running(functools.partial(_Told, answers)) as url:
        yield url


@contextmanager
def serve_directory(directory: Path) -> Iterator[str]:
    """The URL of a server of the files below `directory`."""
    with running(functools.partial(Silent, directory=str(directory))) as url:
        yield url


@contextmanager
def running(handler: object) -> Iterator[str]:
    """The URL of a server whose requests `handler` answers."""
    with listening(_Server(("127.0.0.1", 0), handler)) as url:
        yield url


@contextmanager
def listening(server: http.server.HTTPServer) -> Iterator[str]:
    """The URL of `server`, which answers until the block ends."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
