"""Create a prefix atomically."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lading.errors import PrefixError, PrefixExistsError, PrefixTooLongError
from lading.format.opening import open_tarball
from lading.format.relocation import MANIFEST_PATH, STATE_PATH, read_state
from lading.format.tarball import TarballSource
from lading.node.staging import check_prefix, staged_prefix
from lading.system.filesystem import no_sync
from simulators.command import listing
from simulators.versions import versioned_tarball

# Of a name that is as long as a name may be, in letters of four bytes.
LONG_NAME = "𝄞" * 63


class OutOfPayloadError(Exception):
    """Something went wrong in the middle."""


@contextmanager
def source(root: Path) -> Iterator[TarballSource]:
    """A small tarball, open."""
    with open_tarball(versioned_tarball(root / "tarballs").plan.tarball) as opened:
        yield opened


def make(found: TarballSource, prefix: Path, work: Callable[[Path], None]) -> None:
    """Make a prefix; `work` is done on the directory that will be it."""
    with staged_prefix(found.contents(), prefix, sync=no_sync) as root:
        work(root)


def fail(root: Path) -> None:
    """Write something, then go wrong."""
    (root / "file").touch()
    raise OutOfPayloadError


def test_how_long_a_prefix_may_be() -> None:
    """As long as the placeholder, in bytes; as long as it likes where no binary file names it."""
    check_prefix(Path("/" + "a" * 9), 10)
    check_prefix(Path("/" + "a" * 1000), None)
    with pytest.raises(PrefixTooLongError, match="has 11 bytes; this environment allows 10"):
        check_prefix(Path("/" + "ä" * 5), 10)


@pytest.mark.parametrize(
    ("prefix", "message"), [("/a\nb", "holds a line break"), ("/a\udcff", "is not UTF-8")]
)
def test_a_prefix_that_no_script_can_hold_is_refused(prefix: str, message: str) -> None:
    """Text files are UTF-8 and have lines."""
    with pytest.raises(PrefixError, match=message):
        check_prefix(Path(prefix), None)


@pytest.mark.parametrize("name", ["a/b/prefix", "empty", LONG_NAME])
def test_a_prefix_appears_when_it_is_done(tmp_path: Path, name: str) -> None:
    """It is on disk with its records before it gets its name; everybody may enter."""
    prefix = tmp_path / name
    (tmp_path / "empty").mkdir()
    seen = []

    def sync(directory: Path) -> None:
        seen.append(((directory / STATE_PATH).exists(), (prefix / STATE_PATH).exists()))

    with source(tmp_path) as found:
        with staged_prefix(found.contents(), prefix, sync=sync):
            assert [] == (listing(prefix) if prefix.exists() else [])
        state = read_state(prefix)
        assert state is not None
        assert ([(True, False)], 0o755) == (seen, prefix.stat().st_mode & 0o7777)
        assert (str(prefix), found.bill.digest.hex, found.bill.document) == (
            state.prefix,
            state.manifest,
            (prefix / MANIFEST_PATH).read_bytes(),
        )


def test_a_part_has_no_records(tmp_path: Path) -> None:
    """One package is not an environment."""
    with (
        source(tmp_path) as found,
        staged_prefix(found.contents(), tmp_path / "p", only=frozenset({"tool"}), sync=no_sync),
    ):
        pass
    assert [] == listing(tmp_path / "p")


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    """Neither the prefix, nor what was beside it, nor directories above it."""
    with source(tmp_path / "x") as found:
        before = listing(tmp_path)
        with pytest.raises(OutOfPayloadError):
            make(found, tmp_path / "a/b/prefix", fail)
        assert before == listing(tmp_path)


def test_a_failure_leaves_the_directories_of_others(tmp_path: Path) -> None:
    """A directory above the prefix that somebody else uses by now stays."""

    def work(root: Path) -> None:
        (tmp_path / "a/theirs").touch()
        fail(root)

    with source(tmp_path / "x") as found, pytest.raises(OutOfPayloadError):
        make(found, tmp_path / "a/b/prefix", work)
    assert ["theirs"] == listing(tmp_path / "a")


@pytest.mark.parametrize("kind", ["file", "link", "directory"])
def test_what_appears_meanwhile_is_left_alone(tmp_path: Path, kind: str) -> None:
    """Another process was faster: its file stays, ours goes."""
    prefix = tmp_path / "place/prefix"

    def work(_root: Path) -> None:
        match kind:
            case "file":
                prefix.touch()
            case "link":
                prefix.symlink_to("elsewhere")
            case _:
                prefix.mkdir()
                (prefix / "theirs").touch()

    with source(tmp_path) as found, pytest.raises(PrefixExistsError, match="appeared while"):
        make(found, prefix, work)
    expected = ["prefix", "prefix/theirs"] if kind == "directory" else ["prefix"]
    assert expected == listing(tmp_path / "place")


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A file above the prefix, for example."""
    (tmp_path / "file").touch()
    with (
        source(tmp_path) as found,
        pytest.raises(PrefixError, match=r"cannot write .*: File exists"),
        staged_prefix(found.contents(), tmp_path / "file/prefix", sync=no_sync),
    ):
        pytest.fail("there is no such directory")


def test_the_disk_may_fail_at_last(tmp_path: Path) -> None:
    """Then there is no prefix."""

    def sync(_directory: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with (
        source(tmp_path) as found,
        pytest.raises(PrefixError, match="Input/output error"),
        staged_prefix(found.contents(), tmp_path / "prefix", sync=sync),
    ):
        pass
    assert not (tmp_path / "prefix").exists()
