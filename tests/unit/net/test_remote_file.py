"""A file on a server, read by ranges."""

import base64
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from lading.errors import FetchError
from lading.net.client import RemoteFile
from lading.net.retry_policy import RetryPolicy
from simulators.rangeserver import RangeServer, serve_ranges

DATA = bytes(range(256)) * 1000


@contextmanager
def remote(**behaviour: object) -> Iterator[tuple[RemoteFile, RangeServer]]:
    """A file on a server, and the server."""
    with (
        serve_ranges({"/file": DATA}, **behaviour) as server,
        closing(RemoteFile(f"{server.url}/file")) as file,
    ):
        yield file, server


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
    """The server sends the bytes of the ranges."""
    with remote() as (file, server):
        file.read(100, 50)
        file.read(1000, 7)
        assert ([(100, 149), (1000, 1006)], 57) == (server.ranges, server.sent)


def test_nothing_is_asked_before_it_is_needed() -> None:
    """A file that nobody reads costs no request."""
    with remote() as (_, server):
        assert [] == server.ranges


def test_ranges_are_not_the_whole() -> None:
    """A server that knows them is not read whole."""
    with remote() as (file, _):
        file.read(0, 10)
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


@pytest.mark.parametrize("knows_ranges", [True, False])
@pytest.mark.parametrize("offset", [len(DATA) - 5, len(DATA) + 100])
def test_a_file_that_is_too_short_is_told(offset: int, *, knows_ranges: bool) -> None:
    """It is not the file of this bill."""
    with (
        remote(knows_ranges=knows_ranges) as (file, _),
        pytest.raises(FetchError, match=r"sent another range|ends too early"),
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
        closing(RemoteFile(f"{url}/file", retry_policy=RetryPolicy(retries=0))) as file,
        pytest.raises(FetchError, match="refused"),
    ):
        file.read(0, 10)


def test_user_and_password_are_given() -> None:
    """Those of the URL, as for any other download."""
    wanted = "Basic " + base64.b64encode(b"me:s e").decode()
    with serve_ranges({"/file": DATA}, authorization=wanted) as server:
        url = server.url.replace("http://", "http://me:s%20e@")
        with closing(RemoteFile(f"{url}/file")) as file:
            assert DATA[:10] == file.read(0, 10)


def test_passwords_are_not_told() -> None:
    """An error goes into logs."""
    with serve_ranges({}) as server:
        url = server.url.replace("http://", "http://me:secret@")
        with closing(RemoteFile(f"{url}/file")) as file, pytest.raises(FetchError) as caught:
            file.read(0, 10)
    assert "secret" not in str(caught.value)
