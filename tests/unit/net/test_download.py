"""Downloads."""

import base64
import http.server
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lading.conda.channels import MirrorMap
from lading.errors import DigestMismatchError, FetchError
from lading.net.download import Download, Network, fetch_all
from lading.net.retry_policy import RetryPolicy
from lading.system.digest import Digest, sha256_of
from simulators.faults import Fault, serve_faults
from simulators.webserver import Answer, running, serve

DATA = bytes(range(256)) * 2000
CANONICAL = "https://demo.invalid/c"


def download(directory: Path, name: str = "a.conda", digest: Digest | None = None) -> Download:
    """A download into `directory/target`."""
    return Download(
        url=f"{CANONICAL}/{name}",
        digest=digest or sha256_of(DATA),
        target=directory / "target" / name,
    )


def mirrors(*locations: str) -> MirrorMap:
    """Where the canonical channel is fetched from."""
    return MirrorMap(mirrors={CANONICAL: locations})


def share(directory: Path, data: bytes = DATA, name: str = "a.conda") -> str:
    """The URL of a directory that holds a file."""
    directory.mkdir(exist_ok=True)
    (directory / name).write_bytes(data)
    return directory.as_uri()


@contextmanager
def serve_protected(data: bytes, user: str) -> Iterator[str]:
    """The URL of a server that answers only to `user:password`."""
    wanted = "Basic " + base64.b64encode(user.encode()).decode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers["Authorization"] == wanted
            self.send_response(200 if known else 401)
            self.send_header("Content-Length", str(len(data) if known else 0))
            self.end_headers()
            self.wfile.write(data if known else b"")

        def log_message(self, *_arguments: object) -> None:
            """Nothing."""

    with running(Handler) as url:
        yield url


def left(directory: Path) -> list[str]:
    """What lies in the target directory."""
    return sorted(path.name for path in (directory / "target").iterdir())


@pytest.mark.parametrize("name", ["m", "with space"])
def test_a_file_is_copied(tmp_path: Path, name: str) -> None:
    """A mirror may be a directory; a target with another digest is replaced."""
    item = download(tmp_path)
    share(tmp_path / "target", b"damaged")
    fetch_all([item], mirrors(share(tmp_path / name)))
    assert (DATA, 0o644) == (item.target.read_bytes(), item.target.stat().st_mode & 0o777)


def test_a_file_is_downloaded(tmp_path: Path) -> None:
    """A mirror may be a web server; a target with the right digest needs none."""
    item = download(tmp_path)
    with serve({"/a.conda": Answer(DATA)}) as url:
        fetch_all([item], mirrors(url))
    fetch_all([item], mirrors("file:///nowhere"))
    assert DATA == item.target.read_bytes()


def test_the_next_mirror_is_asked(tmp_path: Path) -> None:
    """A mirror that does not have the file, or has another, is passed over."""
    item = download(tmp_path)
    wrong = share(tmp_path / "wrong", b"other")
    with serve({}) as url:
        fetch_all([item], mirrors("file:///nowhere", url, wrong, share(tmp_path / "good")))
    assert (DATA, ["a.conda"]) == (item.target.read_bytes(), left(tmp_path))


@pytest.mark.parametrize(
    ("location", "complaint"),
    [
        ("file:///nowhere", "file:///nowhere/a.conda: No such file"),
        ("oci://x", "no way to fetch oci:"),
    ],
)
def test_a_file_that_cannot_be_had(tmp_path: Path, location: str, complaint: str) -> None:
    """Why there is no file is said, and nothing is left."""
    with pytest.raises(FetchError, match=complaint):
        fetch_all([download(tmp_path)], mirrors(location))
    assert [] == left(tmp_path)


