"""Whatever stands in a bill or a record: it is read, or refused, and nothing else happens."""

import io
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path, PurePosixPath

from hypothesis import given, strategies as st
from msgspec.structs import replace

from lading import relocate
from lading.errors import LadingError
from lading.format import (
    MANIFEST_PATH,
    RECORD_PATH,
    STATE_PATH,
    Bill,
    Contents,
    open_tarball,
    parse_file_list,
    parse_manifest,
    read_bill,
    read_contents,
    read_record,
    render_manifest,
)
from lading.node import Generations
from lading.system import sha256_of
from lading.verify import read_prefix_contents, verify_unpacked
from simulators.fuzzing import (
    MEMORY,
    TEXTS,
    edited_bytes,
    edited_document,
    outcome,
    rarely,
    state_of,
    usually,
)
from simulators.handmade import unpack
from simulators.versions import versioned_tarball

DIGEST = "0123456789ab"
LIST_PATH = "conda-meta/lading/files/conda/tool.json"


@cache
def bill() -> bytes:
    """A bill that is sound."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        return versioned_tarball(Path(name)).plan.manifest.read_bytes()


@cache
def tarball() -> bytes:
    """The tarball that it belongs to."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        return versioned_tarball(Path(name)).plan.tarball.read_bytes()


@contextmanager
def watched() -> Iterator[Path]:
    """A directory below one in which nothing else changes."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        root = Path(name)
        (root / "evil").write_bytes(b"as it was")
        (root / "inside").mkdir()
        yield root / "inside"
        assert ["evil", "inside"] == sorted(path.name for path in root.iterdir())
        assert b"as it was" == (root / "evil").read_bytes()


def check(data: bytes) -> None:
    """`data` is refused, or a bill that can be worked with."""
    found = outcome(lambda: parse_manifest(data, "bill"))
    if isinstance(found, LadingError):
        return
    for path in found.own_paths:
        check_path(path)
    assert found == parse_manifest(render_manifest(found), "bill")


def check_path(path: str) -> None:
    """A path that is taken is plain and inside."""
    pure = PurePosixPath(path)
    assert not pure.is_absolute()
    assert ".." not in pure.parts
    assert str(pure) == path


@cache
def sound() -> Contents:
    """What is in the tarball."""
    with open_tarball(io.BytesIO(tarball())) as opened:
        return opened.contents()


def check_list(document: bytes) -> None:
    """A list with this content, its digest on the bill, is refused or can be worked with."""
    contents = sound()
    first = contents.bill.manifest.packages[0]
    listed = replace(first.listed, size=len(document), sha256=sha256_of(document).hex)
    parsed = outcome(lambda: parse_file_list(document, "list"))
    files = () if isinstance(parsed, LadingError) else parsed.files
    size = sum(item.size for item in files)
    changed = replace(first, listed=listed, files=len(files), size=size)
    packages = (changed, *contents.bill.manifest.packages[1:])
    manifest = replace(contents.bill.manifest, packages=packages)
    bill_ = Bill(document=b"", digest=sha256_of(b""), manifest=manifest)
    documents = [document, *(item.document for item in contents.packages[1:])]
    found = outcome(lambda: read_contents(bill_, documents, "x"))
    if isinstance(found, LadingError):
        return
    for path in found.owners():
        check_path(path)
    for item in found.slices:
        for piece in item.pieces:
            assert len(piece.file.header(item.mtime)) == piece.header


@usually
@given(edited_document(json.loads(sound().packages[0].document)))
def test_an_edited_list(document: object) -> None:
    """A file list with other values is refused, or lists only paths inside."""
    check_list(json.dumps(document).encode())


@usually
@given(edited_bytes(sound().packages[0].document))
def test_a_damaged_list(data: bytes) -> None:
    """So is one with other bytes."""
    check_list(data)


@usually
@given(edited_document(json.loads(bill())))
def test_an_edited_bill(document: object) -> None:
    """A bill with other values is refused, or lists only paths inside."""
    check(json.dumps(document).encode())


@usually
@given(edited_bytes(bill()))
def test_a_damaged_bill(data: bytes) -> None:
    """So is one with other bytes."""
    check(data)


@usually
@given(
    st.binary(max_size=50),
    st.sampled_from([b"[", b'{"a":', b'{"format":[', b"1", b'"\\', b"-", b"\xff"]),
    st.sampled_from([1, 10, 1000, 200_000]),
)
def test_no_bill_at_all(data: bytes, piece: bytes, times: int) -> None:
    """Neither depth nor length nor bytes that are no text end in anything but an error."""
    for text in (data, piece * times, data + piece * times, bill()[:-2] + b"," + piece * times):
        assert isinstance(outcome(lambda text=text: parse_manifest(text, "bill")), LadingError)


@usually
@given(
    st.lists(st.sampled_from(["env.manifest.json", "x", ""]) | TEXTS, max_size=4),
    st.sampled_from(["0" * 64, "é", ""]) | TEXTS,
    edited_bytes(b"0" * 64 + b"  env.manifest.json\n"),
)
def test_checksums(names: list[str], digest: str, damaged: bytes) -> None:
    """Any text in a `.sha256` file beside a bill is compared with it, or passed over."""
    lines = "".join(f"{digest}  {name}\n" for name in names).encode(errors="surrogatepass")
    with watched() as place:
        (place / "env.manifest.json").write_bytes(bill())
        for content in (lines, damaged):
            (place / "env.sha256").write_bytes(content)
            outcome(lambda: read_bill(place / "env.manifest.json"))


@cache
def records() -> dict[str, bytes]:
    """The records of an environment at `./inside/env`, by their paths."""
    with watched() as place:
        (place / "env.tar.zst").write_bytes(tarball())
        prefix = unpack(place / "env.tar.zst", place / "env")
        return {
            path: (prefix / path).read_bytes()
            for path in (RECORD_PATH, STATE_PATH, MANIFEST_PATH, LIST_PATH)
        }


@st.composite
def edited_records(draw: st.DrawFn) -> tuple[str, bytes]:
    """The path of a record, and what to write into it."""
    path = draw(st.sampled_from(sorted(records())))
    data = records()[path]
    if draw(st.booleans()):
        return path, draw(edited_bytes(data))
    return path, json.dumps(draw(edited_document(json.loads(data)))).encode()


@rarely
@given(edited_records(), st.booleans())
def test_records_of_an_environment(edited: tuple[str, bytes], moved: bool) -> None:  # noqa: FBT001
    """`relocate` and `verify` refuse what they cannot use, and change nothing outside."""
    path, data = edited
    with watched() as place:
        (place / "env.tar.zst").write_bytes(tarball())
        prefix = unpack(place / "env.tar.zst", place / "env")
        if moved:
            prefix = prefix.rename(place / "longer-name")
        (prefix / path).write_bytes(data)
        aside = {name: entry for name, entry in state_of(place).items() if "env.tar" in name}
        _verify(prefix)
        outcome(lambda: read_record(prefix))
        outcome(lambda: relocate(prefix))
        _verify(prefix)
        after = {name: entry for name, entry in state_of(place).items() if "env.tar" in name}
        assert aside == after


def _verify(prefix: Path) -> None:
    contents = outcome(lambda: read_prefix_contents(prefix, None))
    if isinstance(contents, Contents):
        outcome(lambda: verify_unpacked(prefix, contents))


LINES = TEXTS | st.sampled_from(
    [f"env@{DIGEST}", f"env@{DIGEST}/..", f"env@{DIGEST[::-1]}", "../evil", "env", "other"]
)


@rarely
@given(
    st.lists(LINES, max_size=5),
    st.sampled_from(["", f"env@{DIGEST}", "../evil", "/", "..", "env", f"env@{DIGEST}/.."]),
    st.sampled_from(["rollback", "remove", "switch"]),
)
def test_a_history(lines: list[str], target: str, verb: str) -> None:
    """Whatever the history of a name says, the name points at a generation, or stays."""
    with watched() as place:
        for name in (f"env@{DIGEST}", f"env@{DIGEST[::-1]}", "other"):
            (place / name).mkdir()
        history = "".join(f"{line}\n" for line in lines).encode(errors="surrogatepass")
        (place / ".env.versions").write_bytes(history)
        if target:
            (place / "env").symlink_to(target)
        versions = Generations(place / "env")
        match verb:
            case "rollback":
                found = outcome(versions.rollback)
            case "remove":
                found = outcome(lambda: versions.remove_old(0))
            case _:
                found = outcome(lambda: versions.switch(place / f"env@{DIGEST}"))
        assert (place / "other").is_dir()
        if not isinstance(found, LadingError) and verb != "remove":
            assert (place / "env").readlink().name.startswith("env@")
        shutil.rmtree(place / "other")
