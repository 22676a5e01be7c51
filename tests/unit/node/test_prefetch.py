"""Getting only the frames that a store lacks."""

from pathlib import Path

import pytest

from lading.errors import ArchiveError, FetchError, IntegrityError
from lading.format.bill import read_bill
from lading.format.compression import Format
from lading.format.opening import open_tarball
from lading.node.prefetch import Fetched, PrefetchPlan, apply_prefetch
from lading.node.store import Store
from lading.pack.packer import Packed
from lading.system.filesystem import no_sync
from simulators.rangeserver import serve_ranges
from simulators.versions import flip_bit, slice_of, versioned_tarball


def store_with(root: Path, packed: Packed) -> Store:
    """A store that holds all frames of a tarball."""
    store = Store(root / "store")
    store.directory.mkdir()
    with (
        open_tarball(packed.plan.tarball) as opened,
        store.in_use(),
        store.adding(no_sync) as add,
    ):
        for frame in opened.frames():
            add(frame)
    return store


def plan(
    packed: Packed, source: str, store: Store, workers: int = 2, **environment: str
) -> PrefetchPlan:
    """To get the frames of a tarball."""
    return PrefetchPlan(
        bill=read_bill(packed.plan.manifest),
        source=source,
        store=store,
        workers=workers,
        environment=environment,
        sync=no_sync,
    )


def fetch(packed: Packed, source: str, store: Store, workers: int = 2) -> Fetched:
    """What getting the frames of a tarball did."""
    return apply_prefetch(plan(packed, source, store, workers))


def missing(packed: Packed, store: Store) -> list[str]:
    """The packages whose frames the store lacks."""
    return [item.package.name for item in packed.manifest.slices() if not store.holds(item)]


def everything(packed: Packed) -> int:
    """The bytes of all frames."""
    return sum(item.frame.length for item in packed.manifest.slices())


def test_a_plan_names_what_the_store_lacks(tmp_path: Path) -> None:
    """Nothing is fetched."""
    store = store_with(tmp_path, versioned_tarball(tmp_path, "1"))
    new = versioned_tarball(tmp_path, "2")
    assert ["tool"] == [item.package.name for item in plan(new, "x", store).missing()]


@pytest.mark.parametrize("workers", [1, 2, 8])
@pytest.mark.parametrize("format_", list(Format))
def test_frames_come_from_a_path(tmp_path: Path, format_: Format, workers: int) -> None:
    """Of every format."""
    packed = versioned_tarball(tmp_path, format_=format_)
    store = Store(tmp_path / "store")
    fetched = fetch(packed, str(packed.plan.tarball), store, workers)
    assert (Fetched(frames=4, size=everything(packed), read_whole=False), []) == (
        fetched,
        missing(packed, store),
    )


def test_only_missing_frames_are_read(tmp_path: Path) -> None:
    """Of a tarball whose other frames are damaged nobody notices."""
    store = store_with(tmp_path, versioned_tarball(tmp_path, "1"))
    new = versioned_tarball(tmp_path, "2")
    frame = slice_of(new.manifest, "tool").frame
    data = bytes(frame.offset) + new.plan.tarball.read_bytes()[frame.offset :][: frame.length]
    new.plan.tarball.write_bytes(data)
    fetch(new, str(new.plan.tarball), store)
    assert [] == missing(new, store)


def test_only_missing_ranges_are_asked_for(tmp_path: Path) -> None:
    """The server sends the bytes of one frame."""
    store = store_with(tmp_path, versioned_tarball(tmp_path, "1"))
    new = versioned_tarball(tmp_path, "2")
    frame = slice_of(new.manifest, "tool").frame
    with serve_ranges({"/t": new.plan.tarball.read_bytes()}) as server:
        fetch(new, f"{server.url}/t", store)
        assert ([(frame.offset, frame.offset + frame.length - 1)], frame.length) == (
            server.ranges,
            server.sent,
        )


def test_a_server_without_ranges_is_read_from_the_start(tmp_path: Path) -> None:
    """After one range that it did not send."""
    packed = versioned_tarball(tmp_path)
    store = Store(tmp_path / "store")
    data = packed.plan.tarball.read_bytes()
    with serve_ranges({"/t": data}, knows_ranges=False) as server:
        fetched = fetch(packed, f"{server.url}/t", store)
        assert (True, [], 1) == (
            fetched.read_whole,
            missing(packed, store),
            len(server.ranges),
        )


def test_nothing_to_get_asks_nobody(tmp_path: Path) -> None:
    """A server that is not there is not missed."""
    packed = versioned_tarball(tmp_path)
    store = store_with(tmp_path, packed)
    assert Fetched(frames=0, size=0, read_whole=False) == fetch(
        packed, "http://127.0.0.1:1/t", store
    )


