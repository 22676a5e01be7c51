"""From packages to a tarball: what is refused, what is recorded, what is told."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Never

import pytest
from msgspec import structs

from lading.conda.names import Platform
from lading.conda.paths import FileMode
from lading.errors import (
    ArchiveError,
    DigestMismatchError,
    OutputError,
    UnsafePathError,
    UsageError,
)
from lading.format.compression import Format
from lading.pack.frame_cache import KeptPackage
from lading.pack.packer import PackRequest, apply_pack, plan_pack
from lading.package.payload import Payload, PayloadFile
from lading.system.digest import sha256_of, sha256_of_file
from simulators.handmade import PREFIX, file, installed, link, pack, payload, snapshot, unpack
from simulators.versions import contents_of

OLD = "/placeholder" * 12


def request(directory: Path, *payloads: Payload) -> PackRequest:
    """A request to pack `payloads`."""
    return PackRequest(installed=installed(payloads), directory=directory)


def test_a_plan_touches_nothing(tmp_path: Path) -> None:
    """Planning reads and writes nothing."""
    plan = plan_pack(request(tmp_path / "dist", payload(file("a"))))
    assert (False, ["sample-linux-64.tar.zst", "sample-linux-64.manifest.json"]) == (
        (tmp_path / "dist").exists(),
        [plan.tarball.name, plan.manifest.name],
    )


def test_the_outputs(tmp_path: Path) -> None:
    """Tarball, bill and digests are there, and nothing else; packing again replaces them."""
    before = pack(tmp_path, payload(file("a", b"1")))
    packed = pack(tmp_path, payload(file("a", b"x")))
    assert before.sha256 != packed.sha256
    assert (
        ["sample-linux-64.manifest.json", "sample-linux-64.sha256", "sample-linux-64.tar.zst"],
        packed.sha256,
        packed.manifest_sha256,
        packed.size,
    ) == (
        sorted(path.name for path in tmp_path.iterdir()),
        sha256_of_file(packed.plan.tarball),
        sha256_of_file(packed.plan.manifest),
        packed.plan.tarball.stat().st_size,
    )
    for format_ in Format:
        pack(tmp_path, payload(file("a")), format_=format_)
    assert 9 == len(list(tmp_path.iterdir()))


def test_windows_is_refused(tmp_path: Path) -> None:
    """Environments for Windows cannot be packed."""
    wanted = request(tmp_path, payload())
    plan = wanted.installed.plan
    lockfile = replace(plan.lockfile, platform=Platform.WIN_64)
    with pytest.raises(UsageError, match="for win-64 cannot be packed"):
        plan_pack(
            replace(
                wanted, installed=replace(wanted.installed, plan=replace(plan, lockfile=lockfile))
            )
        )


@pytest.mark.parametrize(
    ("placeholder", "after", "error", "message"),
    [
        ("", b"y", DigestMismatchError, "is not what its package says of a"),
        # The content is checked before anything is replaced in it.
        (OLD, OLD.encode() + b"y", DigestMismatchError, "is not what its package says of a"),
        ("", None, ArchiveError, r"source/a cannot be read: No such file"),
    ],
    ids=["changed", "changed with a placeholder", "gone"],
)
def test_a_changed_file_is_refused(
    tmp_path: Path, placeholder: str, after: bytes | None, error: type[Exception], message: str
) -> None:
    """A file of the package cache with other bytes than its package says is not shipped."""
    data = placeholder.encode() or b"x"
    item = file("a", data, placeholder=placeholder, directory=tmp_path / "source")
    path = tmp_path / "source/a"
    path.unlink() if after is None else path.write_bytes(after)
    with pytest.raises(error, match=message):
        pack(tmp_path / "dist", payload(item))
    assert [] == list((tmp_path / "dist").iterdir())


@pytest.mark.parametrize(
    "item", [*map(file, ("../a", "/a", "a/../../b")), link("a", "/etc/passwd")]
)
def test_a_package_must_stay_inside(tmp_path: Path, item: PayloadFile) -> None:
    """A package that would write elsewhere is refused when it is packed, not when unpacked."""
    with pytest.raises(UnsafePathError):
        pack(tmp_path / "dist", payload(item))
    assert [] == list((tmp_path / "dist").iterdir())


def test_an_output_that_cannot_be_written(tmp_path: Path) -> None:
    """Why the output cannot be written is said."""
    (tmp_path / "dist").write_text("")
    with pytest.raises(
        OutputError, match=r"cannot write .*sample-linux-64\.tar\.zst: .*dist is not a dir"
    ):
        pack(tmp_path / "dist", payload())


def test_too_little_memory_is_told(tmp_path: Path) -> None:
    """It is an error of ours that names the way out, and nothing is left."""

    class Exhausted(dict[tuple[str, str], KeptPackage]):
        def get(self, key: object, default: object = None) -> Never:
            raise MemoryError(key, default)

    wanted = replace(request(tmp_path / "dist", payload(file("a"))), frames=Exhausted())
    with pytest.raises(OutputError, match="too little memory"):
        apply_pack(plan_pack(wanted))
    assert [] == list((tmp_path / "dist").iterdir())


def test_the_longest_prefix_is_that_of_the_shortest_placeholder(tmp_path: Path) -> None:
    """Only binary files limit the length of a prefix; without them any will do."""
    assert None is pack(tmp_path, payload(file("a"))).manifest.requirements.longest_prefix
    package = payload(
        *(
            file(name, old.encode() + b"\0", placeholder=old, mode=mode, directory=tmp_path / "s")
            for name, old, mode in (
                ("a", "/long" * 20, FileMode.BINARY),
                ("b", "/longer" * 20, FileMode.BINARY),
                ("c", "/t", FileMode.TEXT),
            )
        )
    )
    packed = pack(tmp_path / "dist", package)
    assert 100 == packed.manifest.requirements.longest_prefix


def test_the_newest_payload_dates_the_environment(tmp_path: Path) -> None:
    """The environment's own files are as old as the newest package."""
    old, new = payload(file("a"), name="old"), payload(file("b"), name="new")
    packed = pack(
        tmp_path,
        structs.replace(old, mtime=1_600_000_000),
        structs.replace(new, mtime=1_700_000_000),
    )
    assert [("old", 1_600_000_000), ("new", 1_700_000_000), ("", 1_700_000_000)] == [
        (item.package.name, item.mtime) for item in contents_of(packed).packages
    ]
    assert 1_700_000_000 == packed.manifest.mtime


