"""HTTP downloads that go wrong."""

import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from urllib.parse import urlsplit

import pytest

from lading.conda.channels import Credential, MirrorMap
from lading.errors import FetchError, LadingError
from lading.net.client import Part, Transport
from lading.net.retry_policy import RetryPolicy
from simulators.faults import Fault, serve_faults
from simulators.rangeserver import serve_ranges
from simulators.rawserver import Sink, serve_raw

DATA = bytes(range(256)) * 3000
QUICK = RetryPolicy(retries=2, backoff=0.01, connect=2, read=2)


def download(url: str, already: bytes = b"", environment: Mapping[str, str] | None = None) -> bytes:
    """What is there after a download to which `already` was there before."""
    sink = Sink(already)
    transport = Transport(environment or {}, QUICK)
    try:
        transport.download(url, sink)
    finally:
        transport.close()
    return sink.data


@pytest.mark.parametrize("fault", [Fault.BUSY, Fault.DROP, Fault.SLOW, Fault.OTHER_RANGE])
def test_a_fault_is_overcome(fault: Fault) -> None:
    """What fails for once is asked for again."""
    with serve_faults({"/f": DATA}, [fault]) as server:
        assert DATA == download(f"{server.url}/f")


def test_a_dropped_download_goes_on() -> None:
    """After each drop only the rest is asked for, to the byte."""
    with serve_faults({"/f": DATA}, [Fault.DROP, Fault.DROP]) as server:
        assert DATA == download(f"{server.url}/f")
    half = len(DATA) // 2
    more = half + (len(DATA) - half) // 2
    assert ["", f"bytes={half}-", f"bytes={more}-"] == [item for _, item in server.asked]


def test_what_is_there_is_not_asked_for() -> None:
    """A part of an earlier run is completed."""
    with serve_faults({"/f": DATA}) as server:
        assert DATA == download(f"{server.url}/f", DATA[:1000])
    assert [("/f", "bytes=1000-")] == server.asked


@pytest.mark.parametrize("fault", [Fault.NO_RANGES, Fault.OTHER_RANGE])
def test_a_server_without_ranges(fault: Fault) -> None:
    """What does not go on where it should is read from the beginning."""
    with serve_faults({"/f": DATA}, [fault]) as server:
        if fault is Fault.NO_RANGES:
            assert DATA == download(f"{server.url}/f", b"other")
        else:
            with pytest.raises(FetchError, match="HTTP status 206"):
                download(f"{server.url}/f", b"other")


def test_a_part_that_is_longer_than_the_file() -> None:
    """A server that has less than was read before is read from the beginning."""
    with serve_faults({"/f": DATA}) as server:
        assert DATA == download(f"{server.url}/f", DATA * 2)


def test_a_server_that_stays_busy() -> None:
    """After the retries it is given up, and said what it did."""
    with (
        serve_faults({"/f": DATA}, always=Fault.BUSY) as server,
        pytest.raises(FetchError, match="503"),
    ):
        download(f"{server.url}/f")
    assert 1 + QUICK.retries == len(server.asked)


def test_a_server_that_goes_on_dropping() -> None:
    """What brings nothing new any more is given up."""
    with (
        serve_faults({"/f": DATA}, always=Fault.DROP) as server,
        pytest.raises(FetchError, match="Incomplete"),
    ):
        download(f"{server.url}/f")
    assert len(server.asked) > 1 + QUICK.retries


def test_nobody_answers() -> None:
    """A refused connection is told as one."""
    with pytest.raises(FetchError, match=r"127\.0\.0\.1:9/f: .*refused"):
        download("http://127.0.0.1:9/f")


def test_a_stopped_download_ends() -> None:
    """After `stop` no further chunk is read."""
    with serve_faults({"/f": DATA * 20}, always=Fault.SLOW) as server:
        transport = Transport({}, QUICK)
        threading.Timer(0.05, transport.stop).start()
        sink = Sink()
        with pytest.raises(FetchError, match="stopped"):
            transport.download(f"{server.url}/f", sink)
        transport.close()
    assert sink.size < len(DATA) * 20


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_a_proxy_is_asked(name: str) -> None:
    """The proxy of the environment gets the whole URL."""
    with serve_faults({"/f": DATA}) as server:
        assert DATA == download("http://nowhere.invalid/f", environment={name: server.url})
    assert ["http://nowhere.invalid/f"] == [target for target, _ in server.asked]


