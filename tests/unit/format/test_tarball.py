"""A tarball, whatever it is read from, and a bill alone."""

import io
import random
from pathlib import Path

import pytest

from lading.errors import ArchiveError, IntegrityError, UsageError
from lading.format.bill import parse_bill
from lading.format.compression import Format
from lading.format.opening import open_tarball
from lading.format.tarball import bill_alone
from lading.node.unpack import apply_unpack, plan_unpack
from lading.system.filesystem import no_sync
from simulators.command import listing
from simulators.versions import verified, versioned_tarball

CUTS = 200


@pytest.mark.parametrize("format_", list(Format))
@pytest.mark.parametrize("workers", [1, 2, 8])
def test_a_pipe_is_unpacked(tmp_path: Path, format_: Format, workers: int) -> None:
    """To what the file would have been unpacked to."""
    packed = versioned_tarball(tmp_path, format_=format_)
    with open_tarball(io.BytesIO(packed.plan.tarball.read_bytes()), spool=tmp_path) as opened:
        apply_unpack(plan_unpack(opened, tmp_path / "prefix", workers, sync=no_sync))
    assert () == tuple(verified(tmp_path / "prefix"))


@pytest.mark.parametrize("format_", list(Format))
def test_a_tarball_that_was_cut_off_is_refused(tmp_path: Path, format_: Format) -> None:
    """Wherever that was, before anything is written; from a file and through a pipe."""
    packed = versioned_tarball(tmp_path / "tarballs", format_=format_)
    data = packed.plan.tarball.read_bytes()
    path = tmp_path / "cut"
    chance = random.Random(format_)
    places = {0, 1, 511, 512, len(data) - 1, len(data) - 512, len(data) - 1024}
    taken = []
    while len(places) < CUTS:
        places.add(chance.randrange(len(data)))
    for number, place in enumerate(sorted(places)):
        path.write_bytes(data[:place])
        tarball = path if number % 2 else io.BytesIO(data[:place])
        try:
            with open_tarball(tarball, spool=tmp_path) as opened:
                opened.contents()
                taken.append(place)
        except IntegrityError:
            continue
    assert [] == taken


@pytest.mark.parametrize("format_", list(Format))
@pytest.mark.parametrize("more", [b"x", bytes(512), bytes(1 << 16)])
def test_nothing_may_follow(tmp_path: Path, format_: Format, more: bytes) -> None:
    """What stands behind the tarball is not on its bill."""
    packed = versioned_tarball(tmp_path, format_=format_)
    with (
        pytest.raises(ArchiveError),
        open_tarball(io.BytesIO(packed.plan.tarball.read_bytes() + more)),
    ):
        pass


@pytest.mark.parametrize("format_", list(Format))
def test_nothing_may_stand_between_lists_and_bill(tmp_path: Path, format_: Format) -> None:
    """Neither a gap nor a lack."""
    packed = versioned_tarball(tmp_path, format_=format_)
    data = packed.plan.tarball.read_bytes()
    last = packed.manifest.packages[-1].listed
    end = last.offset + last.length
    for changed in (data[:end] + bytes(512) + data[end:], data[512:]):
        with pytest.raises(ArchiveError), open_tarball(io.BytesIO(changed)) as opened:
            opened.contents()


def test_lists_that_are_known_are_not_read(tmp_path: Path) -> None:
    """A store has them; what it has is compared with the bill all the same."""
    packed = versioned_tarball(tmp_path)
    with open_tarball(packed.plan.tarball) as opened:
        found = opened.contents()
        lists = {item.package.name: item.document for item in found.packages}
        alone = bill_alone("a.json", opened.bill)
        assert found == alone.contents(lambda package: lists[package.name])
        with pytest.raises(IntegrityError, match="the file list of base"):
            alone.contents(lambda _package: lists["tool"])


def test_a_bill_alone_has_nothing_but_itself(tmp_path: Path) -> None:
    """It can be deployed from a store, and nothing else."""
    packed = versioned_tarball(tmp_path)
    alone = bill_alone("a.json", parse_bill(packed.plan.manifest.read_bytes(), "a bill"))
    with pytest.raises(UsageError, match=r"a\.json is a bill without its tarball"):
        alone.contents()
    with pytest.raises(UsageError, match=r"a\.json is a bill without its tarball"):
        plan_unpack(alone, tmp_path / "prefix", 1)


def test_a_pipe_leaves_no_file(tmp_path: Path) -> None:
    """Its copy has no name."""
    packed = versioned_tarball(tmp_path)
    before = listing(tmp_path)
    with open_tarball(io.BytesIO(packed.plan.tarball.read_bytes()), spool=tmp_path) as opened:
        opened.contents()
        assert before == listing(tmp_path)
    assert before == listing(tmp_path)
