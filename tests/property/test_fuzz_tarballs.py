"""Whatever bytes a tarball has: `verify` and `unpack` agree; a refusal leaves nothing behind."""

import hashlib
import io
import json
import tarfile
import tempfile
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from backports import zstd
from hypothesis import given, strategies as st

from lading import deploy, open_tarball, unpack
from lading.errors import LadingError, PrefixTooLongError
from lading.format import Format, Level, compress, parse_manifest
from lading.format.ending import render_bill_member
from lading.format.seekable import SeekEntry, render_seek_table
from lading.verify import Report, verify_tarball
from simulators.forgery import Forged, Forgery, ending, tar_header
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
    original, _ = sound(format_)
    damaged = data.draw(edited_bytes(original))
    assert check(damaged, None, format_) is (damaged == original)


@dataclass(frozen=True, slots=True)
class Parts:
    """The frames of a sound `tar.zst` (those of members, then those of lists), and its bill."""

    frames: tuple[bytes, ...]
    sizes: tuple[int, ...]
    bill: dict[str, object]


@cache
def parts() -> Parts:
    """Of the small environment: each package has one frame."""
    data, document = sound(Format.ZSTD)
    placed = list(parse_manifest(document, "bill").placed())
    frames = tuple(data[item.offset : item.offset + item.length] for item in placed)
    sizes = tuple(len(zstd.decompress(frame)) for frame in frames)
    return Parts(frames, sizes, json.loads(document))


def signed(
    document: object, frames: Sequence[bytes], sizes: Sequence[int], mtime: int = 1_700_000_000
) -> bytes:
    """A `tar.zst` of `frames` with this bill at its end, all behind it as it should be."""
    member = render_bill_member(json.dumps(document).encode() + b"\n", mtime)
    bill = compress(Format.ZSTD, Level.FAST, member)
    frames, sizes = [*frames, bill], [*sizes, len(member)]
    return b"".join(frames) + ending(Format.ZSTD, frames, sizes)


@rarely
@given(edited_document(parts().bill), FORMATS)
def test_another_bill(document: object, format_: Format) -> None:
    """A bill that was edited, and signed as consistently as can be, is judged alike by all."""
    if format_ is Format.ZSTD:
        check(signed(document, parts().frames, parts().sizes))
    else:
        check(sound(format_)[0], json.dumps(document).encode(), format_)


@rarely
@given(
    st.lists(st.integers(0, 7), max_size=10),
    st.lists(st.integers(0, 3), max_size=6),
    st.booleans(),
)
def test_frames_in_another_order(
    order: list[int],
    listed: list[int],
    consistent: bool,  # noqa: FBT001
) -> None:
    """Frames that were exchanged, doubled or left out, under bills that say so or do not."""
    known = parts()
    packages = known.bill["packages"]
    chosen = [number for number in order if number < len(known.frames)]
    named = [number for number in chosen if number < len(packages)] if consistent else listed
    document = known.bill | {"packages": placed([packages[number] for number in named])}
    frames, sizes = ([part[number] for number in chosen] for part in (known.frames, known.sizes))
    check(signed(document, frames, sizes))
    check(signed(known.bill, frames, sizes))


def placed(packages: list[dict[str, object]]) -> list[dict[str, object]]:
    """The packages of a bill, their frames and lists one after the other."""
    found = json.loads(json.dumps(packages))
    offset = 0
    for item in (*(package["frames"][0] for package in found), *(p["list"] for p in found)):
        item["offset"] = offset
        offset += item["length"]
    return found


@rarely
@given(st.data())
def test_seek_tables(data: st.DataObject) -> None:
    """A seek table that claims anything is refused."""
    known = parts()
    whole, _ = sound(Format.ZSTD)
    table = data.draw(edited_document([[number, number] for number in known.sizes]))
    rows = [row for row in table if isinstance(row, list) and len(row) == 2]
    entries = [
        SeekEntry(*row)
        for row in rows
        if all(isinstance(number, int) and 0 <= number < 1 << 32 for number in row)
    ]
    start = whole.index(b"\x5e\x2a\x4d\x18")
    assert not check(whole[:start] + render_seek_table(entries))


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
        check(path.read_bytes(), None, format_)


@rarely
@given(
    edited_document(parts().bill, 2, NUMBERS),
    st.lists(st.integers(0, 2**32 - 1), min_size=8, max_size=8),
)
def test_memory(document: object, claims: list[int]) -> None:
    """Sizes that a bill or a seek table only claims take no memory."""
    tracemalloc.start()
    try:
        check(signed(document, parts().frames, claims))
        check(signed(document, parts().frames, parts().sizes))
        assert MOST_MEMORY > tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
