"""Compare a tarball with its bill."""

from pathlib import Path

import pytest

from lading.format.compression import Format
from lading.format.opening import open_tarball
from lading.verify.finding import Report
from lading.verify.tarball import verify_tarball
from simulators.forgery import Forgery, forged_file
from simulators.handmade import file, pack, payload
from simulators.versions import flip_bit, versioned_tarball


def verify(path: Path) -> Report:
    """The report on a tarball."""
    with open_tarball(path) as opened:
        return verify_tarball(opened, 2)


def test_a_sound_tarball(tmp_path: Path) -> None:
    """A tarball that nobody touched is exactly what its bill says."""
    report = verify(pack(tmp_path, payload(file("a", b"x"))).plan.tarball)
    assert (True, (), "tarball") == (report.is_clean, tuple(report.findings), report.kind)


def test_a_damaged_frame(tmp_path: Path) -> None:
    """A frame that is damaged is one finding, with its package."""
    packed = pack(tmp_path, payload(file("a", bytes(range(256)) * 10)))
    data = bytearray(packed.plan.tarball.read_bytes())
    data[packed.manifest.packages[0].frames[0].length // 2] ^= 1
    packed.plan.tarball.write_bytes(data)
    [finding] = verify(packed.plan.tarball).findings
    assert ("damaged", "frame at byte 0 (tool)", "tool") == (
        finding.rule,
        finding.path,
        finding.owner,
    )


def test_the_environments_own_frame(tmp_path: Path) -> None:
    """The last frame has no package, and a name for people."""
    packed = pack(tmp_path, format_=Format.TAR)
    data = bytearray(packed.plan.tarball.read_bytes())
    data[600] ^= 1
    packed.plan.tarball.write_bytes(data)
    [finding] = verify(packed.plan.tarball).findings
    assert "frame at byte 0 (the environment's own files)" == finding.path


def test_a_changed_member(tmp_path: Path) -> None:
    """A member with another content than billed is told by its path."""
    member = forged_file("a", b"found")
    changed = forged_file("a", b"other")
    forgery = Forgery(members=(type(member)(member.header, member.content, changed.entry),))
    [finding] = verify(forgery.write(tmp_path / "x.tar.zst")).findings
    assert ("modified", "a", changed.entry and changed.entry["sha256"]) == (
        finding.rule,
        finding.path,
        finding.expected,
    )


@pytest.mark.parametrize("workers", [2, 8])
def test_threads_find_the_same_in_a_tarball(tmp_path: Path, workers: int) -> None:
    """Two damaged frames, whoever looks first."""
    packed = versioned_tarball(tmp_path)
    data = packed.plan.tarball.read_bytes()
    for package in packed.manifest.packages[1:3]:
        [frame] = package.frames
        data = flip_bit(data, 8 * (frame.offset + frame.length // 2))
    packed.plan.tarball.write_bytes(data)
    with open_tarball(packed.plan.tarball) as opened:
        one, several = (verify_tarball(opened, count) for count in (1, workers))
    assert (["tool", "zother"], one) == (sorted(item.owner for item in one.findings), several)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_file_that_goes_through_several_frames(tmp_path: Path, workers: int) -> None:
    """All of it is compared with its digest; what stands in its last frame is too."""
    large = file("large", b"".join(number.to_bytes(4) * 500 for number in range(9000)))
    packed = pack(tmp_path, payload(file("a", b"x"), large, file("z", b"y")))
    with open_tarball(packed.plan.tarball) as opened:
        assert () == verify_tarball(opened, workers).findings
        assert 2 < len(opened.contents().packages[0].slices)
    start = packed.manifest.packages[0].frames[1].offset
    packed.plan.tarball.write_bytes(flip_bit(packed.plan.tarball.read_bytes(), 8 * start + 99))
    with open_tarball(packed.plan.tarball) as opened:
        [finding] = verify_tarball(opened, workers).findings
    assert f"frame at byte {start} (tool)" == finding.path
