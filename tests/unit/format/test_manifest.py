"""The pack manifest."""

import json
from collections.abc import Callable

import msgspec
import pytest

from lading.conda.paths import FileMode, Kind
from lading.errors import IntegrityError, ManifestError, UnsafePathError
from lading.format.manifest import (
    Manifest,
    ManifestFile,
    ManifestFrame,
    ManifestPackage,
    Requirements,
    check_members,
    parse_manifest,
    render_manifest,
)
from lading.format.relocation import MANIFEST_PATH, STATE_PATH

DIGEST = "0" * 64
Document = dict[str, object]


def frame(offset: int = 0, length: int = 10, files: int = 1) -> ManifestFrame:
    """A frame."""
    return ManifestFrame(offset=offset, length=length, size=100, sha256=DIGEST, files=files)


def entry(path: str) -> ManifestFile:
    """A file."""
    return ManifestFile(path=path, type=Kind.FILE, mode="0644", sha256=DIGEST)


def link(path: str, target: str) -> ManifestFile:
    """A link."""
    return ManifestFile(path=path, type=Kind.LINK, mode="0777", target=target)


def manifest(*files: ManifestFile) -> Manifest:
    """A manifest of two packages, the first with all but the last of `files`."""
    return Manifest(
        environment="sample",
        platform="linux-64",
        lock=DIGEST,
        lading="0",
        compressor={"name": "zstd"},
        bytecode=True,
        requirements=Requirements(longest_prefix=255),
        packages=(
            ManifestPackage(
                name="tool", manager="conda", mtime=5, frames=(frame(files=len(files) - 1),)
            ),
            ManifestPackage(name="", manager="environment", mtime=5, frames=(frame(10),)),
        ),
        files=files,
    )


SAMPLE = manifest(
    entry("a"),
    ManifestFile(
        path="b",
        type=Kind.FILE,
        mode="0755",
        size=3,
        sha256=DIGEST,
        placeholder="/p",
        placeholder_mode=FileMode.BINARY,
    ),
    link("d/c", "../a"),
    entry("z"),
)


def edited(change: Callable[[Document], None]) -> bytes:
    """The sample as JSON, with a change."""
    document = json.loads(render_manifest(SAMPLE))
    change(document)
    return json.dumps(document).encode()


def test_rendering_and_parsing_are_inverse() -> None:
    """A manifest is read as it was written."""
    assert SAMPLE == parse_manifest(render_manifest(SAMPLE), "m")


def test_the_bytes_are_canonical() -> None:
    """Keys are sorted, there is no space, and a newline ends it."""
    document = json.loads(render_manifest(SAMPLE))
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"
    assert text.encode() == render_manifest(SAMPLE)


def test_slices_divide_the_members() -> None:
    """Each frame has its members, and the last one is known as such."""
    assert [("tool", ["a", "b", "d/c"], False), ("", ["z"], True)] == [
        (item.package.name, [member.path for member in item.files], item.is_last)
        for item in SAMPLE.slices()
    ]


def test_owners() -> None:
    """Each path has the package whose frame holds it as its owner."""
    assert {"a": "tool", "b": "tool", "d/c": "tool", "z": ""} == SAMPLE.owners()


def test_headers_are_those_of_the_members() -> None:
    """There is one header for each member of a frame."""
    assert [b"a", b"b", b"d"] == [header[:1] for header in SAMPLE.slices()[0].headers()]


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"{}", b"\xff", b'{"format":"lading-pack-manifest"}', b'"\\ud800"'],
)
def test_what_is_no_manifest(data: bytes) -> None:
    """Other data is refused, with the name of the file."""
    with pytest.raises(ManifestError, match="m is not a pack manifest"):
        parse_manifest(data, "m")


def first(document: Document, key: str) -> Document:
    """The first item of a list in `document`."""
    items = document[key]
    assert isinstance(items, list)
    item: Document = items[0]
    return item