@pytest.mark.parametrize("value", ["*", "127.0.0.1", "x.invalid, 127.0.0.1"])
def test_no_proxy(value: str) -> None:
    """What is excepted is asked directly."""
    proxies = {"http_proxy": "http://127.0.0.1:9", "no_proxy": value}
    with serve_faults({"/f": DATA}) as server:
        assert DATA == download(f"{server.url}/f", environment=proxies)


def test_a_proxy_that_is_none() -> None:
    """A proxy of another kind is refused, without its password."""
    with pytest.raises(FetchError, match="the proxy socks5://host") as caught:
        download("http://nowhere.invalid/f", environment={"all_proxy": "socks5://me:secret@host"})
    assert "secret" not in str(caught.value)


def test_a_certificate_file_that_is_missing() -> None:
    """The certificates of the environment are the ones that count."""
    with pytest.raises((FetchError, OSError)):
        download("https://127.0.0.1:9/f", environment={"SSL_CERT_FILE": "/nowhere.pem"})


def read_part(url: str, offset: int | None, length: int) -> Part | None:
    """A part of a file."""
    transport = Transport({}, QUICK)
    try:
        return transport.read_part(url, offset, length)
    finally:
        transport.close()


def test_a_part() -> None:
    """A part from anywhere, and the end, each with the size of the whole."""
    with serve_ranges({"/f": DATA}) as server:
        url = f"{server.url}/f"
        assert Part(data=DATA[5:12], offset=5, size=len(DATA)) == read_part(url, 5, 7)
        end = len(DATA) - 9
        assert Part(data=DATA[end:], offset=end, size=len(DATA)) == read_part(url, None, 9)
        assert Part(data=DATA, offset=0, size=len(DATA)) == read_part(url, None, 2 * len(DATA))


def test_a_part_without_ranges() -> None:
    """A server that sends whole files has no parts, unless the whole is as small as the part."""
    with serve_ranges({"/f": DATA, "/small": b"small"}, knows_ranges=False) as server:
        assert read_part(f"{server.url}/f", None, 9) is None
        whole = Part(data=b"small", offset=0, size=5)
        assert whole == read_part(f"{server.url}/small", None, 9)


@pytest.mark.parametrize(("status", "expected"), [(416, None), (501, None)])
def test_a_server_that_refuses_ranges(status: int, expected: Part | None) -> None:
    """A refusal of ranges is an answer."""
    with serve_ranges({"/f": DATA}, statuses=[status]) as server:
        assert expected == read_part(f"{server.url}/f", None, 9)


@pytest.mark.parametrize("status", [403, 404])
def test_a_part_of_nothing(status: int) -> None:
    """Any other refusal is an error."""
    with (
        serve_ranges({"/f": DATA}, statuses=[status]) as server,
        pytest.raises(FetchError, match=f"HTTP status {status}"),
    ):
        read_part(f"{server.url}/f", None, 9)


def test_a_bearer_token() -> None:
    """A token goes with a request for its host, and for no other."""
    with (
        serve_ranges({"/f": DATA}, authorization="Bearer secret") as server,
        serve_ranges({"/f": DATA}, authorization="Bearer secret") as other,
    ):
        parts = urlsplit(server.url)
        mirrors = MirrorMap(credentials=(Credential(host=parts.netloc, bearer="secret"),))
        transport = Transport({}, QUICK, mirrors)
        try:
            assert transport.read_part(f"{server.url}/f", 0, 2) is not None
            with pytest.raises(FetchError, match="HTTP status 401"):
                transport.read_part(f"{other.url}/f", 0, 2)
        finally:
            transport.close()


