"""Whatever bytes a tarball has: `verify` and `unpack` agree; a refusal leaves nothing behind."""

import hashlib
import io
import json
import tarfile
import tempfile
import tracemalloc
from functools import cache
from pathlib import Path

from hypothesis import given, strategies as st

from lading import deploy, open_tarball, unpack
from lading.errors import LadingError, PrefixTooLongError
from lading.format import Format, SeekEntry, parse_manifest, render_tail
from lading.verify import Report, verify_tarball
from simulators.forgery import Forged, Forgery, tar_header
from simulators.fuzzing import (
    MEMORY,
    NAMES,
    NUMBERS,
    edited_bytes,
    edited_document,
    outcome,
    rarely,
    state_of,
)
from simulators.versions import verified, versioned_tarball

FORMATS = st.sampled_from(Format)
MOST_MEMORY = 64 << 20
KINDS = [
    tarfile.REGTYPE,
    tarfile.AREGTYPE,
    tarfile.LNKTYPE,
    tarfile.SYMTYPE,
    tarfile.CHRTYPE,
    tarfile.DIRTYPE,
    tarfile.FIFOTYPE,
]


@cache
def sound(format_: Format) -> tuple[bytes, bytes]:
    """A tarball that is sound, and its bill."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        plan = versioned_tarball(Path(name), format_=format_).plan
        return plan.tarball.read_bytes(), plan.manifest.read_bytes()


def check(data: bytes, document: bytes | None = None, format_: Format = Format.ZSTD) -> bool:
    """Whether a tarball is taken; fails where the ways of reading it do not agree."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        root = Path(name)
        tarball, bill = root / f"env.{format_}", None
        tarball.write_bytes(data)
        if document is not None:
            bill = root / "bill.json"
            bill.write_bytes(document)
        before = state_of(root)

        def judge() -> Report:
            with open_tarball(tarball, manifest=bill) as source:
                return verify_tarball(source, 2)

        report = outcome(judge)
        yes = isinstance(report, Report) and report.is_clean
        answers = [
            outcome(lambda: unpack(tarball, root / "0/env", manifest=bill, workers=2)),
            outcome(lambda: unpack(io.BytesIO(data), root / "1/env", manifest=bill, workers=2)),
            outcome(
                lambda: deploy(
                    tarball, root / "2/env", store=root / "store", manifest=bill, workers=2
                )
            ),
        ]
        after = state_of(root)
        assert before == {path: after.get(path) for path in before}
        for number, answer in enumerate(answers):
            prefix = root / str(number) / "env"
            if isinstance(answer, LadingError):
                assert not prefix.exists()
                assert not [path for path in after if ".lading-" in path]
                # A long path, which a bill may forbid, is the fault of the place.
                assert not yes or isinstance(answer, PrefixTooLongError), answer
            else:
                assert yes, report
                assert [] == list(verified(prefix.resolve()))
        return yes


@rarely
@given(st.data(), FORMATS)
def test_a_damaged_tarball(data: st.DataObject, format_: Format) -> None:
    """Bits, pieces, lengths: whatever was changed, it is noticed."""
    original, document = sound(format_)
    damaged = data.draw(edited_bytes(original))
    taken = check(damaged, None if format_ is Format.ZSTD else document, format_)
    assert taken is (damaged == original)


def signed(document: object, frames: bytes, entries: list[SeekEntry]) -> bytes:
    """A `tar.zst` of `frames` with another bill inside, its tail as it should be."""
    return frames + render_tail(json.dumps(document).encode(), entries)


@cache
def parts() -> tuple[bytes, list[SeekEntry], dict[str, object]]:
    """The frames of a sound `tar.zst`, its seek table and its bill."""
    data, document = sound(Format.ZSTD)
    slices = parse_manifest(document, "bill").slices()
    frames = data[: sum(item.frame.length for item in slices)]
    entries = [SeekEntry(item.frame.length, item.frame.size) for item in slices]
    return frames, entries, json.loads(document)


@rarely
@given(edited_document(parts()[2]), FORMATS)
def test_another_bill(document: object, format_: Format) -> None:
    """A bill that was edited, and signed as consistently as can be, is judged alike by all."""
    frames, entries, _ = parts()
    if format_ is Format.ZSTD:
        check(signed(document, frames, entries))
    else:
        check(sound(format_)[0], json.dumps(document).encode(), format_)