def first_frame(document: Document) -> Document:
    """The first frame of `document`."""
    return first(first(document, "packages"), "frames")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda d: d.update(format="other"), "has format other 1"),
        (lambda d: d.update(version=2), "has format lading-pack-manifest 2"),
        (lambda d: first_frame(d).update(offset=1), "the frames are not in a row"),
        (lambda d: first_frame(d).update(length=5), "the frames are not in a row"),
        (lambda d: first_frame(d).update(length=15), "the frames are not in a row"),
        (lambda d: first_frame(d).update(length=0), "the frames are not in a row"),
        (lambda d: first_frame(d).update(length=-10), "the frames are not in a row"),
        (lambda d: first_frame(d).update(size=-1), "the frames are not in a row"),
        (lambda d: first_frame(d).update(files=-1), "the frames are not in a row"),
        (lambda d: first_frame(d).update(files=2), "lists 4 members, its frames hold 3"),
        (lambda d: d.update(files=[]), "lists 0 members, its frames hold 4"),
        (lambda d: first(d, "packages").update(mtime=-1), "tool has an impossible time"),
        (lambda d: first(d, "packages").update(mtime=10**30), "tool has an impossible time"),
        (lambda d: first(d, "files").update(sha256="0"), "the entry of 'a' is malformed"),
        (lambda d: first(d, "files").update(mode="4755"), "the entry of 'a' is malformed"),
        (lambda d: first(d, "files").update(size=-1), "the entry of 'a' is malformed"),
        (lambda d: first(d, "files").update(placeholder="/p"), "the entry of 'a' is malformed"),
        (
            lambda d: first(d, "files").update(placeholder_mode="text"),
            "the entry of 'a' is malformed",
        ),
        (lambda d: first(d, "files").update(type="device"), "Invalid enum value 'device'"),
    ],
)
def test_a_manifest_must_not_contradict_itself(
    change: Callable[[Document], None], complaint: str
) -> None:
    """Every contradiction is found before a byte of the tarball is read."""
    with pytest.raises(ManifestError, match=complaint):
        parse_manifest(edited(change), "m")


@pytest.mark.parametrize(
    "path", ["", "/", "/a", "a/", "a//b", ".", "./a", "..", "../a", "a/../b", "a/./b", "a\0b"]
)
def test_unsafe_paths(path: str) -> None:
    """A path must be relative, plain and inside."""
    with pytest.raises(UnsafePathError, match="lists the unsafe path"):
        check_members([entry(path)], "m")


@pytest.mark.parametrize("path", ["a", "a b", "...", "..a", "a\nb", "a\\b", "ü", "-", "a/b.c/..d"])
def test_odd_paths_are_safe(path: str) -> None:
    """Whatever else a name holds, it is a name."""
    bill = manifest(entry(path), entry("z"))
    assert bill == parse_manifest(render_manifest(bill), "m")


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("a", "/etc/passwd"),
        ("a", ".."),
        ("a", "../x"),
        ("a/b", "../../x"),
        ("a/b", "c/../../../x"),
        ("a", ""),
        ("a", "b\0"),
        ("a", "b/../../c"),
    ],
)
def test_links_that_lead_out(path: str, target: str) -> None:
    """A link must not leave the prefix, not even to come back."""
    with pytest.raises(UnsafePathError, match="leads out of the prefix"):
        check_members([link(path, target)], "m")


@pytest.mark.parametrize(
    "links",
    [
        [link("d/up", ".."), link("out", "d/up/..")],
        [link("d/e/up", "../.."), link("x", "d/e/up/../etc")],
        [link("a", "b"), link("b", "d/c"), link("d/c", ".."), link("x", "a/../y")],
    ],
)
def test_links_that_lead_out_together(links: list[ManifestFile]) -> None:
    """Each link by itself stays inside; followed one after the other they do not."""
    with pytest.raises(UnsafePathError, match="leads out of the prefix"):
        check_members(links, "m")


@pytest.mark.parametrize(
    "links",
    [
        [link("lib/a.so", "a.so.1"), link("lib/a.so.1", "a.so.1.2")],
        [link("bin/x", "../lib/x")],
        [link("a", "a")],
        [link("a", "b"), link("b", "a")],
        [link("lib64", "lib"), link("x", "lib64/../share/./y")],
        [link("a", ".")],
        [link("d/up", ".."), link("x", "d/up/y")],
    ],
)
def test_links_that_stay(links: list[ManifestFile]) -> None:
    """Chains, loops and dangling links do no harm."""
    bill = manifest(*links, entry("z"))
    assert bill == parse_manifest(render_manifest(bill), "m")


