"""From a finished installation to an image: the bytes, the label, what is refused."""

import subprocess
from pathlib import Path

import pytest

from lading.conda.paths import FileMode
from lading.errors import (
    ArchiveError,
    DigestMismatchError,
    PrefixTooLongError,
    UsageError,
)
from lading.format.compression import Level
from lading.format.image import is_image, read_image
from lading.format.manifest import parse_manifest
from lading.pack.image import plan_image
from lading.pack.packer import PackRequest
from lading.system.digest import sha256_of, sha256_of_file
from simulators.handmade import file, installed, pack, payload, snapshot, unpack
from simulators.images import MOUNTED, PLACEHOLDER, make_image, need, sample


def request(directory: Path) -> PackRequest:
    """A request to pack the sample."""
    return PackRequest(installed=installed(sample(directory.parent / "cache")), directory=directory)


def test_the_outputs(tmp_path: Path) -> None:
    """Image, bill and digests are there under names of their own; the bill has no frames."""
    packed = make_image(tmp_path / "dist")
    assert {()} == {package.frames for package in packed.manifest.packages}
    assert (
        [
            "sample-linux-64.sqsh",
            "sample-linux-64.sqsh.manifest.json",
            "sample-linux-64.sqsh.sha256",
        ],
        sha256_of_file(packed.plan.tarball),
        packed.plan.tarball.stat().st_size,
    ) == (sorted(path.name for path in (tmp_path / "dist").iterdir()), packed.sha256, packed.size)


def test_two_images_are_one(tmp_path: Path) -> None:
    """Same inputs, same bytes, however many threads compress."""
    first, second = (
        make_image(tmp_path / str(number) / "dist", workers=number) for number in (1, 4)
    )
    assert first.sha256 == second.sha256


def test_it_is_the_tree_that_unpacking_gives(tmp_path: Path) -> None:
    """The content is that of the same environment, unpacked to the prefix of the image."""
    need("unsquashfs")
    prefix = tmp_path / "prefix"
    image = make_image(tmp_path / "dist", prefix=str(prefix)).plan.tarball
    subprocess.run(
        ["unsquashfs", "-n", "-d", tmp_path / "content", image], check=True, capture_output=True
    )
    unpacked = unpack(pack(tmp_path / "dist", *sample(tmp_path / "cache")).plan.tarball, prefix)
    own = {"conda-meta/lading/manifest.json", "conda-meta/lading/state.json"}
    expected, found = dict(snapshot(unpacked)), dict(snapshot(tmp_path / "content"))
    assert {path: item for path, item in expected.items() if path not in own} == {
        path: item for path, item in found.items() if path not in own
    }


def test_the_label(tmp_path: Path) -> None:
    """The end of the file says where the image belongs, and which bill is inside."""
    packed = make_image(tmp_path / "dist")
    label = read_image(packed.plan.tarball).label
    bill = packed.plan.manifest.read_bytes()
    assert (MOUNTED, sha256_of(bill).hex, "sample", packed.manifest.files) == (
        label.prefix,
        label.manifest,
        label.environment,
        label.files,
    )
    assert MOUNTED == parse_manifest(bill, "bill").requirements.prefix


def test_levels_differ(tmp_path: Path) -> None:
    """Each level is named in the bill."""
    levels = [
        make_image(tmp_path / item / "dist", level=item).manifest.compressor["level"]
        for item in Level
    ]
    assert ["3 block 131072", "3 block 262144", "15 block 1048576"] == levels


@pytest.mark.parametrize("prefix", ["relative", "/", "/opt/../etc", "/opt//x", "/a\nb", ""])
def test_prefixes_that_are_none(tmp_path: Path, prefix: str) -> None:
    """An image can only be made for a plain absolute path."""
    if prefix == "":
        planned = plan_image(request(tmp_path), prefix)
        assert "/opt/lading/sample" == planned.request.prefix
        return
    with pytest.raises(UsageError):
        plan_image(request(tmp_path), prefix)


def test_a_prefix_that_does_not_fit(tmp_path: Path) -> None:
    """A prefix longer than a placeholder in a binary file is refused, and nothing is left."""
    binary = payload(
        file(
            "lib/x.so",
            PLACEHOLDER.encode() + b"\0\0",
            placeholder=PLACEHOLDER,
            mode=FileMode.BINARY,
            directory=tmp_path / "cache",
        )
    )
    with pytest.raises(PrefixTooLongError):
        make_image(tmp_path / "dist", binary, prefix="/" + "x" * 200)
    assert [] == list((tmp_path / "dist").iterdir())


def test_a_file_cut_off(tmp_path: Path) -> None:
    """An image that lost its end is refused before anybody mounts it."""
    image = make_image(tmp_path / "dist").plan.tarball
    image.write_bytes(image.read_bytes()[:-1])
    with pytest.raises(ArchiveError, match="no label"):
        read_image(image)


def test_a_file_with_a_hole_before_its_label(tmp_path: Path) -> None:
    """A label that stands elsewhere than it says is refused."""
    image = make_image(tmp_path / "dist").plan.tarball
    data = image.read_bytes()
    image.write_bytes(data[:-8192] + data[-4096:])
    with pytest.raises(ArchiveError, match="cut off"):
        read_image(image)


def test_another_bill_than_asked_for(tmp_path: Path) -> None:
    """The digest of the bill that the user names is compared before anything else."""
    packed = make_image(tmp_path / "dist")
    assert read_image(packed.plan.tarball, packed.manifest_sha256.hex.upper())
    with pytest.raises(DigestMismatchError):
        read_image(packed.plan.tarball, "0" * 64)


def test_its_own_digest(tmp_path: Path) -> None:
    """The digest of the whole file tells one flipped bit."""
    packed = make_image(tmp_path / "dist")
    image = read_image(packed.plan.tarball)
    image.check_digest(packed.sha256.hex)
    data = bytearray(packed.plan.tarball.read_bytes())
    data[200] ^= 1
    packed.plan.tarball.write_bytes(data)
    with pytest.raises(DigestMismatchError):
        image.check_digest(packed.sha256.hex)


def test_what_an_image_is(tmp_path: Path) -> None:
    """A tarball, a directory and nothing are no images."""
    tarball = pack(tmp_path, *sample(tmp_path / "cache")).plan.tarball
    paths = (make_image(tmp_path / "dist").plan.tarball, tarball, tmp_path, tmp_path / "nothing")
    assert [True, False, False, False] == [is_image(path) for path in paths]
