"""Unpacking through a store."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from lading.errors import (
    DigestMismatchError,
    FetchError,
    IntegrityError,
    PrefixError,
    PrefixExistsError,
    PrefixTooLongError,
)
from lading.format.bill import Bill
from lading.format.compression import Format
from lading.format.manifest import Manifest, render_manifest
from lading.format.opening import open_tarball
from lading.format.relocation import STATE_PATH
from lading.format.tarball import TarballSource, bill_alone
from lading.node.deploy import Deployed, DeployPlan, apply_deploy, plan_deploy
from lading.node.generations import Generations
from lading.node.store import Store
from lading.system.digest import sha256_of
from lading.system.filesystem import no_sync
from simulators.command import listing
from simulators.handmade import snapshot, unpack
from simulators.versions import (
    PLACEHOLDER,
    flip_bit,
    leftovers,
    package_of,
    verified,
    versioned_tarball,
)


@contextmanager
def source(
    root: Path, version: str = "1", format_: Format = Format.ZSTD
) -> Iterator[TarballSource]:
    """A version of the small environment, open."""
    packed = versioned_tarball(root / "tarballs", version, format_)
    with open_tarball(packed.plan.tarball) as opened:
        yield opened


def bill_only(manifest: Manifest) -> TarballSource:
    """A bill without its tarball."""
    document = render_manifest(manifest)
    bill = Bill(document=document, digest=sha256_of(document), manifest=manifest)
    return bill_alone("a bill", bill)


def plan(root: Path, given: TarballSource, workers: int = 2, name: str = "env") -> DeployPlan:
    """To unpack to `root/NAME` through `root/store`."""
    return plan_deploy(given, Store(root / "store"), Generations(root / name), workers, no_sync)


def deploy(root: Path, version: str = "1", workers: int = 2, name: str = "env") -> Deployed:
    """What unpacking a version of the small environment did."""
    with source(root, version) as given:
        return apply_deploy(plan(root, given, workers, name))


def total(root: Path) -> int:
    """How many bytes the files below `root` take, each counted once."""
    status = {path.stat().st_ino: path.stat() for path in root.rglob("*") if path.is_file()}
    return sum(item.st_size for item in status.values())


def interrupted(inner: TarballSource, root: Path) -> TarballSource:
    """A source that is unpacked by another process before its frames come."""

    def read(offset: int, length: int) -> bytes:
        if not (root / "env").exists():
            deploy(root)
        return inner.exactly(offset, length)

    return replace(inner, read=read, is_file=False)


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_the_name_shows_what_unpacking_makes(tmp_path: Path, workers: int) -> None:
    """Through a store or straight from the tarball: the same files, but for their place."""
    prefix = deploy(tmp_path, workers=workers).prefix
    with source(tmp_path):
        straight = unpack(tmp_path / "tarballs/1/sample-linux-64.tar.zst", tmp_path / "straight")
    places = {"bin/tool", "lib/libbase.so.1", STATE_PATH}
    one, other = (
        {path: item for path, item in snapshot(place).items() if path not in places}
        for place in (tmp_path / "env", straight)
    )
    assert (one, ()) == (other, tuple(verified(prefix)))


def test_versions_lie_side_by_side(tmp_path: Path) -> None:
    """The second costs what changed; the same version once more is only switched to."""
    first = deploy(tmp_path, "1")
    before = total(tmp_path / "store")
    with source(tmp_path, "2") as given:
        missing = [item.package.name for item in plan(tmp_path, given).missing()]
    second = deploy(tmp_path, "2")
    assert len("2" * 100) <= total(tmp_path / "store") - before < before
    again = deploy(tmp_path, "1")
    assert (["tool"], [(0, 4, False), (3, 1, False), (4, 0, True)]) == (
        missing,
        [(item.linked, item.extracted, item.was_there) for item in (first, second, again)],
    )
    assert again.prefix == Generations(tmp_path / "env").current()
    assert [(), ()] == [tuple(verified(item.prefix)) for item in (first, second)]


def test_planning_writes_nothing(tmp_path: Path) -> None:
    """Neither store nor name."""
    with source(tmp_path) as given:
        plan(tmp_path, given)
    assert not {"store", "env"} & set(listing(tmp_path))


def test_a_bill_is_enough_where_all_frames_are(tmp_path: Path) -> None:
    """No tarball is read."""
    deploy(tmp_path, name="one")
    manifest = versioned_tarball(tmp_path / "tarballs").manifest
    done = apply_deploy(plan(tmp_path, bill_only(manifest), name="two"))
    assert (4, ()) == (done.linked, tuple(verified(tmp_path / "two")))


def test_a_bill_is_not_enough_where_frames_lack(tmp_path: Path) -> None:
    """The name still shows what it showed."""
    deploy(tmp_path, "1")
    before = (tmp_path / "env").readlink()
    manifest = versioned_tarball(tmp_path / "tarballs", "2").manifest
    with pytest.raises(FetchError, match="the store lacks 1 packages"):
        apply_deploy(plan(tmp_path, bill_only(manifest)))
    assert (before, 1) == ((tmp_path / "env").readlink(), len(list(tmp_path.glob("env@*"))))


def test_frames_that_are_collected_meanwhile_are_extracted(tmp_path: Path) -> None:
    """What the plan saw in the store may be gone when it is carried out."""
    deploy(tmp_path, name="one")
    with source(tmp_path) as given:
        planned = plan(tmp_path, given)
        for path in tmp_path.glob("one@*"):
            shutil.rmtree(path)
        planned.store.collect()
        done = apply_deploy(planned)
    assert (4, ()) == (done.extracted, tuple(verified(tmp_path / "env")))


def test_another_process_may_be_faster(tmp_path: Path) -> None:
    """The same environment appears while this one is made: both are content with it."""
    with source(tmp_path) as given:
        planned = plan(tmp_path, given)
        done = apply_deploy(replace(planned, source=interrupted(given, tmp_path)))
    assert (done.prefix, (), []) == (
        Generations(tmp_path / "env").current(),
        tuple(verified(done.prefix)),
        leftovers(tmp_path),
    )


def damaged(root: Path, name: str) -> Path:
    """The tarball of the second version, in which a bit of a package is wrong."""
    packed = versioned_tarball(root / "tarballs", "2")
    [frame] = package_of(packed, name).package.frames
    path = packed.plan.tarball
    path.write_bytes(flip_bit(path.read_bytes(), 8 * (frame.offset + frame.length // 2)))
    return path


def test_a_damaged_tarball_changes_nothing(tmp_path: Path) -> None:
    """The name shows what it showed; no prefix is left, whole or half."""
    deploy(tmp_path, "1")
    before = [path for path in listing(tmp_path) if path.startswith((".", "env"))]
    with open_tarball(damaged(tmp_path, "tool")) as given, pytest.raises(IntegrityError):
        apply_deploy(plan(tmp_path, given))
    assert before == [path for path in listing(tmp_path) if path.startswith((".", "env"))]


def test_damage_in_a_frame_that_is_there_does_no_harm(tmp_path: Path) -> None:
    """It is not read."""
    deploy(tmp_path, "1")
    with open_tarball(damaged(tmp_path, "zother")) as given:
        apply_deploy(plan(tmp_path, given))
    assert () == tuple(verified(tmp_path / "env"))


def test_formats_share_a_store(tmp_path: Path) -> None:
    """Each fills one; what is stored is known by its file list, however it was compressed."""
    for number, format_ in enumerate(Format):
        with source(tmp_path, format_=format_) as given:
            apply_deploy(plan(tmp_path / f"alone{number}", given))
            # The compressor is on the bill, so each is another environment.
            done = apply_deploy(plan(tmp_path, given, name=f"env{number}"))
        assert (4, 0)[:: 1 if number else -1] == (done.linked, done.extracted)
        for place in (f"env{number}", f"alone{number}/env"):
            assert () == tuple(verified(tmp_path / place))


def data_of(root: Path, name: str) -> Path:
    """A file of an environment that is one with a file of the store."""
    return root / name / "share/other/data"


def change(path: Path) -> None:
    """Write into a file, as a program does that does not know of links."""
    with path.open("r+b") as stream:
        stream.write(b"OTHER")


def test_what_was_changed_in_one_prefix_gets_into_no_other(tmp_path: Path) -> None:
    """The store has a new file, made from the tarball; the prefix keeps what was done to it."""
    deploy(tmp_path, name="one")
    change(data_of(tmp_path, "one"))
    done = deploy(tmp_path, name="two")
    assert ((3, 1), (), b"OTHERother", False) == (
        (done.linked, done.extracted),
        tuple(verified(tmp_path / "two")),
        data_of(tmp_path, "one").read_bytes()[:10],
        data_of(tmp_path, "one").samefile(data_of(tmp_path, "two")),
    )


def test_a_changed_frame_is_told_where_only_a_bill_is_there(tmp_path: Path) -> None:
    """It is an error of integrity that names the file, and nothing is made."""
    deploy(tmp_path, name="one")
    change(data_of(tmp_path, "one"))
    manifest = versioned_tarball(tmp_path / "tarballs").manifest
    with pytest.raises(
        DigestMismatchError, match="share/other/data of zother was changed in the store"
    ):
        apply_deploy(plan(tmp_path, bill_only(manifest), name="two"))
    assert [] == list(tmp_path.glob("two*"))


def test_a_file_that_was_only_touched_is_linked(tmp_path: Path) -> None:
    """With the time and the mode that it had; nothing is extracted."""
    deploy(tmp_path, name="one")
    data_of(tmp_path, "one").touch()
    data_of(tmp_path, "one").chmod(0o600)
    manifest = versioned_tarball(tmp_path / "tarballs").manifest
    apply_deploy(plan(tmp_path, bill_only(manifest), name="two"))
    status = data_of(tmp_path, "two").stat()
    assert (1_700_000_000, 0o100644) == (status.st_mtime, status.st_mode)


def test_an_environment_with_its_name_is_left_alone(tmp_path: Path) -> None:
    """A directory that is not a link to a version."""
    (tmp_path / "env").mkdir()
    with source(tmp_path) as given, pytest.raises(PrefixExistsError):
        plan(tmp_path, given)


def test_a_prefix_that_is_too_long_is_refused(tmp_path: Path) -> None:
    """The length is that of the version, not of the name."""
    room = len(PLACEHOLDER) - len(f"{tmp_path}/")
    with source(tmp_path) as given, pytest.raises(PrefixTooLongError):
        plan(tmp_path, given, name="e" * room)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A file above the name."""
    (tmp_path / "file").touch()
    with source(tmp_path) as given, pytest.raises(PrefixError, match="cannot write"):
        apply_deploy(plan(tmp_path, given, name="file/env"))


def test_progress_is_told(tmp_path: Path) -> None:
    """Of both steps: frame by frame, then the files of package after package."""
    told = []
    with source(tmp_path) as given:
        planned = plan(tmp_path, given)
        apply_deploy(planned, lambda *step: told.append(step))
        total = sum(len(package.files) for package in planned.contents.packages)
    placed = told[4:]
    assert [("unpack", number, 4) for number in range(1, 5)] == told[:4]
    assert [("place", total)] * 4 == [(step, count) for step, _, count in placed]
    assert max(done for _, done, _ in placed) == total
