"""A bill together with its file lists."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from lading.conda.paths import Kind
from lading.errors import DigestMismatchError, ManifestError, UnsafePathError
from lading.format.bill import Bill, parse_bill
from lading.format.contents import Contents, read_contents
from lading.format.file_list import FileList, render_file_list
from lading.format.manifest import render_manifest
from lading.system.digest import sha256_of
from simulators.versions import contents_of, versioned_tarball

replace = msgspec.structs.replace


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Contents:
    """What is in a small tarball."""
    return contents_of(versioned_tarball(tmp_path_factory.mktemp("sample")))


def documents(sample: Contents) -> list[bytes]:
    """Its lists."""
    return [item.document for item in sample.packages]


def signed(sample: Contents, change: Callable[[FileList], bytes]) -> tuple[Bill, list[bytes]]:
    """The bill and lists of a tarball whose first list was changed, signed as consistently."""
    found = documents(sample)
    found[0] = change(msgspec.json.decode(found[0], type=FileList))
    manifest = sample.bill.manifest
    first = manifest.packages[0]
    digest = sha256_of(found[0]).hex
    listed = replace(first.listed, size=len(found[0]), sha256=digest)
    counts = msgspec.json.decode(found[0], type=dict[str, object]).get("files") or []
    assert isinstance(counts, list)
    size = sum(item.get("size", 0) for item in counts)
    first = replace(first, listed=listed, files=len(counts), size=size)
    changed = replace(manifest, packages=(first, *manifest.packages[1:]))
    return parse_bill(render_manifest(changed), "m"), found


def rendered(listed: FileList, **changes: object) -> bytes:
    """A list with another entry for its first file."""
    files = list(listed.files)
    number = next(number for number, item in enumerate(files) if item.type is Kind.FILE)
    files[number] = replace(files[number], **changes)
    return render_file_list(listed.mtime, files)


def test_what_was_packed_is_read(sample: Contents) -> None:
    """All members of all packages, each with its owner."""
    found = read_contents(sample.bill, documents(sample), "x")
    assert found == sample
    assert ("base", "") == (found.owners()["share/base/data"], found.owners()["bin/conda-unpack"])


def test_a_list_of_another_package_is_refused(sample: Contents) -> None:
    """The bill has the digest of each."""
    exchanged = documents(sample)[::-1]
    with pytest.raises(DigestMismatchError, match="the file list of base in x does not match"):
        read_contents(sample.bill, exchanged, "x")


@pytest.mark.parametrize("at", [0, 100, -2])
def test_a_changed_byte_is_refused(sample: Contents, at: int) -> None:
    """Wherever it is."""
    changed = [bytearray(document) for document in documents(sample)]
    changed[1][at] ^= 1
    with pytest.raises(DigestMismatchError, match="the file list of tool in x"):
        read_contents(sample.bill, list(map(bytes, changed)), "x")


@pytest.mark.parametrize(
    ("changes", "error", "complaint"),
    [
        ({"path": "../evil"}, UnsafePathError, "unsafe path"),
        ({"path": "bin/tool"}, UnsafePathError, "lists 'bin/tool' twice"),
        ({"path": "bin/tool/x"}, UnsafePathError, "lists members below 'bin/tool'"),
        ({"path": "conda-meta/lading/manifest.json"}, UnsafePathError, "brings its own"),
        ({"mode": "4755"}, ManifestError, "is malformed"),
        ({"size": 1 << 40}, ManifestError, "do not hold its members"),
        ({"size": -1}, ManifestError, "malformed"),
    ],
)
def test_a_list_is_judged_together_with_all_others(
    sample: Contents, changes: dict[str, object], error: type[Exception], complaint: str
) -> None:
    """One package cannot write over another."""
    bill, found = signed(sample, lambda listed: rendered(listed, **changes))
    with pytest.raises(error, match=complaint):
        read_contents(bill, found, "x")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda _: b"{}", "is not a file list"),
        (lambda x: msgspec.json.encode(replace(x, version=3)), "has format lading-file-list 3"),
        (lambda x: msgspec.json.encode(replace(x, mtime=-1)), "contradicts the bill"),
        (lambda x: msgspec.json.encode(replace(x, files=())), "do not hold its members"),
        (
            lambda x: msgspec.json.encode(replace(x, files=(*x.files, *x.files))),
            "do not hold its members",
        ),
    ],
)
def test_a_malformed_list(
    sample: Contents, change: Callable[[FileList], bytes], complaint: str
) -> None:
    """It is refused though its digest is right."""
    bill, found = signed(sample, change)
    with pytest.raises(ManifestError, match=complaint):
        read_contents(bill, found, "x")


def test_a_bill_counts_what_its_lists_hold(sample: Contents) -> None:
    """A place is judged by the bill alone, so it must not lie."""
    manifest = sample.bill.manifest
    first = replace(manifest.packages[0], files=manifest.packages[0].files + 1)
    lying = replace(manifest, packages=(first, *manifest.packages[1:]))
    with pytest.raises(ManifestError, match="contradicts the bill"):
        read_contents(parse_bill(render_manifest(lying), "m"), documents(sample), "x")


def test_a_bomb_is_refused(sample: Contents, tmp_path: Path) -> None:
    """More entries than there may be are not parsed."""
    bomb = b"{" * 2_000_001
    with pytest.raises(ManifestError, match="is too large"):
        read_contents(sample.bill, [bomb, b"", b"", b""], str(tmp_path))
