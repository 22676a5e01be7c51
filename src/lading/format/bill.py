"""A bill: a pack manifest together with its bytes and their digest, which is its identity."""

from pathlib import Path

import msgspec

from lading.errors import DigestMismatchError, ManifestError, raised_as
from lading.format.compression import Format
from lading.format.file_list import FETCH_AGAIN
from lading.format.manifest import LARGEST_BILL, Manifest, parse_manifest
from lading.system import Digest, read_regular, sha256_of

MANIFEST_SUFFIX = ".manifest.json"
CHECKSUMS_SUFFIX = ".sha256"
LARGEST_CHECKSUMS = 1 << 20


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """The bill of one tarball.

    Attributes:
        digest: Of `document`.
        manifest: What `document` says, checked.
    """

    document: bytes
    digest: Digest
    manifest: Manifest


def parse_bill(document: bytes, name: str, expected: str | None = None) -> Bill:
    """The bill in `document`, which is not parsed unless it has the expected digest.

    `name` is what to call it in an error, `expected` the SHA-256 that it must have, hexadecimal in
    either case; None for any.

    Raises:
        DigestMismatchError: It is not the expected bill.
        ManifestError: It is malformed.
    """
    digest = sha256_of(document)
    if expected is not None and digest.hex != expected.lower():
        raise DigestMismatchError(
            f"{name} has another bill than the one asked for",
            hint="fetch the tarball that belongs to this digest",
            expected=expected.lower(),
            actual=digest.hex,
        )
    return Bill(document=document, digest=digest, manifest=parse_manifest(document, name))


def read_bill(path: Path, expected: str | None = None) -> Bill:
    """The bill in the file at `path`; see `parse_bill`.

    Raises:
        ManifestError: It is missing or malformed.
        DigestMismatchError: It is not the expected bill, or not the one in a `.sha256` file beside.
    """
    document = read_document(path)
    bill = parse_bill(document, str(path), expected)
    stem = path.name.removesuffix(MANIFEST_SUFFIX)
    _check_checksums(bill, path.name, path.with_name(stem + CHECKSUMS_SUFFIX))
    return bill


def read_document(path: Path) -> bytes:
    """The content of a bill's file.

    Raises:
        ManifestError: It cannot be read, or is longer than any bill.
    """
    with raised_as(
        ManifestError,
        path,
        "name a bill: the .manifest.json that `lading pack` writes beside a tarball",
    ):
        return read_regular(path, LARGEST_BILL, follow=True)


def beside(tarball: Path, suffix: str) -> Path:
    """The path of a companion of a tarball: its manifest or its checksums.

    A `tar.zst` gives its companions its stem. The others keep their whole name in front, so that
    one directory can hold an environment in several formats.
    """
    return tarball.with_name(tarball.name.removesuffix(f".{Format.ZSTD}") + suffix)


def check_companions(bill: Bill, tarball: Path) -> None:
    """Compare a bill with the digest in the `.sha256` file beside its tarball, if there is one.

    Raises:
        DigestMismatchError: They differ.
    """
    name = beside(tarball, MANIFEST_SUFFIX).name
    _check_checksums(bill, name, beside(tarball, CHECKSUMS_SUFFIX))


def _check_checksums(bill: Bill, name: str, checksums: Path) -> None:
    """Compare a bill with the digest that the file `checksums`, if there is one, has for `name`."""
    try:
        lines = read_regular(checksums, LARGEST_CHECKSUMS, follow=True).decode().splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        digest, _, listed = line.partition("  ")
        if listed == name and digest != bill.digest.hex:
            raise DigestMismatchError(
                f"{name} is not the one that {checksums.name} names",
                hint=FETCH_AGAIN,
                expected=digest,
                actual=bill.digest.hex,
            )