def test_pip_files_are_relocated(tmp_path: Path) -> None:
    """A text of a pip distribution names its new place; the zero bytes of a binary file stay."""
    data, script = b"\x7fELF" + bytes(50) + b"\xff", b"#!" + bytes(PREFIX) + b"/bin/python -E\n"
    files = (
        file("lib/x.so", data, directory=tmp_path / "s"),
        file("bin/x", script, executable=True, directory=tmp_path / "s"),
    )
    package = payload(*files, manager="pip")
    prefix = unpack(pack(tmp_path / "dist", package).plan.tarball, tmp_path / "env")
    assert (data, f"#!{prefix}/bin/python -E\n") == (
        (prefix / "lib/x.so").read_bytes(),
        (prefix / "bin/x").read_text(),
    )


def test_progress_ends_with_the_last_frame(tmp_path: Path) -> None:
    """Each frame is told of."""
    told: list[tuple[str, int, int]] = []
    apply_pack(plan_pack(request(tmp_path, payload(file("a")))), lambda *step: told.append(step))
    assert [("pack", 1, 2), ("pack", 2, 2)] == told


def test_the_records_inside(tmp_path: Path) -> None:
    """The bill is the one beside; what is true of this place alone stands in a file of its own.

    An empty directory may become the prefix.
    """
    (tmp_path / "env").mkdir()
    packed = pack(tmp_path / "dist", payload(file("a", b"x")))
    records = unpack(packed.plan.tarball, tmp_path / "env") / "conda-meta/lading"
    inside = (records / "manifest.json").read_bytes()
    assert (packed.plan.manifest.read_bytes(), packed.manifest_sha256) == (
        inside,
        sha256_of(inside),
    )
    assert {
        "prefix": str(tmp_path / "env"),
        "manifest": packed.manifest_sha256.hex,
    } == json.loads((records / "state.json").read_bytes())


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_any_number_of_workers_unpacks(tmp_path: Path, workers: int) -> None:
    """The tree does not depend on how many threads write it."""
    payloads = [payload(file(f"f{n}", bytes([n]) * n), name=f"p{n:02}") for n in range(20)]
    packed = pack(tmp_path / "dist", *payloads)
    found = snapshot(unpack(packed.plan.tarball, tmp_path / "env", workers))
    assert [bytes([n]) * n for n in range(20)] == [found[f"f{n}"][2] for n in range(20)]
