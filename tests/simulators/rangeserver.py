"""A web server on loopback that counts what it sends, with or without ranges, for tests.

with serve_ranges({"/a.tar.zst": data}) as server:
    server.url, server.sent, server.ranges
"""

import http.server
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from simulators.webserver import listening

__all__ = ["RangeServer", "serve_ranges"]

_RANGE = re.compile(r"bytes=(\d*)-(\d+)")


@dataclass(slots=True)
class RangeServer:
    """What a server holds, how it behaves, and what it was asked for.

    Attributes:
        files: Path → content.
        knows_ranges: Whether it sends ranges; else it sends the whole file.
        is_chunked: Whether it sends bodies in chunks, without telling their length.
        statuses: What it answers at first, one a request, instead of what was asked for.
        authorization: Without this header it answers 401; None asks for nothing.
        url: Where it listens, without trailing slash.
        ranges: (first byte, last byte) of each range that was asked for, in order.
        sent: Bytes of bodies that were sent.
    """

    files: Mapping[str, bytes]
    knows_ranges: bool = True
    is_chunked: bool = False
    statuses: list[int] = field(default_factory=list)
    authorization: str | None = None
    url: str = ""
    ranges: list[tuple[int, int]] = field(default_factory=list)
    sent: int = 0


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers for the `RangeServer` that its server carries."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        told: RangeServer = self.server.told
        data = told.files.get(self.path, b"")
        wanted = _wanted(self.headers.get("Range", ""), len(data))
        if wanted is not None:
            told.ranges.append(wanted)
        if told.statuses:
            self._send(told.statuses.pop(0), b"")
        elif told.authorization is not None and self.headers["Authorization"] != told.authorization:
            self._send(401, b"")
        elif self.path not in told.files:
            self._send(404, b"")
        elif wanted is None or not told.knows_ranges:
            self._send(200, data)
        else:
            body = data[wanted[0] : wanted[1] + 1]
            place = f"bytes {wanted[0]}-{wanted[0] + len(body) - 1}/{len(data)}"
            self._send(206, body, place)

    def _send(self, status: int, body: bytes, place: str = "") -> None:
        told: RangeServer = self.server.told
        self.send_response(status)
        if place:
            self.send_header("Content-Range", place)
        if told.is_chunked:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for start in range(0, len(body), 1000):
                piece = body[start : start + 1000]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        told.sent += len(body)

    def log_message(self, *_arguments: object) -> None:
        """Nothing."""


def _wanted(header: str, size: int) -> tuple[int, int] | None:
    """The first and the last byte that a `Range` header asks for, of a file of `size` bytes."""
    match = _RANGE.fullmatch(header)
    if match is None:
        return None
    if match[1]:
        return int(match[1]), int(match[2])
    return max(0, size - int(match[2])), size - 1


class _Server(http.server.ThreadingHTTPServer):
    """Does not tell of clients that hang up."""

    told: RangeServer

    def handle_error(self, *_arguments: object) -> None:
        """Nothing."""


@contextmanager
def serve_ranges(files: Mapping[str, bytes], **behaviour: object) -> Iterator[RangeServer]:
    """A running server of `files`; see `RangeServer` for its `behaviour`."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.told = RangeServer(files, **behaviour)
    with listening(server) as url:
        server.told.url = url
        yield server.told
