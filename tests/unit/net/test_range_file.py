"""A file on a server, read by ranges."""

import base64
import io
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from lading.errors import FetchError
from lading.net.client import Transport
from lading.net.range_file import TAIL_BYTES, PartialFile, RemoteFile
from lading.net.retry_policy import RetryPolicy
from simulators.rangeserver import RangeServer, serve_ranges

DATA = bytes(range(256)) * 1000


@contextmanager
def remote(**behaviour: object) -> Iterator[tuple[RemoteFile, RangeServer]]:
    """A file on a server, and the server."""
    with (
        serve_ranges({"/file": DATA}, **behaviour) as server,
        opened(f"{server.url}/file") as file,
    ):
        yield file, server


@contextmanager
def opened(url: str, retries: int = 4) -> Iterator[RemoteFile]:
    """The file at `url`."""
    with closing(Transport({}, RetryPolicy(retries=retries, backoff=0.01))) as transport:
        yield RemoteFile(url, transport)


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_range_is_what_was_asked_for(*, is_chunked: bool) -> None:
    """From any place, of any length."""
    with remote(is_chunked=is_chunked) as (file, _):
        assert [DATA[700:1000], DATA[5:6], DATA[-10:]] == [
            file.read(700, 300),
            file.read(5, 1),
            file.read(len(DATA) - 10, 10),
        ]


def test_nothing_else_is_sent() -> None:
    """The server sends the bytes of the ranges that are read; the file is not read whole."""
    with remote() as (file, server):
        assert [] == server.ranges
        file.read(100, 50)
        file.read(1000, 7)
        assert ([(100, 149), (1000, 1006)], 57) == (server.ranges, server.sent)
        assert not file.is_read_whole


@pytest.mark.parametrize("is_chunked", [False, True])
def test_without_ranges_the_whole_is_read(*, is_chunked: bool) -> None:
    """Once, and each range is cut out of it."""
    with remote(knows_ranges=False, is_chunked=is_chunked) as (file, server):
        found = [file.read(700, 300), file.read(1000, 1), file.read(200_000, 10)]
        assert ([DATA[700:1000], DATA[1000:1001], DATA[200_000:200_010]], True, 1) == (
            found,
            file.is_read_whole,
            len(server.ranges),
        )


def test_without_ranges_nobody_goes_back() -> None:
    """That is a mistake of the caller."""
    with remote(knows_ranges=False) as (file, _):
        file.read(1000, 10)
        with pytest.raises(ValueError, match="in ascending order"):
            file.read(0, 10)


def test_a_server_that_knows_ranges_no_longer() -> None:
    """Its size was read by a range, so its parts may be asked for in any order: not one stream."""
    with remote() as (file, server):
        assert len(DATA) == file.size
        server.knows_ranges = False
        with pytest.raises(FetchError, match="not sent in ranges any more"):
            file.read(0, 10)


@pytest.mark.parametrize("knows_ranges", [True, False])
@pytest.mark.parametrize("offset", [len(DATA) - 5, len(DATA) + 100])
def test_a_file_that_is_too_short_is_told(offset: int, *, knows_ranges: bool) -> None:
    """It is not the file of this bill."""
    with (
        remote(knows_ranges=knows_ranges) as (file, _),
        pytest.raises(FetchError, match=r"HTTP status 416|another range|ends too early"),
    ):
        file.read(offset, 10)


@pytest.mark.parametrize("status", [403, 404, 416])
def test_a_refusal_is_told(status: int) -> None:
    """With its number."""
    with (
        remote(statuses=[status]) as (file, _),
        pytest.raises(FetchError, match=f"HTTP status {status}"),
    ):
        file.read(0, 10)


def test_a_busy_server_is_asked_again() -> None:
    """A moment later it has time."""
    with remote(statuses=[503]) as (file, _):
        assert DATA[:10] == file.read(0, 10)


def test_no_server_is_told() -> None:
    """Nobody listens there any more."""
    with serve_ranges({}) as server:
        url = server.url
    with (
        opened(f"{url}/file", retries=0) as file,
        pytest.raises(FetchError, match="refused"),
    ):
        file.read(0, 10)


def test_user_and_password_are_given() -> None:
    """Those of the URL, as for any other download."""
    wanted = "Basic " + base64.b64encode(b"me:s e").decode()
    with serve_ranges({"/file": DATA}, authorization=wanted) as server:
        url = server.url.replace("http://", "http://me:s%20e@")
        with opened(f"{url}/file") as file:
            assert DATA[:10] == file.read(0, 10)


def test_passwords_are_not_told() -> None:
    """An error goes into logs."""
    with serve_ranges({}) as server:
        url = server.url.replace("http://", "http://me:secret@")
        with opened(f"{url}/file") as file, pytest.raises(FetchError) as caught:
            file.read(0, 10)
    assert "secret" not in str(caught.value)


def test_the_end_is_read_with_the_size() -> None:
    """Once; what lies in it is not asked for again."""
    with remote() as (file, server):
        assert (len(DATA), len(DATA)) == (file.size, file.size)
        assert (DATA[-100:-50], DATA[:10]) == (file.read(len(DATA) - 100, 50), file.read(0, 10))
        assert [(len(DATA) - TAIL_BYTES, len(DATA) - 1), (0, 9)] == server.ranges


def test_what_begins_before_the_end_is_read_up_to_it() -> None:
    """The bytes that came with the size are not asked for again, also as a part of more."""
    with remote() as (file, server):
        assert file.size == len(DATA)
        begin = len(DATA) - TAIL_BYTES - 10
        assert DATA[begin : begin + 50] == file.read(begin, 50)
        assert (begin, begin + 9) == server.ranges[-1]


def test_without_ranges_there_is_no_size() -> None:
    """The whole file would have to be read to know it."""
    with remote(knows_ranges=False) as (file, _):
        assert file.size is None


def test_a_file_that_is_replaced_is_told() -> None:
    """Parts of two files fit nobody."""
    with serve_ranges({"/file": DATA}) as server, opened(f"{server.url}/file") as file:
        assert file.size == len(DATA)
        server.files = {"/file": DATA + b"more"}
        with pytest.raises(FetchError, match="was replaced on the server"):
            file.read(0, 10)


def test_a_zip_file_is_read_in_parts() -> None:
    """A small member of a large file costs its directory and the member."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("first", b"1" * 100)
        archive.writestr("large", DATA * 4)
        archive.writestr("last", b"2" * 100)
    data = stream.getvalue()
    with serve_ranges({"/file": data}) as server, opened(f"{server.url}/file") as file:
        with zipfile.ZipFile(PartialFile(file, file.size or 0)) as archive:
            found = [archive.read("first"), archive.read("last")]
        assert ([b"1" * 100, b"2" * 100], True) == (found, server.sent < len(data) // 2)


def test_a_part_that_is_too_long_is_refused() -> None:
    """The directory of a hostile zip file claims gigabytes."""
    with remote() as (file, server):
        with pytest.raises(FetchError, match="too long"):
            PartialFile(file, 1 << 40).read()
        assert [] == server.ranges
