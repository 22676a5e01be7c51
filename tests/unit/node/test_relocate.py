"""Relocating an environment again."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lading.conda.paths import FileMode
from lading.errors import NotAPrefixError, PrefixChangedError, PrefixTooLongError
from lading.format.relocation import STATE_PATH, read_record, read_state
from lading.node.relocate import apply_relocate, plan_relocate, shipped_digest
from lading.system.digest import sha256_of
from lading.system.file_content import SMALL_BYTES
from lading.system.filesystem import no_sync
from simulators.handmade import file, link, pack, payload, snapshot, unpack

OLD = "/build/" + "placeholder" * 20
TEXT = f"a={OLD}/x\nb={OLD}\n".encode()
BINARY = f"\0{OLD}/lib:{OLD}/y\0tail".encode()


@pytest.fixture
def tarball(tmp_path: Path) -> Path:
    """A tarball with two texts, a binary file and a link."""
    source = tmp_path / "source"
    package = payload(
        file("bin/run", TEXT, executable=True, placeholder=OLD, directory=source),
        file("etc/conf", TEXT, placeholder=OLD, directory=source),
        file("lib/x.so", BINARY, placeholder=OLD, mode=FileMode.BINARY, directory=source),
        link("etc/link", "conf"),
    )
    return pack(tmp_path / "dist", package).plan.tarball


def move(prefix: Path) -> int:
    """How many files relocating `prefix` wrote."""
    return apply_relocate(plan_relocate(prefix, no_sync))


def texts(prefix: Path) -> set[bytes]:
    """What the two texts of a prefix say."""
    return {(prefix / name).read_bytes() for name in ("bin/run", "etc/conf")}


def expected(prefix: Path) -> set[bytes]:
    """What they should say."""
    return {TEXT.replace(OLD.encode(), bytes(prefix))}


@pytest.mark.parametrize("place", ["e", "a much longer place/with a space/env", "ünï"])
def test_a_move(tarball: Path, tmp_path: Path, place: str) -> None:
    """After a move every file names the new place, as if it had been unpacked there.

    Where it was not moved nothing is done. Modes and times stay; the state follows.
    """
    prefix = unpack(tarball, tmp_path / "env")
    assert 0 == move(prefix)
    times, state = (prefix / "bin/run").stat(), read_state(prefix)
    target = tmp_path / place
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix.rename(target)
    assert (3, 0) == (move(target), move(target))
    after, moved_state = (target / "bin/run").stat(), read_state(target)
    assert (times.st_mode, times.st_mtime_ns) == (after.st_mode, after.st_mtime_ns)
    assert state is not None
    assert moved_state is not None
    assert (str(target), state.manifest) == (moved_state.prefix, moved_state.manifest)
    moved = snapshot(target)
    shutil.rmtree(target)
    assert snapshot(unpack(tarball, target)) == moved


def test_a_relocation_that_was_cut_short_goes_on(tarball: Path, tmp_path: Path) -> None:
    """Files that name the new place already and files that name the old one both end up right."""
    prefix = unpack(tarball, tmp_path / "env")
    target = tmp_path / "new place"
    prefix.rename(target)
    first = target / "bin/run"
    first.write_bytes(TEXT.replace(OLD.encode(), bytes(target)))
    assert (2, expected(target)) == (move(target), texts(target))


def test_a_cut_short_relocation_may_be_moved_on(tarball: Path, tmp_path: Path) -> None:
    """Of a relocation that was cut short at a second place a third one can be made right."""
    prefix = unpack(tarball, tmp_path / "env")
    second, third = tmp_path / "second place", tmp_path / "third"
    (prefix / "bin/run").write_bytes(TEXT.replace(OLD.encode(), bytes(second)))
    prefix.rename(third)
    assert (3, expected(third)) == (move(third), texts(third))


def extract(tarball: Path, prefix: Path) -> Path:
    """What `tar` makes of the tarball."""
    prefix.mkdir()
    subprocess.run(["tar", "--zstd", "-xf", tarball, "-C", prefix], check=True)
    return prefix


def test_tar_and_relocate(tarball: Path, tmp_path: Path) -> None:
    """What `tar` extracted is relocated like what lading unpacked."""
    prefix = extract(tarball, tmp_path / "env")
    assert (3, expected(prefix)) == (move(prefix), texts(prefix))


def test_conda_unpack_and_relocate(tarball: Path, tmp_path: Path) -> None:
    """After `tar`, `conda-unpack` and a move, the place it was relocated to is found out."""
    prefix = extract(tarball, tmp_path / "env")
    subprocess.run([prefix / "bin/conda-unpack"], check=True)
    (prefix / STATE_PATH).unlink()
    prefix.rename(tmp_path / "elsewhere")
    assert (3, expected(tmp_path / "elsewhere")) == (
        move(tmp_path / "elsewhere"),
        texts(tmp_path / "elsewhere"),
    )


def test_a_binary_file_alone_tells_its_place(tmp_path: Path) -> None:
    """Without any text, the filling of a binary file tells the length of the prefix in it."""
    source = file("lib/x", BINARY, placeholder=OLD, mode=FileMode.BINARY, directory=tmp_path / "s")
    tarball = pack(tmp_path / "dist", payload(source)).plan.tarball
    prefix = unpack(tarball, tmp_path / "env")
    (prefix / STATE_PATH).unlink()
    prefix.rename(tmp_path / "new")
    assert (1, bytes(tmp_path / "new") + b"/lib:") == (
        move(tmp_path / "new"),
        (tmp_path / "new/lib/x").read_bytes()[1:].partition(b":")[0] + b":",
    )


def test_a_hard_link_elsewhere_keeps_its_content(tarball: Path, tmp_path: Path) -> None:
    """A copy that shares its files with another is relocated alone."""
    prefix = unpack(tarball, tmp_path / "env")
    shutil.copytree(prefix, tmp_path / "new", symlinks=True, copy_function=_hard_link)
    move(tmp_path / "new")
    assert (expected(prefix), expected(tmp_path / "new")) == (
        texts(prefix),
        texts(tmp_path / "new"),
    )


def _hard_link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)


def test_stale_bytecode_goes(tmp_path: Path) -> None:
    """Bytecode that python compiled of a source that changes would be taken for fresh."""
    source = file("lib/m.py", f"x = '{OLD}'\n".encode(), placeholder=OLD, directory=tmp_path / "s")
    prefix = unpack(pack(tmp_path / "dist", payload(source)).plan.tarball, tmp_path / "env")
    compiled = prefix / "lib/__pycache__/m.cpython-311.pyc"
    compiled.parent.mkdir()
    compiled.write_bytes(b"")
    other = compiled.with_name("mm.cpython-311.pyc")
    other.write_bytes(b"")
    prefix.rename(tmp_path / "new")
    move(tmp_path / "new")
    assert [other.name] == [path.name for path in (tmp_path / "new/lib/__pycache__").iterdir()]


def test_too_long_a_place_is_refused(tarball: Path, tmp_path: Path) -> None:
    """A place that does not fit into the binary file is refused before anything is written."""
    prefix = unpack(tarball, tmp_path / "env")
    target = tmp_path / ("n" * 200) / ("m" * 50)
    target.parent.mkdir()
    prefix.rename(target)
    before = snapshot(target)
    with pytest.raises(PrefixTooLongError):
        move(target)
    assert before == snapshot(target)


def test_other_directories_are_refused(tmp_path: Path) -> None:
    """A directory without a record is not an environment of lading."""
    with pytest.raises(NotAPrefixError):
        plan_relocate(tmp_path)


def test_what_a_killed_relocation_left_goes(tarball: Path, tmp_path: Path) -> None:
    """It is beside lading's own records; what belongs to others stays."""
    prefix = unpack(tarball, tmp_path / "env").rename(tmp_path / "new")
    records = prefix / "conda-meta/lading"
    (records / ".relocated.lading-abcdefgh").mkdir()
    (prefix / "etc/.theirs.lading-abcdefgh").touch()
    move(prefix)
    assert ([], True) == (
        list(records.glob(".*")),
        (prefix / "etc/.theirs.lading-abcdefgh").exists(),
    )