@pytest.mark.parametrize(
    "files",
    [
        [link("a", "b"), entry("a/x")],
        [entry("a"), entry("a/x/y")],
        [link("a/b", "c"), entry("a/b/c/d")],
    ],
)
def test_nothing_lies_below_a_link_or_a_file(files: list[ManifestFile]) -> None:
    """A member is written into a directory that unpacking made."""
    with pytest.raises(UnsafePathError, match="lists members below"):
        check_members(files, "m")


def test_a_directory_may_have_members() -> None:
    """A directory that is listed need not be empty."""
    directory = ManifestFile(path="a", type=Kind.DIRECTORY, mode="0755")
    bill = manifest(directory, entry("a/b"), entry("z"))
    assert bill == parse_manifest(render_manifest(bill), "m")


def test_no_path_twice() -> None:
    """A second member of one name would take the place of the first."""
    with pytest.raises(UnsafePathError, match="lists 'a' twice"):
        check_members([entry("a"), link("a", "b")], "m")


def test_an_unsafe_path_is_worse_than_a_malformed_bill() -> None:
    """What would be written elsewhere has the exit code of damage, not of a typing error."""
    document = edited(lambda d: first(d, "files").update(path="../a"))
    with pytest.raises(IntegrityError):
        parse_manifest(document, "m")


@pytest.mark.parametrize("path", [MANIFEST_PATH, STATE_PATH])
def test_records_of_unpacking_are_not_brought(path: str) -> None:
    """They are written by the one who unpacks."""
    with pytest.raises(UnsafePathError, match=f"brings its own {path}"):
        check_members([entry(path)], "m")


@pytest.mark.parametrize("path", ["conda-meta", "conda-meta/lading"])
def test_records_are_written_through_no_member(path: str) -> None:
    """Only directories may be above them."""
    for item in (entry(path), link(path, "lib")):
        with pytest.raises(UnsafePathError, match=f"brings its own {path}"):
            check_members([item], "m")
    directory = ManifestFile(path=path, type=Kind.DIRECTORY, mode="0755")
    assert check_members([directory, entry("z")], "m") is None


@pytest.mark.parametrize(
    "path",
    ["a" * 256, "ü" * 128, "/".join(["a" * 200] * 6), "/".join(["a"] * 129)],
    ids=["name", "name in bytes", "path", "depth"],
)
def test_paths_that_no_file_system_takes(path: str) -> None:
    """They are refused before anything is written."""
    with pytest.raises(UnsafePathError, match="which is too long"):
        check_members([entry(path)], "m")


@pytest.mark.parametrize("path", ["a" * 255, "/".join(["a" * 200] * 5), "/".join(["a"] * 128)])
def test_long_paths_are_accepted(path: str) -> None:
    """As long, and as deep, as they may be."""
    assert check_members([entry(path)], "m") is None


def test_targets_are_no_longer_than_paths() -> None:
    """Following a long one takes as many steps as it has names."""
    with pytest.raises(UnsafePathError, match="leads out of the prefix, to 'x/x"):
        check_members([link("a", "x/" * 513)], "m")


def test_links_are_followed_for_a_bounded_time() -> None:
    """Thousands of links, each of which is followed through many others, are a bomb."""
    chain = [link(f"l{number}", f"{'x/../' * 100}l{number + 1}") for number in range(3000)]
    with pytest.raises(UnsafePathError, match="take too long to follow"):
        check_members(chain, "m")


def test_placeholders_are_bounded() -> None:
    """Their length, what is in them (no path has a NUL byte), and the size of their files."""
    for placeholder, size in (("/" * 1025, 1), ("/a\0", 1), ("/aaaa", (1 << 32) + 1)):
        item = msgspec.structs.replace(
            entry("a"), placeholder=placeholder, placeholder_mode=FileMode.BINARY, size=size
        )
        with pytest.raises(ManifestError, match="the entry of 'a' is malformed"):
            check_members([item], "m")


@pytest.mark.parametrize(
    "data",
    [
        b"{" * 2_000_001,
        b'{"x":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"version":1%s}' % (b"0" * 5000),
    ],
    ids=["many members", "deep", "long integer"],
)
def test_bombs_are_refused(data: bytes) -> None:
    """Before memory or time is taken for what they say."""
    with pytest.raises(ManifestError, match=r"is too large|is not a pack manifest"):
        parse_manifest(data, "m")
