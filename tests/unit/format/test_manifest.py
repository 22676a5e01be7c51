"""The pack manifest."""

import json
from collections.abc import Callable

import pytest

from lading.errors import ManifestError
from lading.format.manifest import (
    Manifest,
    ManifestFrame,
    ManifestList,
    ManifestPackage,
    Requirements,
    parse_manifest,
    render_manifest,
)

DIGEST = "0" * 64
Document = dict[str, object]

SAMPLE = Manifest(
    environment="sample",
    platform="linux-64",
    lock=DIGEST,
    lading="0",
    compressor={"name": "zstd"},
    bytecode=True,
    requirements=Requirements(longest_prefix=255),
    mtime=5,
    packages=(
        ManifestPackage(
            name="tool",
            manager="conda",
            files=3,
            size=700,
            listed=ManifestList(offset=30, length=10, size=300, sha256=DIGEST, frame_sha256=DIGEST),
            frames=(
                ManifestFrame(offset=0, length=10, size=1024, sha256=DIGEST),
                ManifestFrame(offset=10, length=10, size=1024, sha256=DIGEST),
            ),
        ),
        ManifestPackage(
            name="",
            manager="environment",
            files=1,
            size=5,
            listed=ManifestList(offset=40, length=10, size=300, sha256=DIGEST, frame_sha256=DIGEST),
            frames=(ManifestFrame(offset=20, length=10, size=1024, sha256=DIGEST),),
        ),
    ),
)


def edited(change: Callable[[Document], None]) -> bytes:
    """The sample as JSON, with a change."""
    document = json.loads(render_manifest(SAMPLE))
    change(document)
    return json.dumps(document).encode()


def test_the_bytes_are_canonical() -> None:
    """It is read as it was written: keys are sorted, there is no space, a newline ends it."""
    data = render_manifest(SAMPLE)
    assert SAMPLE == parse_manifest(data, "m")
    document = json.loads(data)
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"
    assert text.encode() == data


def test_what_a_bill_alone_says() -> None:
    """What a place must have room for, and where lists go: the environment's own has no name."""
    assert (4, 705) == (SAMPLE.files, SAMPLE.size)
    assert (
        "conda-meta/lading/files/conda/tool.json",
        "conda-meta/lading/files/environment.json",
    ) == SAMPLE.own_paths


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"{}", b"\xff", b'{"format":"lading-pack-manifest"}', b'"\\ud800"'],
)
def test_what_is_no_manifest(data: bytes) -> None:
    """Other data is refused, with the name of the file."""
    with pytest.raises(ManifestError, match="m is not a pack manifest"):
        parse_manifest(data, "m")


def package(document: Document, number: int = 0) -> Document:
    """A package of `document`."""
    packages = document["packages"]
    assert isinstance(packages, list)
    found: Document = packages[number]
    return found


def listed(document: Document) -> Document:
    """The list of the first package."""
    found = package(document)["list"]
    assert isinstance(found, dict)
    return found


def frame(document: Document) -> Document:
    """The first frame of `document`."""
    frames = package(document)["frames"]
    assert isinstance(frames, list)
    found: Document = frames[0]
    return found


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda d: d.update(format="other"), "has format other 2"),
        (lambda d: d.update(version=3), "has format lading-pack-manifest 3"),
        (lambda d: frame(d).update(offset=1), "the frames are not in a row"),
        (lambda d: frame(d).update(length=5), "the frames are not in a row"),
        (lambda d: frame(d).update(length=15), "the frames are not in a row"),
        (lambda d: frame(d).update(length=0), "the frames are not in a row"),
        (lambda d: frame(d).update(length=-10), "the frames are not in a row"),
        (lambda d: frame(d).update(length=1 << 24), "the frames are not in a row"),
        (lambda d: frame(d).update(size=-1), "a frame has a malformed size"),
        (lambda d: frame(d).update(size=0), "a frame has a malformed size"),
        (lambda d: frame(d).update(size=1000), "a frame has a malformed size"),
        (lambda d: frame(d).update(size=(8 << 20) + 512), "a frame has a malformed size"),
        (lambda d: frame(d).update(sha256="/etc"), "a frame has no digest"),
        (lambda d: listed(d).update(offset=31), "the frames are not in a row"),
        (lambda d: listed(d).update(length=11), "the frames are not in a row"),
        (lambda d: listed(d).update(size=0), "a frame has a malformed size"),
        (lambda d: listed(d).update(size=1 << 29), "a frame has a malformed size"),
        (lambda d: listed(d).update(sha256="../x"), "a frame has no digest"),
        (lambda d: listed(d).update(frame_sha256="x"), "a frame has no digest"),
        (lambda d: d.update(mtime=-1), "has an impossible time"),
        (lambda d: d.update(mtime=10**15), "has an impossible time"),
        (lambda d: package(d).update(files=-1), "a package has a malformed size"),
        (lambda d: package(d).update(files=1_000_001), "is too large"),
        (lambda d: package(d).update(size=1 << 60), "a package has a malformed size"),
        (lambda d: package(d).update(name="../x"), "a package has a malformed name"),
        (lambda d: package(d).update(name=""), "a package has a malformed name"),
        (lambda d: package(d).update(name="n" * 201), "a package has a malformed name"),
        (lambda d: package(d).update(manager="npm"), "a package has a malformed name"),
        (lambda d: package(d, 1).update(name="x"), "does not end with the environment"),
        (lambda d: d.update(packages=[]), "does not end with the environment"),
        (lambda d: d.update(packages=[package(d), *d["packages"]]), "names a package twice"),
        (lambda d: frame(d).update(length="10"), "Expected `int`, got `str`"),
    ],
)
def test_a_manifest_must_not_contradict_itself(
    change: Callable[[Document], None], complaint: str
) -> None:
    """Every contradiction is found before a byte of the tarball is read."""
    with pytest.raises(ManifestError, match=complaint):
        parse_manifest(edited(change), "m")


def test_format_1_is_refused() -> None:
    """With what wrote it, and what to do."""
    document = b'{"format":"lading-pack-manifest","version":1,"lading":"0.1.0","files":[]}'
    with pytest.raises(ManifestError, match=r"has format 1, written by lading 0\.1\.0") as caught:
        parse_manifest(document, "m")
    assert caught.value.hint.startswith("pack it again")


@pytest.mark.parametrize(
    "data",
    [
        b"{" * 3_000_000,
        b'{"x":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"version":1%s}' % (b"0" * 5000),
    ],
    ids=["many packages", "deep", "long integer"],
)
def test_bombs_are_refused(data: bytes) -> None:
    """Before memory or time is taken for what they say."""
    with pytest.raises(ManifestError, match=r"is too large|is not a pack manifest"):
        parse_manifest(data, "m")
