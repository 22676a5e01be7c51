"""A tarball through a pipe, a bill alone, and a bill in a file."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from lading.errors import ArchiveError, DigestMismatchError, ManifestError
from lading.format.compression import Format
from lading.format.manifest import Manifest
from lading.format.tarball import BillOnly, PipedTarball, open_manifest, open_tarball
from lading.node.unpack import apply_unpack, plan_unpack
from lading.pack.packer import Packed
from lading.system.digest import sha256_of
from simulators.command import listing
from simulators.versions import flip_bit, verified, versioned_tarball


def piped(packed: Packed, data: bytes, manifest: Manifest | None = None) -> PipedTarball:
    """`data` through a pipe, with the bill of a tarball."""
    document = packed.plan.manifest.read_bytes()
    return PipedTarball(
        stream=io.BytesIO(data),
        name="standard input",
        manifest=manifest or packed.manifest,
        manifest_sha256=sha256_of(document),
        manifest_bytes=document,
    )


def read_all(tarball: PipedTarball) -> list[bytes]:
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
    packed = versioned_tarball(tmp_path / "depot", format_=format_)
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
    found = piped(packed, packed.plan.tarball.read_bytes())
    read_all(found)
    assert b"" == found.stream.read()


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
    """They must be elsewhere."""
    packed = versioned_tarball(tmp_path)
    document = packed.plan.manifest.read_bytes()
    alone = BillOnly(
        manifest=packed.manifest, manifest_sha256=sha256_of(document), manifest_bytes=document
    )
    assert [] == list(alone.frames())


def test_a_bill_is_read(tmp_path: Path) -> None:
    """With its bytes, whose digest is its identity."""
    packed = versioned_tarball(tmp_path)
    manifest, document = open_manifest(packed.plan.manifest)
    assert (packed.manifest, packed.manifest_sha256) == (manifest, sha256_of(document))


def test_a_bill_that_is_not_there_is_told(tmp_path: Path) -> None:
    """As a wrong input."""
    with pytest.raises(ManifestError, match="No such file"):
        open_manifest(tmp_path / "none.manifest.json")


def test_a_bill_that_is_none_is_told(tmp_path: Path) -> None:
    """As a wrong input."""
    (tmp_path / "a.manifest.json").write_text("{")
    with pytest.raises(ManifestError, match=r"a\.manifest\.json is no pack manifest"):
        open_manifest(tmp_path / "a.manifest.json")


@pytest.mark.parametrize("format_", list(Format))
def test_a_bill_must_be_the_one_that_the_checksums_name(tmp_path: Path, format_: Format) -> None:
    """Where they lie beside it, a changed bill is noticed whatever was changed."""
    packed = versioned_tarball(tmp_path, format_=format_)
    document = packed.plan.manifest.read_bytes()
    packed.plan.manifest.write_bytes(document.replace(b'"sample"', b'"simple"'))
    with pytest.raises(DigestMismatchError, match=r"is not the one that .* names"):
        open_manifest(packed.plan.manifest)


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b"\xff"),
        lambda path: path.write_text(f"{'0' * 64}  another.manifest.json\n"),
    ],
    ids=["none", "no text", "of others"],
)
def test_checksums_of_other_files_say_nothing(
    tmp_path: Path, change: Callable[[Path], object]
) -> None:
    """A bill may lie alone."""
    packed = versioned_tarball(tmp_path)
    change(packed.plan.checksums)
    assert packed.manifest == open_manifest(packed.plan.manifest)[0]


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


def test_a_bill_names_frames_by_their_digest(tmp_path: Path) -> None:
    """The store makes a path of it, so a path in its place is refused."""
    packed = versioned_tarball(tmp_path)
    digest = packed.manifest.slices()[0].frame.sha256
    document = packed.plan.manifest.read_bytes().replace(digest.encode(), b"/etc")
    packed.plan.checksums.unlink()
    packed.plan.manifest.write_bytes(document)
    with pytest.raises(ManifestError, match="a frame has no digest"):
        open_manifest(packed.plan.manifest)


def test_a_pipe_leaves_no_file(tmp_path: Path) -> None:
    """Frames are not kept on the disk."""
    packed = versioned_tarball(tmp_path)
    before = listing(tmp_path)
    read_all(piped(packed, packed.plan.tarball.read_bytes()))
    assert before == listing(tmp_path)
