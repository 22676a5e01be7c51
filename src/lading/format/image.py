"""The label of an image: what stands behind the file system in a `.sqsh`.

An image is a squashfs file system of the environment, relocated to one prefix, with the bill at
`conda-meta/lading/manifest.json`. The last 4096 bytes of the file are its label: what running it
takes to know, readable without any tool and without mounting. A kernel does not look behind the end
of a file system.

The label is believed by nobody: after mounting, the bill inside must have the digest that the label
promised. It says where to look, never what is right.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lading.errors import ArchiveError, DigestMismatchError, InputError, UsageError, raised_as
from lading.format.manifest import Requirements
from lading.system import Digest, decode_json, open_regular, sha256_of_file

if TYPE_CHECKING:
    from lading.format.bill import Bill

IMAGE_SUFFIX = "sqsh"
SQUASHFS_MAGIC = b"hsqs"
LABEL_BYTES = 4096
LABEL_MAGIC = b"ladingI1"
FETCH_IMAGE = "fetch the image again, or pack it again"


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """What stands behind the file system.

    Attributes:
        prefix: Where the image must be mounted, absolute.
        manifest: SHA-256 of the bill inside, hexadecimal.
        size: Of the file system in bytes: where the label begins.
        unpacked: Bytes of all files, unpacked.
        files: How many members the bill lists.
    """

    environment: str
    platform: str
    prefix: str
    manifest: str
    size: int
    unpacked: int
    files: int
    requirements: Requirements


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """An image whose label was read.

    Attributes:
        path: Absolute.
        identity: Names this very file: device, inode, size and time; changes when it is replaced.
    """

    path: Path
    label: Label
    identity: str

    def check_digest(self, expected: str) -> None:
        """Refuse a file with another SHA-256 than `expected`, hexadecimal in either case.

        Raises:
            DigestMismatchError: It has another.
            ArchiveError: It cannot be read.
        """
        with raised_as(ArchiveError, f"cannot read {self.path}", FETCH_IMAGE):
            found = sha256_of_file(self.path).hex
        if found != expected.lower():
            raise DigestMismatchError(
                f"{self.path} is not the image that was asked for",
                hint=FETCH_IMAGE,
                expected=expected.lower(),
                actual=found,
            )


def render_label(label: Label) -> bytes:
    """The bytes of the label: JSON, filled up with zeros, and a magic number at the end.

    Raises:
        UsageError: The label does not fit.
    """
    document = msgspec.json.encode(label, order="sorted")
    room = LABEL_BYTES - len(LABEL_MAGIC)
    if len(document) > room:
        raise UsageError(
            f"the label of the image has {len(document)} bytes, and {room} fit",
            hint="choose a shorter --prefix",
        )
    return document.ljust(room, b"\0") + LABEL_MAGIC


def is_image(path: Path) -> bool:
    """Whether there is a file at `path` that begins as a squashfs file system does.

    Raises:
        InputError: It may not be read.
    """
    try:
        descriptor = open_regular(path, follow=True)
    except PermissionError as error:
        raise InputError(f"{path}: {error.strerror}", hint="correct its permissions") from error
    except OSError:
        return False
    try:
        return os.pread(descriptor, len(SQUASHFS_MAGIC), 0) == SQUASHFS_MAGIC
    finally:
        os.close(descriptor)


def read_image(path: Path, manifest_sha256: str | None = None) -> Image:
    """The image at `path`; only its label is read.

    `manifest_sha256` is the digest that its bill must have, hexadecimal; None for any.

    Raises:
        InputError: There is no such file.
        ArchiveError: It is not an image of lading, or cut off.
        DigestMismatchError: It promises another bill.
    """
    with raised_as(InputError, path, "name an image"):
        descriptor = open_regular(path, follow=True)
    try:
        status = os.fstat(descriptor)
        head = os.pread(descriptor, len(SQUASHFS_MAGIC), 0)
        start = max(0, status.st_size - LABEL_BYTES)
        block = os.pread(descriptor, LABEL_BYTES, start)
    finally:
        os.close(descriptor)
    if head != SQUASHFS_MAGIC:
        raise ArchiveError(f"{path} is not an image", hint="make one with `lading pack -f sqsh`")
    label = _parse_label(block, path)
    if label.size != start:
        raise ArchiveError(f"{path} is cut off or was extended", hint=FETCH_IMAGE)
    if manifest_sha256 is not None and label.manifest != manifest_sha256.lower():
        raise DigestMismatchError(
            f"{path} has another bill than the one asked for",
            hint="fetch the image that belongs to this digest",
            expected=manifest_sha256.lower(),
            actual=label.manifest,
        )
    identity = f"{status.st_dev:x}-{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}"
    return Image(path=path, label=label, identity=identity)


def parse_image_bill(image: Image, document: bytes) -> "Bill":
    """The bill that was read inside of `image`.

    Raises:
        DigestMismatchError: It is not the one that the label, or a `.sha256` file beside, names.
        ArchiveError: The label says something else than the bill.
        ManifestError: It is malformed.
    """
    from lading.format.bill import check_companions, parse_bill  # noqa: PLC0415  # not to run it

    bill = parse_bill(document, str(image.path), image.label.manifest)
    check_companions(bill, image.path)
    if image.label != label_of(bill, image.label.size):
        raise ArchiveError(f"the label of {image.path} is not what its bill says", hint=FETCH_IMAGE)
    return bill


def label_of(bill: "Bill", size: int) -> Label:
    """The label of an image with this bill, whose file system has `size` bytes."""
    manifest = bill.manifest
    return Label(
        environment=manifest.environment,
        platform=manifest.platform,
        prefix=manifest.requirements.prefix,
        manifest=bill.digest.hex,
        size=size,
        unpacked=manifest.size,
        files=manifest.files,
        requirements=manifest.requirements,
    )


def _parse_label(block: bytes, path: Path) -> Label:
    if not block.endswith(LABEL_MAGIC):
        raise ArchiveError(
            f"{path} has no label at its end",
            hint="it is cut off, or was not packed by lading: fetch it again",
        )
    try:
        label = decode_json(block[: -len(LABEL_MAGIC)].rstrip(b"\0"), Label)
        _check_prefix(label.prefix)
        Digest.sha256(label.manifest)
    except (ValueError, UsageError) as error:
        raise ArchiveError(f"the label of {path} is damaged: {error}", hint=FETCH_IMAGE) from error
    return label


def image_prefix(prefix: str | None, environment: str) -> str:
    """Where an environment is mounted: `prefix`, or the place that it has by default.

    Raises:
        UsageError: Nothing can be mounted at `prefix`.
    """
    chosen = prefix or f"/opt/lading/{environment}"
    _check_prefix(chosen)
    return chosen


def _check_prefix(prefix: str) -> None:
    """Refuse a prefix that nothing can be mounted at.

    Raises:
        UsageError: It is not a plain absolute path below the root.
    """
    parts = prefix.split("/")
    if parts[0] or len(parts) < 2 or not all(parts[1:]) or {".", ".."} & set(parts):  # noqa: PLR2004  # root and one name
        raise UsageError(
            f"{prefix!r} is not a prefix that can be mounted",
            hint="name a plain absolute path, such as /opt/lading/data-service",
        )
    if not prefix.isprintable():
        raise UsageError("the prefix holds a control character", hint="choose one without")