def test_a_status_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A web server without the file is named with its answer, here and in the log no password."""
    with caplog.at_level(logging.DEBUG), serve({}) as url, pytest.raises(FetchError) as caught:
        fetch_all([download(tmp_path)], mirrors(url.replace("//", "//user:secret@")))
    assert f"{url}/a.conda: HTTP status 404" == str(caught.value)
    assert "secret" not in "".join(
        line.getMessage() for line in caplog.records if line.name.startswith("lading")
    )


def test_credentials_of_a_mirror_are_sent(tmp_path: Path) -> None:
    """User and password in the URL of a mirror are what HTTP calls basic authentication."""
    item = download(tmp_path)
    with serve_protected(DATA, "me@work:s/ecret") as url:
        fetch_all([item], mirrors(url.replace("//", "//me%40work:s%2Fecret@")))
    assert DATA == item.target.read_bytes()


def test_a_wrong_digest_is_the_worse_news(tmp_path: Path) -> None:
    """A mirror that sent other bytes is told of before one that sent none."""
    wrong = share(tmp_path / "wrong", b"other")
    with pytest.raises(DigestMismatchError) as caught:
        fetch_all([download(tmp_path)], mirrors(wrong, "file:///nowhere"))
    assert (str(sha256_of(DATA)), str(sha256_of(b"other")), []) == (
        caught.value.expected,
        caught.value.actual,
        left(tmp_path),
    )


def test_a_target_that_cannot_be_written(tmp_path: Path) -> None:
    """Where the file cannot take its name, that is said."""
    item = download(tmp_path)
    item.target.mkdir(parents=True)
    with pytest.raises(FetchError, match=r"cannot read or write .*a\.conda: Is a directory"):
        fetch_all([item], mirrors(share(tmp_path / "m")))
    assert ["a.conda"] == left(tmp_path)


def test_progress_is_told(tmp_path: Path) -> None:
    """Each file is told of."""
    told: list[tuple[str, int, int]] = []
    location = share(tmp_path / "m")
    share(tmp_path / "m", name="b.conda")
    items = [download(tmp_path), download(tmp_path, "b.conda")]
    fetch_all(items, mirrors(location), lambda *step: told.append(step))
    assert [("fetch", 1, 2), ("fetch", 2, 2)] == told


def test_nothing_to_fetch() -> None:
    """An empty list is done at once."""
    fetch_all([], MirrorMap())
    assert [] == [thread for thread in threading.enumerate() if thread.name.startswith("fetch")]


IMPATIENT = Network(retry_policy=RetryPolicy(retries=1, backoff=0.01, connect=2, read=2))
PART = f".fetch-{sha256_of(DATA).hex}"


def test_an_interrupted_download_goes_on(tmp_path: Path) -> None:
    """What one run read, the next does not ask for."""
    item = download(tmp_path)
    with (
        serve_faults({"/a.conda": DATA}, always=Fault.DROP) as server,
        pytest.raises(FetchError),
    ):
        fetch_all([item], mirrors(server.url), network=IMPATIENT)
    assert [PART] == left(tmp_path)
    with serve_faults({"/a.conda": DATA}) as server:
        fetch_all([item], mirrors(server.url))
    assert (DATA, ["a.conda"], True) == (
        item.target.read_bytes(),
        left(tmp_path),
        server.asked[0][1].startswith("bytes="),
    )


def test_a_part_that_does_not_fit_is_forgotten(tmp_path: Path) -> None:
    """Where the digest of the whole is wrong, the file is read once more from its beginning."""
    item = download(tmp_path)
    share(tmp_path / "target", b"something else", PART)
    with serve_faults({"/a.conda": DATA}) as server:
        fetch_all([item], mirrors(server.url))
    assert (DATA, 2) == (item.target.read_bytes(), len(server.asked))


@pytest.mark.parametrize("fault", [Fault.WRONG, Fault.HALF])
def test_wrong_bytes_are_not_kept(tmp_path: Path, fault: Fault) -> None:
    """What has another digest leaves nothing behind."""
    with (
        serve_faults({"/a.conda": DATA}, always=fault) as server,
        pytest.raises(DigestMismatchError),
    ):
        fetch_all([download(tmp_path)], mirrors(server.url))
    assert [] == left(tmp_path)


def test_offline_a_directory_will_do(tmp_path: Path) -> None:
    """Offline, `file:` mirrors are read and others passed over."""
    item = download(tmp_path)
    locations = mirrors("http://127.0.0.1:9", share(tmp_path / "m"))
    fetch_all([item], locations, network=Network(offline=True))
    assert DATA == item.target.read_bytes()


def test_offline_everything_missing_is_named(tmp_path: Path) -> None:
    """Offline, what is not there is named, all of it."""
    items = [download(tmp_path, name) for name in ("b.conda", "a.conda")]
    with pytest.raises(FetchError, match=r"^a\.conda and 1 more must be fetched") as caught:
        fetch_all(items, mirrors("http://127.0.0.1:9"), network=Network(offline=True))
    assert ("a.conda", "b.conda") == caught.value.details


@pytest.mark.parametrize(
    ("make", "message"), [(os.symlink, "cannot read or write"), (os.link, "has a second name")]
)
def test_a_part_that_is_a_link_is_not_written(
    tmp_path: Path, make: Callable[[Path, Path], None], message: str
) -> None:
    """Its name is known beforehand: another user may have put it there."""
    item = download(tmp_path)
    item.target.parent.mkdir(parents=True)
    (tmp_path / "victim").write_bytes(b"theirs")
    make(tmp_path / "victim", item.target.with_name(PART))
    with pytest.raises(FetchError, match=message):
        fetch_all([item], MirrorMap())
    assert b"theirs" == (tmp_path / "victim").read_bytes()


def test_a_disk_that_fails(tmp_path: Path) -> None:
    """A file that cannot be read is an error of ours."""
    item = download(tmp_path)
    item.target.parent.mkdir(parents=True)
    # Reading the memory of a process from its beginning fails with EIO.
    item.target.symlink_to("/proc/self/mem")
    with pytest.raises(FetchError, match="cannot read or write"):
        fetch_all([item], MirrorMap())