@rarely
@given(
    st.lists(st.integers(0, 3), max_size=6),
    st.lists(st.integers(0, 3), max_size=6),
    edited_document([[item.compressed, item.decompressed] for item in parts()[1]]),
    st.booleans(),
)
def test_frames_in_another_order(
    order: list[int],
    listed: list[int],
    table: object,
    consistent: bool,  # noqa: FBT001
) -> None:
    """Frames that were exchanged, doubled or left out, and seek tables that claim anything."""
    frames, entries, bill = parts()
    starts = [sum(item.compressed for item in entries[:number]) for number in range(len(entries))]
    pieces = [
        frames[start : start + item.compressed] for start, item in zip(starts, entries, strict=True)
    ]
    chosen = [number for number in order if number < len(pieces)]
    stream = b"".join(pieces[number] for number in chosen)
    named = chosen if consistent else [number for number in listed if number < len(pieces)]
    packages = [
        package | {"frames": [frame | {"offset": starts[0]} for frame in package["frames"]]}
        for number in named
        for package in [_package_of(bill, number)]
    ]
    offset = 0
    for package in packages:
        for frame in package["frames"]:
            frame["offset"] = offset
            offset += frame["length"]
    files = [item for number in named for item in _files_of(bill, number)]
    document = bill | {"packages": packages, "files": files}
    check(signed(document, stream, [entries[number] for number in chosen]))
    check(signed(bill, frames, list(_entries(table))))


def _package_of(bill: dict[str, object], number: int) -> dict[str, object]:
    """The package of the frame with this number: each of them has one."""
    return bill["packages"][number]


def _files_of(bill: dict[str, object], number: int) -> list[object]:
    counts = [package["frames"][0]["files"] for package in bill["packages"]]
    start = sum(counts[:number])
    return bill["files"][start : start + counts[number]]


def _entries(table: object) -> list[SeekEntry]:
    """The rows of an edited table that fit into one."""
    rows = [row for row in table if isinstance(row, list) and len(row) == 2]
    return [
        SeekEntry(*row)
        for row in rows
        if all(isinstance(number, int) and 0 <= number < 1 << 32 for number in row)
    ]


@st.composite
def members(draw: st.DrawFn) -> Forged:
    """A member whose header and whose entry agree, most of the time."""
    name, kind = draw(NAMES), draw(st.sampled_from(KINDS))
    target = draw(NAMES) if kind in {tarfile.SYMTYPE, tarfile.LNKTYPE} else ""
    content = draw(st.binary(max_size=20)) if kind == tarfile.REGTYPE else b""
    words = {tarfile.SYMTYPE: "link", tarfile.DIRTYPE: "directory"}
    type_ = words.get(kind, "file")
    entry: dict[str, object] = {"path": name, "type": type_, "mode": "0644", "target": target}
    if type_ == "file":
        entry |= {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        entry.pop("target")
        placeholder = draw(st.sampled_from(["", "", "", "/", "a", "/build", "\0"]))
        if placeholder:
            mode = draw(st.sampled_from(["text", "binary"]))
            entry |= {"placeholder": placeholder, "placeholder_mode": mode}
    if draw(st.integers(0, 5)) == 0:
        entry = draw(edited_document(entry, 1))
    try:
        header = tar_header(draw(st.just(name) | NAMES), len(content), kind, target)
    except UnicodeEncodeError:
        header = tar_header("a", len(content), kind, "")
    return Forged(header, content, entry if draw(st.integers(0, 9)) else None)


@rarely
@given(st.lists(members(), max_size=6), FORMATS)
def test_forged_members(found: list[Forged], format_: Format) -> None:
    """Any members: what is billed as it is packed and lies inside is taken, nothing else."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        forgery = Forgery(members=tuple(found), format=format_)
        path = forgery.write(Path(name) / f"env.{format_}")
        bill = path.with_name(f"{path.name}.manifest.json")
        check(path.read_bytes(), bill.read_bytes() if bill.exists() else None, format_)


@rarely
@given(
    edited_document(parts()[2], 2, NUMBERS),
    st.lists(st.integers(0, 2**32 - 1), min_size=8, max_size=8),
)
def test_memory(document: object, claims: list[int]) -> None:
    """Sizes that a bill or a seek table only claims take no memory."""
    frames, _, _ = parts()
    numbers = iter(claims)
    entries = [SeekEntry(*pair) for pair in zip(numbers, numbers, strict=True)]
    tracemalloc.start()
    try:
        check(signed(document, frames, entries))
        check(signed(document, frames, parts()[1]))
        assert MOST_MEMORY > tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