class _Clock:
    """Half a minute passes whenever it is looked at."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 30
        return self.now


@pytest.mark.parametrize(("rate", "is_enough"), [(100, True), (1 << 20, False)])
def test_a_server_that_is_too_slow(rate: float, *, is_enough: bool) -> None:
    """A server must bring some bytes a minute, or it is given up, without another attempt."""
    sink = Sink()
    policy = RetryPolicy(least_rate=rate, window=60, backoff=0.01)
    with (
        serve_faults({"/f": DATA}, [Fault.SLOW]) as server,
        closing(Transport({}, policy, clock=_Clock())) as transport,
    ):
        if is_enough:
            transport.download(f"{server.url}/f", sink)
            assert DATA == sink.data
        else:
            with pytest.raises(FetchError, match=r"slower than .* bytes a second"):
                transport.download(f"{server.url}/f", sink)
            assert 1 == len(server.asked)


@contextmanager
def raw_server(pieces: Sequence[bytes], pause: float = 0) -> Iterator[str]:
    """The URL of a server that answers every connection with these bytes, one after the other."""

    def answer() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    connection.recv(1 << 16)
                    for piece in pieces:
                        connection.sendall(piece)
                        time.sleep(pause)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/f"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_headers_that_trickle_in() -> None:
    """They must come in the time of one read."""
    header = b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5
    policy = RetryPolicy(retries=0, read=0.2)
    with (
        raw_server([bytes([byte]) for byte in header], 0.05) as url,
        closing(Transport({}, policy)) as transport,
    ):
        started = time.monotonic()
        with pytest.raises(FetchError):
            transport.read_part(url, 0, 1)
        assert time.monotonic() - started < 1.5


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 206 OK\r\nContent-Range: bytes 0-%s/9\r\n\r\nx" % (b"9" * 5000),
        b"HTTP/1.1 206 OK\r\nContent-Range: bytes 5-1/9\r\n\r\nx",
        b"HTTP/1.1 206 OK\r\nContent-Range: bytes \xb2-3/9\r\n\r\nx",
        b"HTTP/1.1 206 OK\r\nContent-Range: rubbish\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\nx" % (b"9" * 5000),
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nx",
        b"HTTP/1.1 302 OK\r\nLocation: http://[bad/\r\n\r\n",
        b"HTTP/1.1 302 OK\r\nLocation: http://x:99999999/\r\n\r\n",
        b"HTTP/1.1 302 OK\r\nLocation: file:///etc/passwd\r\n\r\n",
        b"HTTP/1.1 302 OK\r\nLocation: http://%s.invalid/\r\n\r\n" % (b"a" * 300),
        b"HTTP/1.1 999999 OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"",
        b"\0" * 1000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffffff\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx",
    ],
)
def test_odd_answers(answer: bytes) -> None:
    """Whatever a server says, there is an answer or an error of ours."""
    policy = RetryPolicy(retries=0, backoff=0, read=2, connect=2)
    with raw_server([answer]) as url, closing(Transport({}, policy)) as transport:
        with suppress(FetchError):
            transport.read_part(url, None, 10)
        with suppress(FetchError):
            transport.read_part(url, 0, 2)
        with suppress(FetchError):
            transport.download(url, Sink(b"a"))
        with suppress(FetchError):
            list(transport.stream(url))


@pytest.mark.parametrize(
    "wait", [b"99999", b"9" * 5000, b"Fri, 31 Dec 2999 23:59:59 GMT", b"soon", b"-1"]
)
def test_a_busy_server_that_asks_for_patience(wait: bytes) -> None:
    """It is waited for as long as we like, not as long as it likes."""
    answer = b"HTTP/1.1 503 Busy\r\nConnection: close\r\nRetry-After: " + wait + b"\r\n\r\n"
    policy = RetryPolicy(retries=1, backoff=0, longest_wait=0.01, read=2, connect=2)
    with serve_raw() as server, closing(Transport({}, policy)) as transport:
        server.answers = [answer]
        with pytest.raises(FetchError, match="HTTP status 503"):
            transport.read_part(server.url, 0, 2)


@pytest.mark.parametrize("url", ["http://[bad/f", "http://host:port/f", "http://a b/f"])
def test_malformed_urls(url: str) -> None:
    """They are refused."""
    with closing(Transport({}, QUICK)) as transport, pytest.raises(LadingError):
        transport.read_part(url, 0, 2)
