"""Looking at a prefix quickly, and by several threads."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lading.format.opening import open_tarball
from lading.verify.finding import Report
from lading.verify.prefix import Thoroughness, read_prefix_manifest, verify_unpacked
from lading.verify.tarball import verify_tarball
from simulators.handmade import file, pack, payload, unpack
from simulators.versions import flip_bit, versioned_tarball

QUICK = Thoroughness(quick=True)


def prefix(root: Path) -> Path:
    """A small environment, unpacked."""
    return unpack(versioned_tarball(root / "tarballs").plan.tarball, root / "prefix")


def report(place: Path, how: Thoroughness) -> Report:
    """What is to be said of an unpacked environment."""
    return verify_unpacked(place, read_prefix_manifest(place, None), how)


def told(place: Path, how: Thoroughness) -> list[tuple[str, str]]:
    """Path and message of each finding."""
    return [(item.path, item.message) for item in report(place, how).findings]


def lengthen(path: Path) -> None:
    """Add a byte and set the time back."""
    status = path.stat()
    path.write_bytes(path.read_bytes() + b"x")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def flip(path: Path, *, keep_time: bool = False) -> None:
    """Change a bit."""
    status = path.stat()
    path.write_bytes(flip_bit(path.read_bytes(), 5))
    if keep_time:
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_whole_prefix_is_clean(tmp_path: Path) -> None:
    """As quickly looked at as thoroughly."""
    place = prefix(tmp_path)
    assert [[], []] == [told(place, how) for how in (QUICK, Thoroughness())]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lengthen, "its size was changed"),
        (flip, "its time was changed"),
        (lambda path: path.chmod(0o755), "its mode was changed"),
        (lambda path: path.unlink(), "it is missing"),
    ],
    ids=["size", "time", "mode", "gone"],
)
def test_what_a_quick_look_finds(
    tmp_path: Path, change: Callable[[Path], object], message: str
) -> None:
    """Size, time, mode and absence."""
    place = prefix(tmp_path)
    change(place / "share/base/data")
    assert [("share/base/data", message)] == told(place, QUICK)


def test_what_a_quick_look_does_not_find(tmp_path: Path) -> None:
    """Another content of the same size and time; a thorough look finds it."""
    place = prefix(tmp_path)
    flip(place / "share/base/data", keep_time=True)
    assert ([], [("share/base/data", "its content was changed")]) == (
        told(place, QUICK),
        told(place, Thoroughness()),
    )


@pytest.mark.parametrize("path", ["bin/tool", "lib/libbase.so.1"])
def test_the_size_of_relocated_files_is_known(tmp_path: Path, path: str) -> None:
    """It follows from the lengths of the placeholder and the prefix."""
    place = prefix(tmp_path)
    lengthen(place / path)
    assert [(path, "its size was changed")] == told(place, QUICK)


def test_foreign_files_are_found(tmp_path: Path) -> None:
    """However quickly one looks."""
    place = prefix(tmp_path)
    (place / "share/mine").touch()
    assert [("share/mine", "it is not on the bill")] == told(place, QUICK)


def test_links_are_read(tmp_path: Path) -> None:
    """A link has no content but its target."""
    place = prefix(tmp_path)
    (place / "lib/libbase.so").unlink()
    (place / "lib/libbase.so").symlink_to("elsewhere")
    assert [("lib/libbase.so", "its target was changed")] == told(place, QUICK)


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("workers", [2, 8])
def test_threads_find_the_same(tmp_path: Path, workers: int, *, quick: bool) -> None:
    """In the same order, of more files than one thread looks at in one go."""
    many = payload(*(file(f"share/{number}", b"x" * number) for number in range(600)))
    place = unpack(pack(tmp_path / "tarballs", many).plan.tarball, tmp_path / "prefix")
    for number in range(0, 600, 50):
        lengthen(place / f"share/{number}")
    one, several = (
        report(place, Thoroughness(workers=count, quick=quick)) for count in (1, workers)
    )
    assert (12, one) == (len(one.findings), several)


@pytest.mark.parametrize("workers", [2, 8])
def test_threads_find_the_same_in_a_tarball(tmp_path: Path, workers: int) -> None:
    """Two damaged frames, whoever looks first."""
    packed = versioned_tarball(tmp_path)
    data = packed.plan.tarball.read_bytes()
    for item in packed.manifest.slices()[1:3]:
        data = flip_bit(data, 8 * (item.frame.offset + item.frame.length // 2))
    packed.plan.tarball.write_bytes(data)
    with open_tarball(packed.plan.tarball) as opened:
        one, several = (verify_tarball(opened, count) for count in (1, workers))
    assert (["tool", "zother"], one) == (sorted(item.owner for item in one.findings), several)
