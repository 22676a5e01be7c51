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
from lading.package.payload import Payload
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
    """Tarball, bill and digests are there, and nothing else."""
    packed = pack(tmp_path, payload(file("a", b"x")))
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


def test_formats_lie_beside_each_other(tmp_path: Path) -> None:
    """One directory holds an environment in every format."""
    for format_ in Format:
        pack(tmp_path, payload(file("a")), format_=format_)
    assert 9 == len(list(tmp_path.iterdir()))


def test_old_outputs_are_replaced(tmp_path: Path) -> None:
    """Packing again replaces all three files."""
    first = pack(tmp_path, payload(file("a", b"1")))
    second = pack(tmp_path, payload(file("a", b"2")))
    assert (False, 3) == (first.sha256 == second.sha256, len(list(tmp_path.iterdir())))


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


def refused(tmp_path: Path) -> list[str]:
    """What lies in the output directory after an attempt that failed."""
    return [path.name for path in (tmp_path / "dist").iterdir()]


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    """A file of the package cache with other bytes than its package says is not shipped."""
    item = file("a", b"x", directory=tmp_path / "source")
    (tmp_path / "source/a").write_bytes(b"y")
    with pytest.raises(DigestMismatchError, match="is not what its package says of a"):
        pack(tmp_path / "dist", payload(item))
    assert [] == refused(tmp_path)


def test_a_changed_file_with_a_placeholder_is_refused(tmp_path: Path) -> None:
    """The content is checked before anything is replaced in it."""
    item = file("a", OLD.encode(), placeholder=OLD, directory=tmp_path / "source")
    (tmp_path / "source/a").write_bytes(OLD.encode() + b"y")
    with pytest.raises(DigestMismatchError):
        pack(tmp_path / "dist", payload(item))
    assert [] == refused(tmp_path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A file that vanished from the package cache is named, and not the output."""
    item = file("a", b"x", directory=tmp_path / "source")
    (tmp_path / "source/a").unlink()
    with pytest.raises(ArchiveError, match=r"source/a cannot be read: No such file"):
        pack(tmp_path / "dist", payload(item))
    assert [] == refused(tmp_path)


@pytest.mark.parametrize("path", ["../a", "/a", "a/../../b"])
def test_a_package_must_stay_inside(tmp_path: Path, path: str) -> None:
    """A package that would write elsewhere is refused when it is packed, not when unpacked."""
    with pytest.raises(UnsafePathError):
        pack(tmp_path / "dist", payload(file(path)))
    assert [] == refused(tmp_path)


def test_a_link_out_is_refused(tmp_path: Path) -> None:
    """A package with a link that leaves the prefix cannot be shipped."""
    with pytest.raises(UnsafePathError, match="leads out of the prefix"):
        pack(tmp_path / "dist", payload(link("a", "/etc/passwd")))
    assert [] == refused(tmp_path)


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
    """Only binary files limit the length of a prefix."""
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


def test_without_binary_files_any_prefix_will_do(tmp_path: Path) -> None:
    """An environment of texts has no limit."""
    assert None is pack(tmp_path, payload(file("a"))).manifest.requirements.longest_prefix


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


def test_pip_binaries_survive(tmp_path: Path) -> None:
    """Zero bytes of a pip file are zero bytes after packing and unpacking."""
    data = b"\x7fELF" + bytes(50) + b"\xff"
    package = payload(file("lib/x.so", data, directory=tmp_path / "s"), manager="pip")
    prefix = unpack(pack(tmp_path / "dist", package).plan.tarball, tmp_path / "env")
    assert data == (prefix / "lib/x.so").read_bytes()


def test_pip_scripts_are_relocated(tmp_path: Path) -> None:
    """A text of a pip distribution names the place where it was unpacked."""
    data = b"#!" + bytes(PREFIX) + b"/bin/python -E\n"
    package = payload(file("bin/x", data, executable=True, directory=tmp_path / "s"), manager="pip")
    prefix = unpack(pack(tmp_path / "dist", package).plan.tarball, tmp_path / "env")
    assert f"#!{prefix}/bin/python -E\n" == (prefix / "bin/x").read_text()


def test_progress_ends_with_the_last_frame(tmp_path: Path) -> None:
    """Each frame is told of."""
    told: list[tuple[str, int, int]] = []
    apply_pack(plan_pack(request(tmp_path, payload(file("a")))), lambda *step: told.append(step))
    assert [("pack", 1, 2), ("pack", 2, 2)] == told


def test_the_manifest_inside_is_the_one_beside(tmp_path: Path) -> None:
    """One file is enough, and it says the same."""
    packed = pack(tmp_path, payload(file("a", b"x")))
    prefix = unpack(packed.plan.tarball, tmp_path / "env")
    inside = (prefix / "conda-meta/lading/manifest.json").read_bytes()
    assert (packed.plan.manifest.read_bytes(), packed.manifest_sha256) == (
        inside,
        sha256_of(inside),
    )


def test_the_state_names_the_place(tmp_path: Path) -> None:
    """What is true of this place alone stands in a file of its own."""
    packed = pack(tmp_path, payload(file("a", b"x")))
    prefix = unpack(packed.plan.tarball, tmp_path / "env")
    assert {"prefix": str(prefix), "manifest": packed.manifest_sha256.hex} == json.loads(
        (prefix / "conda-meta/lading/state.json").read_bytes()
    )


def test_unpacking_into_an_empty_directory(tmp_path: Path) -> None:
    """An empty directory may become the prefix."""
    (tmp_path / "env").mkdir()
    packed = pack(tmp_path / "dist", payload(file("a", b"x")))
    assert ("file", 0, b"x") == snapshot(unpack(packed.plan.tarball, tmp_path / "env"))["a"]


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_any_number_of_workers_unpacks(tmp_path: Path, workers: int) -> None:
    """The tree does not depend on how many threads write it."""
    payloads = [payload(file(f"f{n}", bytes([n]) * n), name=f"p{n:02}") for n in range(20)]
    packed = pack(tmp_path / "dist", *payloads)
    found = snapshot(unpack(packed.plan.tarball, tmp_path / "env", workers))
    assert [bytes([n]) * n for n in range(20)] == [found[f"f{n}"][2] for n in range(20)]
