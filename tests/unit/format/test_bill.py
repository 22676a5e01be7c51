"""A bill and its identity."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lading.errors import DigestMismatchError, ManifestError
from lading.format.bill import parse_bill, read_bill
from lading.format.compression import Format
from simulators.versions import versioned_tarball


def test_a_bill_is_read(tmp_path: Path) -> None:
    """With its bytes, whose digest is its identity."""
    packed = versioned_tarball(tmp_path)
    bill = read_bill(packed.plan.manifest)
    found = (bill.manifest, bill.digest, bill.document)
    expected = (packed.manifest, packed.manifest_sha256, packed.plan.manifest.read_bytes())
    assert expected == found


def test_a_bill_that_is_not_there_is_told(tmp_path: Path) -> None:
    """As a wrong input."""
    with pytest.raises(ManifestError, match="No such file"):
        read_bill(tmp_path / "none.manifest.json")


def test_a_bill_that_is_none_is_told(tmp_path: Path) -> None:
    """As a wrong input."""
    (tmp_path / "a.manifest.json").write_text("{")
    with pytest.raises(ManifestError, match=r"a\.manifest\.json is not a pack manifest"):
        read_bill(tmp_path / "a.manifest.json")


@pytest.mark.parametrize("format_", list(Format))
def test_a_bill_must_be_the_one_that_the_checksums_name(tmp_path: Path, format_: Format) -> None:
    """Where they lie beside it, a changed bill is noticed whatever was changed."""
    packed = versioned_tarball(tmp_path, format_=format_)
    document = packed.plan.manifest.read_bytes()
    packed.plan.manifest.write_bytes(document.replace(b'"sample"', b'"simple"'))
    with pytest.raises(DigestMismatchError, match=r"is not the one that .* names"):
        read_bill(packed.plan.manifest)


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
    assert packed.manifest == read_bill(packed.plan.manifest).manifest


def test_a_bill_names_frames_by_their_digest(tmp_path: Path) -> None:
    """The store makes a path of it, so a path in its place is refused."""
    packed = versioned_tarball(tmp_path)
    digest = packed.manifest.packages[0].frames[0].sha256
    document = packed.plan.manifest.read_bytes().replace(digest.encode(), b"/etc")
    packed.plan.checksums.unlink()
    packed.plan.manifest.write_bytes(document)
    with pytest.raises(ManifestError, match="a frame has no digest"):
        read_bill(packed.plan.manifest)


def test_the_expected_digest_is_compared_before_anything_is_parsed() -> None:
    """A bill that was made to be expensive costs nothing but its digest."""
    with pytest.raises(DigestMismatchError, match="has another bill than the one asked for"):
        parse_bill(b"{", "a bill", "0" * 64)
