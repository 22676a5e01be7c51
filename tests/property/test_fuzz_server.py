"""Whatever a server answers: the right bytes, or an error of ours, soon."""

import gc
import gzip
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from lading.conda import MirrorMap
from lading.errors import LadingError
from lading.net import Download, Network, RemoteFile, RetryPolicy, Transport, fetch_all
from lading.system import sha256_of
from simulators.fuzzing import MEMORY, SECRET, edited_bytes, outcome, rarely
from simulators.rawserver import RawServer, Sink, serve_raw

DATA = bytes(range(256)) * 4
QUICK = RetryPolicy(retries=1, backoff=0.0, longest_wait=0.0, connect=1.0, read=0.3)

NUMBERS = ["0", "1", "255", "256", "1024", "1025", "-1", "+5", "1e3", "0x10", "9" * 30, "9" * 5000]
NUMBERS += ["", " ", "é", "1,1", "1 2", "1_0"]
LOCATIONS = [
    "",
    "/",
    "/f",
    "//",
    "http://",
    "http://[::1",
    "http://[v1.x]/",
    "http://127.0.0.1:99999/",
]
LOCATIONS += [
    "http://127.0.0.1:x/",
    "file:///evil",
    "ftp://127.0.0.1/",
    "http://127.0.0.1:1/",
    "\x7f",
]
LOCATIONS += [
    f"http://user:{SECRET}@127.0.0.1:1/f",
    f"http://127.0.0.1:1/t/{SECRET}/f",
    "%zz",
    "http:",
]
STATUSES = [200, 206, 206, 200, 416, 204, 301, 302, 304, 307, 308, 401, 403, 404, 408, 413, 429]
STATUSES += [500, 501, 503, 504, 100, 101, 199, 299, 600, 999]


@st.composite
def content_ranges(draw: st.DrawFn) -> str:
    """A `Content-Range`, right or not."""
    if draw(st.booleans()):
        start, length = draw(st.integers(0, 1030)), draw(st.integers(-2, 1030))
        return f"bytes {start}-{start + length}/{draw(st.sampled_from([1024, 1, 0, 1 << 60]))}"
    first, last, size = (draw(st.sampled_from([*NUMBERS, "*"])) for _ in range(3))
    return f"{draw(st.sampled_from(['bytes', 'items', '']))} {first}-{last}/{size}"


@st.composite
def headers(draw: st.DrawFn) -> str:
    """One header line."""
    number = st.sampled_from(NUMBERS)
    return draw(
        st.one_of(
            content_ranges().map("Content-Range: {}".format),
            number.map("Content-Length: {}".format),
            st.sampled_from(LOCATIONS).map("Location: {}".format),
            number.map("Retry-After: {}".format),
            st.sampled_from(
                [
                    "Transfer-Encoding: chunked",
                    "Transfer-Encoding: gzip, chunked",
                    "Content-Encoding: gzip",
                    "Content-Encoding: deflate",
                    "Content-Encoding: zstd",
                    "Content-Encoding: br, gzip, gzip, gzip, gzip, gzip, gzip",
                    "Retry-After: Fri, 31 Dec 2999 23:59:59 GMT",
                    "Connection: keep-alive",
                    "Set-Cookie: a=b",
                    "X: " + "y" * 70_000,
                    "no colon",
                    " folded",
                    "é: ü",
                    "",
                ]
            ),
        )
    )


BODIES = st.one_of(
    st.sampled_from(
        [
            DATA,
            DATA[:512],
            b"",
            gzip.compress(DATA),
            gzip.compress(bytes(1 << 22)),
            b"400\r\n" + DATA + b"\r\n0\r\n\r\n",
            b"ffffffffffffffffff\r\n" + DATA,
            b"-1\r\n",
            b"4\r\nab",
        ]
    ),
    st.binary(max_size=50),
    edited_bytes(DATA, 1),
)


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """All that is sent as the answer to one request."""
    status = draw(st.sampled_from(STATUSES))
    line = f"HTTP/1.1 {status} Reason"
    if draw(st.integers(0, 15)) == 0:
        line = draw(
            st.sampled_from(["", "HTTP/0.9", "HTTP/1.1", "HTTP/2 200", "ICY 200", "x" * 70_000])
        )
    lines = [line, *draw(st.lists(headers(), max_size=4))]
    data = "\r\n".join(lines).encode() + b"\r\n\r\n" + draw(BODIES)
    return draw(st.just(data) | st.just(data) | edited_bytes(data, 1))


RIGHT = b"HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n" + DATA
ROWS = st.lists(answers() | st.just(RIGHT), min_size=1, max_size=4)


# urllib3 leaves the answers that it asks again for, or cannot follow, to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Let no other test be blamed for them."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    """One server for all."""
    with serve_raw() as found:
        yield found


@rarely
@given(ROWS, st.sampled_from([b"", DATA[:100], DATA]))
def test_a_download(server: RawServer, row: list[bytes], already: bytes) -> None:
    """It ends."""
    server.answers, server.asked = row, 0
    with closing(Transport({}, QUICK)) as transport:
        outcome(lambda: transport.download(f"{server.url}/t/{SECRET}/f?{SECRET}", Sink(already)))


@rarely
@given(ROWS)
def test_a_checked_download(server: RawServer, row: list[bytes]) -> None:
    """What lies there in the end has the digest that was promised, or nothing lies there."""
    server.answers, server.asked = row, 0
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        target = Path(name, "f")
        wanted = Download(url=f"{server.url}/f", digest=sha256_of(DATA), target=target)
        network = Network(retry_policy=QUICK)
        found = outcome(lambda: fetch_all([wanted], MirrorMap(), network=network))
        if isinstance(found, LadingError):
            assert not target.exists()
        else:
            assert DATA == target.read_bytes()


@rarely
@given(ROWS, st.none() | st.integers(0, 1100), st.integers(1, 1100))
def test_a_part(server: RawServer, row: list[bytes], offset: int | None, length: int) -> None:
    """A part is what was asked for, or less at the end."""
    server.answers, server.asked = row, 0
    with closing(Transport({}, QUICK)) as transport:
        part = outcome(lambda: transport.read_part(f"{server.url}/f", offset, length))
    if part is not None and not isinstance(part, LadingError):
        assert length >= len(part.data)
        assert offset in {None, part.offset}


@rarely
@given(ROWS, st.lists(st.tuples(st.integers(0, 300), st.integers(1, 300)), max_size=4))
def test_a_file_that_is_read_in_parts(
    server: RawServer, row: list[bytes], parts: list[tuple[int, int]]
) -> None:
    """Each part has the length that was asked for."""
    server.answers, server.asked = row, 0
    with closing(Transport({}, QUICK)) as transport:
        file = RemoteFile(f"{server.url}/t/{SECRET}/f", transport, 64)
        outcome(lambda: file.size)
        end = 0
        for gap, length in parts:
            offset, end = end + gap, end + gap + length
            data = outcome(lambda offset=offset, length=length: file.read(offset, length))
            assert isinstance(data, LadingError) or length == len(data)