@pytest.mark.parametrize("position", [0, 5, -1])
def test_a_wrong_byte_is_refused(tmp_path: Path, position: int) -> None:
    """In the magic number, in the middle or at the end: the frame does not get into the store."""
    packed = versioned_tarball(tmp_path)
    frame = slice_of(packed.manifest, "tool").frame
    place = frame.offset + position % frame.length
    damaged = flip_bit(packed.plan.tarball.read_bytes(), 8 * place)
    store = Store(tmp_path / "store")
    with serve_ranges({"/t": damaged}) as server, pytest.raises(IntegrityError):
        fetch(packed, f"{server.url}/t", store)
    assert "tool" in missing(packed, store)


def test_a_tarball_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    """A path whose file ends before the frame does."""
    packed = versioned_tarball(tmp_path)
    packed.plan.tarball.write_bytes(packed.plan.tarball.read_bytes()[:100])
    with pytest.raises(ArchiveError, match="is cut off"):
        fetch(packed, str(packed.plan.tarball), Store(tmp_path / "store"))


def test_a_path_that_is_not_there_is_told(tmp_path: Path) -> None:
    """As what cannot be fetched."""
    packed = versioned_tarball(tmp_path)
    with pytest.raises(FetchError, match="No such file"):
        fetch(packed, str(tmp_path / "none"), Store(tmp_path / "store"))


def test_a_directory_is_no_tarball(tmp_path: Path) -> None:
    """It opens, and cannot be read."""
    packed = versioned_tarball(tmp_path)
    with pytest.raises(FetchError, match="Is a directory"):
        fetch(packed, str(tmp_path), Store(tmp_path / "store"))


def test_a_server_that_does_not_answer_is_told(tmp_path: Path) -> None:
    """As what cannot be fetched."""
    packed = versioned_tarball(tmp_path)
    with serve_ranges({}) as server, pytest.raises(FetchError, match="HTTP status 404"):
        fetch(packed, f"{server.url}/t", Store(tmp_path / "store"))


def test_frames_that_came_before_an_error_stay(tmp_path: Path) -> None:
    """The next attempt need not get them again."""
    packed = versioned_tarball(tmp_path)
    frame = slice_of(packed.manifest, "zother").frame
    data = packed.plan.tarball.read_bytes()
    store = Store(tmp_path / "store")
    with serve_ranges({"/t": data[: frame.offset]}) as server, pytest.raises(FetchError):
        fetch(packed, f"{server.url}/t", store)
    assert ["zother", ""] == missing(packed, store)


def test_progress_is_told(tmp_path: Path) -> None:
    """Frame by frame."""
    packed = versioned_tarball(tmp_path)
    planned = plan(packed, str(packed.plan.tarball), Store(tmp_path / "store"))
    told = []
    apply_prefetch(planned, lambda *step: told.append(step))
    assert [("fetch", number, 4) for number in range(1, 5)] == told


def test_frames_come_by_way_of_a_proxy(tmp_path: Path) -> None:
    """The one that the environment names is asked for the whole URL, whose host is nowhere."""
    packed = versioned_tarball(tmp_path)
    url = "http://tarballs.invalid/t"
    store = Store(tmp_path / "store")
    with serve_ranges({url: packed.plan.tarball.read_bytes()}) as proxy:
        apply_prefetch(plan(packed, url, store, http_proxy=proxy.url))
        assert ([], everything(packed)) == (missing(packed, store), proxy.sent)


def test_fetched_frames_wait_for_their_prefix(tmp_path: Path) -> None:
    """A collection before the environment is made takes none of them away."""
    packed = versioned_tarball(tmp_path)
    store = Store(tmp_path / "store")
    fetch(packed, str(packed.plan.tarball), store)
    store.collect()
    assert [] == missing(packed, store)


def test_frames_that_were_collected_since_the_plan_are_got_too(tmp_path: Path) -> None:
    """What the plan saw in the store need not be there when it is carried out."""
    store = store_with(tmp_path, versioned_tarball(tmp_path, "1"))
    new = versioned_tarball(tmp_path, "2")
    planned = plan(new, str(new.plan.tarball), store)
    before = len(planned.missing())
    store.collect()
    assert (1, 4, []) == (before, apply_prefetch(planned).frames, missing(new, store))


def test_a_changed_frame_is_got_anew(tmp_path: Path) -> None:
    """Its changed file is replaced."""
    packed = versioned_tarball(tmp_path)
    store = store_with(tmp_path, packed)
    [path] = store.directory.glob("frames/*/*/share/other/data")
    path.write_bytes(b"OTHER" * 2000)
    fetched = fetch(packed, str(packed.plan.tarball), store)
    assert (1, b"other" * 2000) == (fetched.frames, path.read_bytes())
