"""A web server on loopback that knows ranges and counts what it sends."""

import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

__all__ = ["CountingServer", "parse_range", "serving"]

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class CountingServer(http.server.ThreadingHTTPServer):
    """Counts the bytes of the bodies that it sends.

    Attributes:
        sent: Since it was last set to 0.
    """

    daemon_threads = True
    sent = 0

    def __init__(self, directory: Path) -> None:
        """A server of the files in `directory`, on a free port of loopback."""
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(directory)))
        self._counting = threading.Lock()

    @property
    def url(self) -> str:
        """Without a trailing slash."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def add(self, count: int) -> None:
        """Count `count` bytes more."""
        with self._counting:
            self.sent += count


@contextmanager
def serving(directory: Path) -> Iterator[CountingServer]:
    """A running server of the files in `directory`."""
    with CountingServer(directory) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """The first byte and the one behind the last, of a `Range` header; None without a good one."""
    match = _RANGE.fullmatch(header)
    if match is None:
        return None
    first, last = match.groups()
    if first:
        start, end = int(first), min(int(last) + 1, size) if last else size
    else:
        # So many bytes from the end.
        start, end = max(0, size - int(last or 0)), size
    return (start, end) if start < end else None


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Sends files, whole or in part, over connections that stay open."""

    protocol_version = "HTTP/1.1"

    disable_nagle_algorithm = True
    """As web servers have it: else a short body waits 40 ms until its header was acknowledged."""

    def log_message(self, *_arguments: object) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        """Send what is asked for."""
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        size = path.stat().st_size
        part = parse_range(self.headers.get("Range", ""), size)
        start, end = part or (0, size)
        self.send_response(206 if part else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(end - start))
        if part:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        self.end_headers()
        with path.open("rb") as stream:
            self._send(stream, start, end)

    def _send(self, stream: BinaryIO, start: int, end: int) -> None:
        self.connection.sendfile(stream, start, end - start)
        server = self.server
        if isinstance(server, CountingServer):
            server.add(end - start)
