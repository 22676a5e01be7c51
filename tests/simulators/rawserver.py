r"""A server on loopback that sends exactly the bytes it is told, for tests.

with serve_raw() as server:
    server.answers = [b"HTTP/1.1 200 OK\r\n\r\nhello"]
    server.url

After each answer the connection is closed; the last answer is given again and again.
"""

import socketserver
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

__all__ = ["RawServer", "serve_raw"]

LONGEST_REQUEST = 1 << 16


@dataclass(slots=True)
class RawServer:
    """What a server answers: the first request gets the first of `answers`, and so on."""

    url: str
    answers: Sequence[bytes] = (b"",)
    asked: int = 0


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        told = self.server.told
        request = b""
        with suppress(OSError):
            while b"\r\n\r\n" not in request and len(request) < LONGEST_REQUEST:
                chunk = self.request.recv(LONGEST_REQUEST)
                if not chunk:
                    return
                request += chunk
            answer = told.answers[min(told.asked, len(told.answers) - 1)]
            told.asked += 1
            self.request.sendall(answer)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    told: RawServer

    def handle_error(self, *_arguments: object) -> None:
        """Nothing: clients hang up."""


@contextmanager
def serve_raw() -> Iterator[RawServer]:
    """A running server."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.told = RawServer(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server.told
        finally:
            server.shutdown()
            thread.join()


class Sink:
    """A sink in memory."""

    def __init__(self, data: bytes = b"") -> None:
        """It holds `data` already."""
        self.data = data

    @property
    def size(self) -> int:
        """How many bytes it holds."""
        return len(self.data)

    def write(self, data: bytes) -> None:
        """Take more."""
        self.data += data

    def restart(self) -> None:
        """Forget all."""
        self.data = b""
