"""Open a tarball, wherever it is."""

import io
import os
import random
from pathlib import Path

import pytest
from backports import zstd

from lading.errors import (
    ArchiveError,
    DigestMismatchError,
    InputError,
    IntegrityError,
    LadingError,
    ManifestError,
    PrefixError,
)
from lading.format.compression import Format
from lading.format.opening import _pread, open_tarball
from lading.format.seekable import SeekEntry, render_seek_table, render_skippable
from simulators.command import listing
from simulators.rangeserver import serve_ranges
from simulators.versions import flip_bit, versioned_tarball


@pytest.mark.parametrize(("format_", "step"), [("tar.zst", 23), ("tar.gz", 23), ("tar", 199)])
def test_every_bit_behind_the_frames_counts(tmp_path: Path, format_: str, step: int) -> None:
    """Lists, bill and what leads to it: wherever a bit is wrong, the tarball is refused."""
    packed = versioned_tarball(tmp_path, format_=Format(format_))
    data = packed.plan.tarball.read_bytes()
    packed.plan.checksums.unlink()
    start = packed.manifest.packages[0].listed.offset
    unnoticed = []
    for bit in (
        *range(8 * start, 8 * len(data), step),
        *range(8 * (len(data) - 60), 8 * len(data)),
    ):
        packed.plan.tarball.write_bytes(flip_bit(data, bit))
        try:
            with open_tarball(packed.plan.tarball) as opened:
                opened.contents()
                unnoticed.append(bit)
        except IntegrityError:
            continue
    assert [] == unnoticed


@pytest.mark.parametrize("format_", list(Format))
def test_a_file_is_opened(tmp_path: Path, format_: Format) -> None:
    """With the bill that was packed."""
    packed = versioned_tarball(tmp_path, format_=format_)
    with open_tarball(packed.plan.tarball, expected=packed.manifest_sha256.hex.upper()) as opened:
        frames = list(opened.frames(opened.contents().slices))
        found = (opened.name, opened.bill.manifest, opened.bill.digest, len(frames))
    expected = (packed.manifest, packed.manifest_sha256, 4)
    assert (str(packed.plan.tarball), *expected) == found


def test_a_url_is_opened(tmp_path: Path) -> None:
    """With the bill that is inside."""
    packed = versioned_tarball(tmp_path)
    with (
        serve_ranges({"/x": packed.plan.tarball.read_bytes()}) as server,
        open_tarball(f"{server.url}/x") as opened,
    ):
        assert packed.manifest_sha256 == opened.bill.digest


def test_a_server_without_ranges_is_copied(tmp_path: Path) -> None:
    """The bill is at the end: all of it is read, into a file that leaves nothing behind."""
    packed = versioned_tarball(tmp_path, format_=Format.TAR)
    (tmp_path / "spool").mkdir()
    with (
        serve_ranges({"/x": packed.plan.tarball.read_bytes()}, knows_ranges=False) as server,
        open_tarball(f"{server.url}/x", spool=tmp_path / "spool") as opened,
    ):
        found = (opened.bill.digest, opened.has_ranges, opened.contents().bill.digest)
    assert (packed.manifest_sha256, False, packed.manifest_sha256) == found
    assert [] == listing(tmp_path / "spool")


def test_lists_of_one_server_are_asked_for_together(tmp_path: Path) -> None:
    """They lie side by side: with the end of the tarball, or by one range."""
    packed = versioned_tarball(tmp_path)
    with (
        serve_ranges({"/x": packed.plan.tarball.read_bytes()}) as server,
        open_tarball(f"{server.url}/x") as opened,
    ):
        before = len(server.ranges)
        opened.contents()
        assert len(server.ranges) - before <= 1


def test_a_stream_is_copied_for_the_bill_at_its_end(tmp_path: Path) -> None:
    """Into the directory that is named, where nothing is left."""
    packed = versioned_tarball(tmp_path / "made")
    (tmp_path / "spool").mkdir()
    stream = io.BytesIO(packed.plan.tarball.read_bytes())
    with open_tarball(stream, spool=tmp_path / "spool") as opened:
        [frame, *_] = opened.frames(opened.contents().slices)
        found = (opened.bill.digest, frame.read()[:4])
    assert (packed.manifest_sha256, b"\x28\xb5\x2f\xfd") == found
    assert [] == listing(tmp_path / "spool")


def test_a_stream_that_cannot_be_copied(tmp_path: Path) -> None:
    """The directory is named."""
    with (
        pytest.raises(PrefixError, match="cannot copy"),
        open_tarball(io.BytesIO(), spool=tmp_path / "none"),
    ):
        pass


