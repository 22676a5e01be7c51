"""A tarball through a pipe, and a bill alone."""

import io
from pathlib import Path
from typing import BinaryIO

import pytest

from lading.errors import ArchiveError, UsageError
from lading.format.bill import parse_bill
from lading.format.compression import Format
from lading.format.opening import open_tarball
from lading.format.tarball import TarballSource, bill_alone, piped_tarball
from lading.node.unpack import apply_unpack, plan_unpack
from lading.pack.packer import Packed
from simulators.command import listing
from simulators.versions import verified, versioned_tarball


def piped(packed: Packed, data: bytes | BinaryIO) -> TarballSource:
    """`data` through a pipe, with the bill of a tarball."""
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    bill = parse_bill(packed.plan.manifest.read_bytes(), "a bill")
    return piped_tarball(stream, "standard input", bill)


def read_all(tarball: TarballSource) -> list[bytes]:
    """The bytes of all frames."""
    return [b"".join(frame.read()) for frame in tarball.frames()]


@pytest.mark.parametrize("format_", list(Format))
def test_frames_come_as_from_a_file(tmp_path: Path, format_: Format) -> None:
    """The same bytes, of the same format."""
    packed = versioned_tarball(tmp_path, format_=format_)
    with open_tarball(packed.plan.tarball) as opened:
        expected = [(frame.format, b"".join(frame.read())) for frame in opened.frames()]
    found = piped(packed, packed.plan.tarball.read_bytes())
    assert expected == [(frame.format, b"".join(frame.read())) for frame in found.frames()]


@pytest.mark.parametrize("format_", list(Format))
@pytest.mark.parametrize("workers", [1, 2, 8])
def test_a_pipe_is_unpacked(tmp_path: Path, format_: Format, workers: int) -> None:
    """To what the file would have been unpacked to."""
    packed = versioned_tarball(tmp_path, format_=format_)
    found = piped(packed, packed.plan.tarball.read_bytes())
    apply_unpack(plan_unpack(found, tmp_path / "prefix", workers))
    assert () == tuple(verified(tmp_path / "prefix"))


@pytest.mark.parametrize("format_", list(Format))
def test_a_pipe_that_ends_early_is_refused(tmp_path: Path, format_: Format) -> None:
    """Whether in a frame or just before the next one; nothing is left."""
    packed = versioned_tarball(tmp_path / "tarballs", format_=format_)
    data = packed.plan.tarball.read_bytes()
    ends = [item.frame.offset for item in packed.manifest.slices()]
    for end in (0, 1, *ends, ends[-1] + 1):
        plan = plan_unpack(piped(packed, data[:end]), tmp_path / "place/prefix", 2)
        with pytest.raises(ArchiveError, match="standard input is cut off"):
            apply_unpack(plan)
    assert not (tmp_path / "place").exists()


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    """Whoever writes into it shall not be left with a broken pipe."""
    packed = versioned_tarball(tmp_path)
    stream = io.BytesIO(packed.plan.tarball.read_bytes())
    read_all(piped(packed, stream))
    assert b"" == stream.read()


@pytest.mark.parametrize("format_", list(Format))
def test_nothing_may_follow(tmp_path: Path, format_: Format) -> None:
    """What stands behind the tarball is not on its bill."""
    packed = versioned_tarball(tmp_path, format_=format_)
    with pytest.raises(ArchiveError):
        read_all(piped(packed, packed.plan.tarball.read_bytes() + b"x"))


def test_the_end_may_not_lack(tmp_path: Path) -> None:
    """A `tar.zst` without the bill and the table behind its frames was cut off."""
    packed = versioned_tarball(tmp_path)
    data = packed.plan.tarball.read_bytes()
    last = packed.manifest.slices()[-1].frame
    found = []
    for end in range(last.offset + last.length, len(data)):
        try:
            read_all(piped(packed, data[:end]))
        except ArchiveError:
            continue
        found.append(end)
    assert [] == found


def test_the_bill_inside_must_be_the_one_given(tmp_path: Path) -> None:
    """A bill that differs in what no frame shows is another bill."""
    packed = versioned_tarball(tmp_path)
    data = packed.plan.tarball.read_bytes()
    document = packed.plan.manifest.read_bytes()
    packed.plan.manifest.write_bytes(document.replace(b'"sample"', b'"simple"'))
    with pytest.raises(ArchiveError, match="carries another bill"):
        read_all(piped(packed, data))


def test_a_bill_alone_has_no_frames(tmp_path: Path) -> None:
    """It can be deployed from a store, and nothing else."""
    packed = versioned_tarball(tmp_path)
    alone = bill_alone("a.json", parse_bill(packed.plan.manifest.read_bytes(), "a bill"))
    assert [] == list(alone.frames())
    with pytest.raises(UsageError, match=r"a\.json is a bill without its tarball"):
        plan_unpack(alone, tmp_path / "prefix", 1)


def test_a_pipe_leaves_no_file(tmp_path: Path) -> None:
    """Frames are not kept on the disk."""
    packed = versioned_tarball(tmp_path)
    before = listing(tmp_path)
    read_all(piped(packed, packed.plan.tarball.read_bytes()))
    assert before == listing(tmp_path)
