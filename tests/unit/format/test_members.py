"""Members that must not be written."""

import msgspec
import pytest

from lading.conda.paths import FileMode, Kind
from lading.errors import ManifestError, UnsafePathError
from lading.format.file_list import ManifestFile
from lading.format.members import check_members
from lading.format.relocation import MANIFEST_PATH, RECORD_PATH, STATE_PATH

DIGEST = "0" * 64


def entry(path: str) -> ManifestFile:
    """A file."""
    return ManifestFile(path=path, type=Kind.FILE, mode="0644", sha256=DIGEST)


def link(path: str, target: str) -> ManifestFile:
    """A link."""
    return ManifestFile(path=path, type=Kind.LINK, mode="0777", target=target)


def are_safe(*files: ManifestFile) -> bool:
    """Whether members are accepted."""
    check_members(files, "m")
    return True


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
    assert are_safe(entry(path), entry("z"))


@pytest.mark.parametrize(
    "links",
    [
        [link("a", "/etc/passwd")],
        [link("a", "..")],
        [link("a", "../x")],
        [link("a/b", "../../x")],
        [link("a/b", "c/../../../x")],
        [link("a", "")],
        [link("a", "b\0")],
        [link("a", "b/../../c")],
        # Each by itself stays inside; followed one after the other they do not.
        [link("d/up", ".."), link("out", "d/up/..")],
        [link("d/e/up", "../.."), link("x", "d/e/up/../etc")],
        [link("a", "b"), link("b", "d/c"), link("d/c", ".."), link("x", "a/../y")],
    ],
)
def test_links_that_lead_out(links: list[ManifestFile]) -> None:
    """A link must not leave the prefix, not even to come back."""
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
    assert are_safe(*links, entry("z"))


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
    assert are_safe(directory, entry("a/b"), entry("z"))


def test_no_path_twice() -> None:
    """A second member of one name would take the place of the first."""
    with pytest.raises(UnsafePathError, match="lists 'a' twice"):
        check_members([entry("a"), link("a", "b")], "m")


@pytest.mark.parametrize(
    "path",
    [MANIFEST_PATH, STATE_PATH, "conda-meta/lading/files/conda/tool.json", f"{RECORD_PATH}/x"],
)
def test_records_of_unpacking_are_not_brought(path: str) -> None:
    """They are written by the one who unpacks; the relocation record is shipped."""
    assert are_safe(entry(RECORD_PATH))
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
    "change",
    [
        {"sha256": "0"},
        {"mode": "4755"},
        {"size": -1},
        {"placeholder": "/p"},
        {"placeholder_mode": FileMode.TEXT},
    ],
    ids=str,
)
def test_a_malformed_entry(change: dict[str, object]) -> None:
    """It is named."""
    with pytest.raises(ManifestError, match="the entry of 'a' is malformed"):
        check_members([msgspec.structs.replace(entry("a"), **change)], "m")


def test_only_files_have_content() -> None:
    """Of a link or a directory none would be written."""
    for item in (link("a", "b"), ManifestFile(path="a", type=Kind.DIRECTORY, mode="0755")):
        with pytest.raises(ManifestError, match="lists a link with content"):
            check_members([msgspec.structs.replace(item, size=1)], "m")