def test_a_stream_with_a_bill_is_read_to_its_end(tmp_path: Path) -> None:
    """The writer is not left with a broken pipe, even if no frame was needed."""
    packed = versioned_tarball(tmp_path)
    stream = io.BytesIO(packed.plan.tarball.read_bytes())
    with open_tarball(stream, manifest=packed.plan.manifest):
        pass
    assert b"" == stream.read()


def test_a_bill_may_be_opened_alone(tmp_path: Path) -> None:
    """It has no frames."""
    packed = versioned_tarball(tmp_path)
    with open_tarball(packed.plan.manifest) as opened:
        assert (packed.manifest_sha256, None) == (opened.bill.digest, opened.read)


@pytest.mark.parametrize("format_", list(Format))
def test_another_bill_than_expected_is_refused(tmp_path: Path, format_: Format) -> None:
    """In every format, and through a pipe."""
    plan = versioned_tarball(tmp_path, format_=format_).plan
    stream = io.BytesIO(plan.tarball.read_bytes())
    for tarball, manifest in ((plan.tarball, None), (stream, plan.manifest), (plan.manifest, None)):
        with (
            pytest.raises(DigestMismatchError),
            open_tarball(tarball, manifest=manifest, expected="0" * 64),
        ):
            pass


@pytest.mark.parametrize("format_", list(Format))
def test_every_format_has_its_bill_inside(tmp_path: Path, format_: Format) -> None:
    """One file is enough, under any name and through a pipe."""
    plan = versioned_tarball(tmp_path, format_=format_).plan
    alone = tmp_path / "alone"
    alone.write_bytes(plan.tarball.read_bytes())
    for tarball in (alone, io.BytesIO(alone.read_bytes())):
        with open_tarball(tarball) as opened:
            assert (plan.manifest.read_bytes(), format_) == (opened.bill.document, opened.format)


@pytest.mark.parametrize("format_", list(Format))
def test_a_bill_that_is_named_must_be_the_one_inside(tmp_path: Path, format_: Format) -> None:
    """A bill that differs in what no frame shows is another bill."""
    packed = versioned_tarball(tmp_path, format_=format_)
    packed.plan.checksums.unlink()
    document = packed.plan.manifest.read_bytes()
    packed.plan.manifest.write_bytes(document.replace(b'"sample"', b'"simple"'))
    with (
        pytest.raises(ArchiveError, match="carries another bill"),
        open_tarball(packed.plan.tarball, manifest=packed.plan.manifest),
    ):
        pass


@pytest.mark.parametrize("data", [b"", b"text", bytes(512), bytes(10_000), b"\x1f\x8b" * 99])
def test_other_files_are_told(tmp_path: Path, data: bytes) -> None:
    """They have no bill at their end."""
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(ArchiveError, match=r"no bill at its end|the end of .* is damaged"):
        open_tarball(tmp_path / "x").__enter__()


def test_a_tarball_of_format_1_is_told(tmp_path: Path) -> None:
    """By what wrote it: its bill stood in a skippable frame before the seek table."""
    document = b'{"format":"lading-pack-manifest","version":1,"lading":"0.1.0"}\n'
    bill = render_skippable(0x184D2A5D, zstd.compress(document) + bytes(4))
    frame = zstd.compress(b"members")
    entries = [SeekEntry(len(frame), 7), SeekEntry(len(bill), 0)]
    (tmp_path / "x.tar.zst").write_bytes(frame + bill + render_seek_table(entries))
    with pytest.raises(ManifestError, match=r"has format 1, written by lading 0\.1\.0"):
        open_tarball(tmp_path / "x.tar.zst").__enter__()


def test_a_missing_file(tmp_path: Path) -> None:
    """It is a wrong input, like a directory."""
    with pytest.raises(InputError, match="No such file"), open_tarball(tmp_path / "x"):
        pass
    with pytest.raises(InputError, match="is a directory"), open_tarball(tmp_path):
        pass


def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Nobody may ever write into it."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is not a regular file"), open_tarball(tmp_path / "pipe"):
        pass


def test_a_disk_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """Here a directory takes its place: reading it fails like reading a broken disk."""
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(ArchiveError, match="cannot read x: Is a directory"):
            _pread("x", descriptor, 0, 1)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("format_", list(Format))
def test_a_tarball_that_is_cut_anywhere_is_refused(tmp_path: Path, format_: Format) -> None:
    """At 200 random places, before anything of it is unpacked."""
    data = versioned_tarball(tmp_path, format_=format_).plan.tarball.read_bytes()
    path = tmp_path / f"cut.{format_}"
    numbers = random.Random(str(format_))
    for size in [0, 1, len(data) - 1, *(numbers.randrange(len(data)) for _ in range(200))]:
        path.write_bytes(data[:size])
        with pytest.raises(LadingError), open_tarball(path) as opened:
            opened.contents()