def lead_out(path: Path) -> None:
    """Put a file or directory aside, and a link to it in its place."""
    path.symlink_to(path.rename(path.parents[2] / "outside"))


@pytest.mark.parametrize(
    "change",
    [
        lambda prefix: (prefix / "etc/conf").write_text("my own configuration, quite long\n"),
        lambda prefix: (prefix / "lib/x.so").write_bytes(b"changed"),
        lambda prefix: lead_out(prefix / "etc/conf"),
        lambda prefix: (prefix / "etc").rename(prefix / "x") and (prefix / "etc").symlink_to("x"),
        lambda prefix: lead_out(prefix / "conda-meta/lading"),
    ],
    ids=["text", "binary", "linked file", "linked directory", "linked records"],
)
def test_what_was_changed_is_refused(
    tarball: Path, tmp_path: Path, change: Callable[[Path], object]
) -> None:
    """What names no place is not guessed at, nor a link followed; all is left as it is."""
    prefix = unpack(tarball, tmp_path / "env").rename(tmp_path / "new")
    change(prefix)
    before = snapshot(tmp_path)
    with pytest.raises(PrefixChangedError):
        move(prefix)
    assert before == snapshot(tmp_path)


@pytest.mark.parametrize("kind", ["pipe", "device", "link"])
def test_what_is_behind_a_recorded_name_is_not_waited_for(
    tarball: Path, tmp_path: Path, kind: str
) -> None:
    """A pipe may never be written into, a device never end, and a link leads anywhere."""
    prefix = unpack(tarball, tmp_path / "env").rename(tmp_path / "new")
    for path in (prefix / "etc/conf", prefix / STATE_PATH):
        path.unlink()
        if kind == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to("/dev/zero" if kind == "device" else tmp_path / "victim")
    with pytest.raises((PrefixChangedError, NotAPrefixError)):
        move(prefix)


