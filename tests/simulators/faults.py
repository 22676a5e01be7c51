"""A web server on loopback that misbehaves as it is told, for tests.

    with serve_faults({"/a.conda": data}, [Fault.DROP, Fault.BUSY]) as server:
        server.url, server.asked

The first request meets the first fault, and so on; later ones get what they ask for, ranges too.
"""

import http.server
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from simulators.webserver import listening

__all__ = ["Fault", "FaultyServer", "serve_faults"]

SLOW_SECONDS = 0.02
PIECES = 10

_RANGE = re.compile(r"bytes=(\d+)-")


class Fault(StrEnum):
    """How one answer is wrong."""

    BUSY = "status 503"
    DROP = "half of the body, then the connection is closed"
    HALF = "half of the body, as if it were all"
    NO_RANGES = "all of it, whatever was asked for"
    OTHER_RANGE = "a range that was not asked for"
    SLOW = "piece by piece"
    WRONG = "other bytes of the same length"


@dataclass(slots=True)
class FaultyServer:
    """What a server holds, and what it was asked for.

    Attributes:
        files: Path → content.
        faults: Of the next answers.
        url: Where it listens, without trailing slash.
        asked: Request target and `Range` header of each request.
        always: Of all answers after `faults`, or None.
    """

    files: Mapping[str, bytes]
    faults: list[Fault]
    always: Fault | None = None
    url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        told: FaultyServer = self.server.told
        given = self.headers.get("Range", "")
        told.asked.append((self.path, given))
        fault = told.faults.pop(0) if told.faults else told.always
        # A client that takes this server for a proxy asks for a whole URL.
        data = told.files.get("/" + self.path.split("/", 3)[3] if "://" in self.path else self.path)
        if data is None or fault is Fault.BUSY:
            self._send(404 if data is None else 503, b"")
            return
        if fault is Fault.WRONG:
            data = bytes(255 - byte for byte in data)
        elif fault is Fault.HALF:
            data = data[: len(data) // 2]
        wanted = _RANGE.fullmatch(given)
        start = int(wanted[1]) if wanted is not None and fault is not Fault.NO_RANGES else 0
        if start >= len(data) > 0:
            self._send(416, b"")
            return
        shown = start + 1 if fault is Fault.OTHER_RANGE else start
        headers = {"Content-Range": f"bytes {shown}-{len(data) - 1}/{len(data)}"} if start else {}
        self._send(206 if start else 200, data[start:], headers, fault)

    def _send(
        self,
        status: int,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        fault: Fault | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if fault is Fault.SLOW:
            size = len(body) // PIECES + 1
            for at in range(0, len(body), size):
                self.wfile.write(body[at : at + size])
                self.wfile.flush()
                time.sleep(SLOW_SECONDS)
        elif fault is Fault.DROP:
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.close_connection = True
        else:
            self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Nothing."""


class _Server(http.server.ThreadingHTTPServer):
    told: FaultyServer

    def handle_error(self, *_arguments: object) -> None:
        """Nothing: clients may hang up."""


@contextmanager
def serve_faults(
    files: Mapping[str, bytes], faults: Sequence[Fault] = (), always: Fault | None = None
) -> Iterator[FaultyServer]:
    """A running server of `files` that meets its first requests with `faults`."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.told = FaultyServer(files, list(faults), always)
    with listening(server) as url:
        server.told.url = url
        yield server.told
