"""Open a tarball, wherever it is."""

import io
import os
from pathlib import Path

import pytest

from lading.errors import (
    ArchiveError,
    DigestMismatchError,
    InputError,
    ManifestError,
    PrefixError,
    UsageError,
)
from lading.format.compression import Format
from lading.format.opening import _pread, open_tarball
from simulators.command import listing
from simulators.rangeserver import serve_ranges
from simulators.versions import flip_bit, versioned_tarball


def test_every_bit_behind_the_frames_counts(tmp_path: Path) -> None:
    """Bill and seek table inside: wherever a bit is wrong, the tarball is refused."""
    packed = versioned_tarball(tmp_path)
    data = packed.plan.tarball.read_bytes()
    packed.plan.checksums.unlink()
    last = packed.manifest.slices()[-1].frame
    unnoticed = []
    for bit in range(8 * (last.offset + last.length), 8 * len(data), 7):
        packed.plan.tarball.write_bytes(flip_bit(data, bit))
        try:
            with open_tarball(packed.plan.tarball):
                unnoticed.append(bit)
        except ArchiveError:
            continue
    assert [] == unnoticed


@pytest.mark.parametrize("format_", list(Format))
def test_a_file_is_opened(tmp_path: Path, format_: Format) -> None:
    """With the bill that was packed."""
    packed = versioned_tarball(tmp_path, format_=format_)
    with open_tarball(packed.plan.tarball, expected=packed.manifest_sha256.hex.upper()) as opened:
        found = (opened.name, opened.bill.manifest, opened.bill.digest, len(list(opened.frames())))
    expected = (packed.manifest, packed.manifest_sha256, len(packed.manifest.slices()))
    assert (str(packed.plan.tarball), *expected) == found


def test_a_url_is_opened(tmp_path: Path) -> None:
    """With the bill that is inside."""
    packed = versioned_tarball(tmp_path)
    with (
        serve_ranges({"/x": packed.plan.tarball.read_bytes()}) as server,
        open_tarball(f"{server.url}/x") as opened,
    ):
        assert packed.manifest_sha256 == opened.bill.digest


def test_a_bill_of_a_url_is_inside(tmp_path: Path) -> None:
    """Another one would not be used."""
    with (
        pytest.raises(UsageError, match="is read from inside"),
        open_tarball("https://host/x", manifest=tmp_path),
    ):
        pass


def test_a_stream_is_copied_for_the_bill_at_its_end(tmp_path: Path) -> None:
    """Into the directory that is named, where nothing is left."""
    packed = versioned_tarball(tmp_path / "made")
    (tmp_path / "spool").mkdir()
    stream = io.BytesIO(packed.plan.tarball.read_bytes())
    with open_tarball(stream, spool=tmp_path / "spool") as opened:
        found = (opened.bill.digest, b"".join(next(opened.frames()).read())[:4])
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
        assert (packed.manifest_sha256, False) == (opened.bill.digest, opened.has_frames)


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


@pytest.mark.parametrize("format_", [Format.GZIP, Format.TAR])
def test_a_format_without_a_bill_inside_needs_one(tmp_path: Path, format_: Format) -> None:
    """Beside the file, or named with the stream."""
    plan = versioned_tarball(tmp_path, format_=format_).plan
    stream = io.BytesIO(plan.tarball.read_bytes())
    plan.manifest.unlink()
    with pytest.raises(ManifestError), open_tarball(plan.tarball):
        pass
    with pytest.raises((ManifestError, ArchiveError)), open_tarball(stream):
        pass


def test_a_missing_file(tmp_path: Path) -> None:
    """It is a wrong input, like a directory."""
    with pytest.raises(InputError, match="No such file"), open_tarball(tmp_path / "x"):
        pass
    with pytest.raises(InputError, match="is not a regular file"), open_tarball(tmp_path):
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
            _pread("x", descriptor, 1, 0)
    finally:
        os.close(descriptor)