def test_everything_is_on_disk_before_a_file_is_replaced(tarball: Path, tmp_path: Path) -> None:
    """One call for all files; a relocation that changes nothing needs none."""
    prefix = unpack(tarball, tmp_path / "env").rename(tmp_path / "new")
    before = snapshot(prefix)
    seen = []

    def sync(_directory: Path) -> None:
        found = snapshot(prefix)
        seen.append({path: item for path, item in found.items() if path in before} == before)

    for _ in range(2):
        apply_relocate(plan_relocate(prefix, sync))
    assert [True] == seen


def test_a_large_file_is_relocated_without_being_held_in_memory(tmp_path: Path) -> None:
    """Twice over, and its digest is that of what was shipped."""
    line = OLD.encode() + b"/lib" + b"x" * 500
    content = (line + b"\n") * (3 * SMALL_BYTES // len(line))
    large = file("share/large", content, placeholder=OLD, directory=tmp_path / "source")
    packed = pack(tmp_path / "dist", payload(large))
    prefix = unpack(packed.plan.tarball, tmp_path / "env")
    for place in (tmp_path / "new", tmp_path / "newer-than-new"):
        prefix = prefix.rename(place)
        assert 1 == move(prefix)
        expected = content.replace(OLD.encode(), str(prefix).encode())
        assert expected == (prefix / "share/large").read_bytes()
    [item] = read_record(prefix)
    digest = shipped_digest(prefix / item.path, item, [str(prefix).encode()])
    assert sha256_of(content).hex == digest
