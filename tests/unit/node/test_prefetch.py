"""Getting only the packages that a store lacks."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lading.errors import ArchiveError, FetchError, InputError, IntegrityError
from lading.format.compression import Format
from lading.format.opening import open_tarball
from lading.node.prefetch import Fetched, PrefetchPlan, apply_prefetch, lacking, plan_prefetch
from lading.node.store import Store
from lading.node.supply import missing_in
from lading.pack.packer import Packed
from lading.system.filesystem import no_sync
from simulators.rangeserver import serve_ranges
from simulators.versions import contents_of, flip_bit, package_of, versioned_tarball


def store_with(root: Path, packed: Packed) -> Store:
    """A store that holds all packages of a tarball."""
    store = Store(root / "store")
    with open_tarball(packed.plan.tarball) as opened, store.in_use():
        store.add(opened, opened.contents().packages, 1, no_sync)
    return store


@contextmanager
def plan(source: str, store: Store, workers: int = 2, **environment: str) -> Iterator[PrefetchPlan]:
    """To get the packages of a tarball."""
    place = source if "://" in source else Path(source)
    with open_tarball(place, environment=environment) as opened:
        yield plan_prefetch(opened, store, workers, no_sync)


def fetch(source: str | Path, store: Store, workers: int = 2) -> Fetched:
    """What getting the packages of a tarball did."""
    with plan(str(source), store, workers) as planned:
        return apply_prefetch(planned)


def missing(packed: Packed, store: Store) -> list[str]:
    """The packages that the store lacks."""
    found = contents_of(packed).packages
    return [item.package.name for item in found if not store.holds(item)]


def everything(packed: Packed) -> int:
    """The bytes of all frames."""
    packages = packed.manifest.packages
    return sum(frame.length for package in packages for frame in package.frames)


def test_a_plan_names_what_the_store_lacks(tmp_path: Path) -> None:
    """Nothing is fetched."""
    store = store_with(tmp_path, versioned_tarball(tmp_path, "1"))
    new = versioned_tarball(tmp_path, "2")
    with plan(str(new.plan.tarball), store) as planned:
        assert ["tool"] == [
            item.package.name for item in missing_in(planned.store, planned.contents)
        ]


@pytest.mark.parametrize("workers", [1, 2, 8])
@pytest.mark.parametrize("format_", list(Format))
def test_frames_come_from_a_path(tmp_path: Path, format_: Format, workers: int) -> None:
    """Of every format."""
    packed = versioned_tarball(tmp_path, format_=format_)
    store = Store(tmp_path / "store")
    fetched = fetch(packed.plan.tarball, store, workers)
    assert (Fetched(packages=4, frames=4, size=everything(packed), read_whole=False), []) == (
        fetched,
        missing(packed, store),
    )


def test_only_missing_packages_are_read(tmp_path: Path) -> None:
    """Of a tarball whose other frames are damaged nobody notices."""
    store = store_with(tmp_path, versioned_tarball(tmp_path, "1"))
    new = versioned_tarball(tmp_path, "2")
    data = bytearray(new.plan.tarball.read_bytes())
    for package in new.manifest.packages:
        if package.name != "tool":
            # The environment's own files are those of the version before.
            data[package.frames[0].offset + 9] ^= package.name != ""
    new.plan.tarball.write_bytes(data)
    whole = versioned_tarball(tmp_path / "again", "2")
    fetch(new.plan.tarball, store)
    assert [] == missing(whole, store)


def test_only_missing_ranges_are_asked_for(tmp_path: Path) -> None:
    """The server sends the end of the tarball, and the bytes of one frame."""
    store = store_with(tmp_path, versioned_tarball(tmp_path, "1"))
    new = versioned_tarball(tmp_path, "2")
    [frame] = package_of(new, "tool").package.frames
    data = bytes(1 << 20) + b"x" * 10 + new.plan.tarball.read_bytes()
    with serve_ranges({"/t": new.plan.tarball.read_bytes()}) as server:
        fetch(f"{server.url}/t", store)
        wanted = (frame.offset, frame.offset + frame.length - 1)
        assert len(data) > server.sent
        assert 1 >= sum(1 for found in server.ranges[1:] if found != wanted)


def test_a_server_without_ranges_is_read_whole(tmp_path: Path) -> None:
    """Once, after one range that it did not send."""
    packed = versioned_tarball(tmp_path, format_=Format.TAR)
    store = Store(tmp_path / "store")
    data = packed.plan.tarball.read_bytes()
    with serve_ranges({"/t": data}, knows_ranges=False) as server:
        fetched = fetch(f"{server.url}/t", store)
        assert (True, [], 1) == (
            fetched.read_whole,
            missing(packed, store),
            len(server.ranges),
        )


def test_a_store_that_has_all_needs_no_tarball(tmp_path: Path) -> None:
    """The bill tells, and the lists that the store has."""
    packed = versioned_tarball(tmp_path)
    with open_tarball(packed.plan.tarball) as opened:
        before = lacking(opened.bill, Store(tmp_path / "store"))
        store = store_with(tmp_path, packed)
        assert (packed.manifest.packages, ()) == (before, lacking(opened.bill, store))
        [path] = store.directory.glob("packages/*/*/tree/share/other/data")
        path.write_bytes(b"")
        assert ["zother"] == [item.name for item in lacking(opened.bill, store)]


@pytest.mark.parametrize("position", [0, 5, -1])
def test_a_wrong_byte_is_refused(tmp_path: Path, position: int) -> None:
    """In the magic number, in the middle or at the end: the package does not get into the store."""
    packed = versioned_tarball(tmp_path)
    [frame] = package_of(packed, "tool").package.frames
    place = frame.offset + position % frame.length
    damaged = flip_bit(packed.plan.tarball.read_bytes(), 8 * place)
    store = Store(tmp_path / "store")
    with serve_ranges({"/t": damaged}) as server, pytest.raises(IntegrityError):
        fetch(f"{server.url}/t", store)
    assert "tool" in missing(packed, store)


def test_a_tarball_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    """A path whose file ends before the frame does."""
    packed = versioned_tarball(tmp_path)
    packed.plan.tarball.write_bytes(packed.plan.tarball.read_bytes()[:100])
    with pytest.raises(ArchiveError, match="no bill at its end"):
        fetch(packed.plan.tarball, Store(tmp_path / "store"))


def test_a_path_that_is_not_there_is_told(tmp_path: Path) -> None:
    """As a wrong input."""
    with pytest.raises(InputError, match="No such file"):
        fetch(tmp_path / "none", Store(tmp_path / "store"))


def test_a_directory_is_no_tarball(tmp_path: Path) -> None:
    """Nor is anything else but a file."""
    with pytest.raises(InputError, match="is a directory"):
        fetch(tmp_path, Store(tmp_path / "store"))


def test_a_server_that_does_not_answer_is_told(tmp_path: Path) -> None:
    """As what cannot be fetched."""
    with serve_ranges({}) as server, pytest.raises(FetchError, match="HTTP status 404"):
        fetch(f"{server.url}/t", Store(tmp_path / "store"))


def test_packages_that_came_before_an_error_stay(tmp_path: Path) -> None:
    """The next attempt need not get them again."""
    packed = versioned_tarball(tmp_path)
    [frame] = package_of(packed, "zother").package.frames
    data = packed.plan.tarball.read_bytes()
    store = Store(tmp_path / "store")
    damaged = flip_bit(data, 8 * frame.offset)
    with serve_ranges({"/t": damaged}) as server, pytest.raises(IntegrityError):
        fetch(f"{server.url}/t", store, workers=1)
    assert ["zother", ""] == missing(packed, store)


def test_progress_is_told(tmp_path: Path) -> None:
    """Frame by frame."""
    packed = versioned_tarball(tmp_path)
    told = []
    with plan(str(packed.plan.tarball), Store(tmp_path / "store")) as planned:
        apply_prefetch(planned, lambda *step: told.append(step))
    assert [("fetch", number, 4) for number in range(1, 5)] == told


def test_fetched_frames_wait_for_their_prefix(tmp_path: Path) -> None:
    """A collection before the environment is made takes none of them away."""
    packed = versioned_tarball(tmp_path)
    store = Store(tmp_path / "store")
    fetch(packed.plan.tarball, store)
    store.collect()
    assert [] == missing(packed, store)


def test_frames_that_were_collected_since_the_plan_are_got_too(tmp_path: Path) -> None:
    """What the plan saw in the store need not be there when it is carried out."""
    store = store_with(tmp_path, versioned_tarball(tmp_path, "1"))
    new = versioned_tarball(tmp_path, "2")
    with plan(str(new.plan.tarball), store) as planned:
        before = len(missing_in(planned.store, planned.contents))
        store.collect()
        assert (1, 4, []) == (before, apply_prefetch(planned).frames, missing(new, store))


def test_a_changed_frame_is_got_anew(tmp_path: Path) -> None:
    """Its changed file is replaced."""
    packed = versioned_tarball(tmp_path)
    store = store_with(tmp_path, packed)
    [path] = store.directory.glob("packages/*/*/tree/share/other/data")
    path.write_bytes(b"OTHER" * 2000)
    fetched = fetch(packed.plan.tarball, store)
    assert (1, b"other" * 2000) == (fetched.frames, path.read_bytes())
