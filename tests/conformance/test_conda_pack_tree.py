"""conda-pack, and other tools, agree with what lading packs."""

import gzip
import json
import os
import shutil
import struct
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from backports import zstd

from lading.conda.names import native_platform
from lading.engine.protocol import InstallRequest
from lading.format.compression import Format
from lading.install.installer import Installed
from lading.pack.packer import Packed, PackRequest, apply_pack, plan_pack
from simulators.channel import PLACEHOLDER, File, Package, Symlink
from simulators.handmade import snapshot, unpack
from simulators.project import Project
from simulators.versions import contents_of

PACKAGES = (
    Package(
        name="tool",
        depends=("library",),
        files={
            "bin/tool": File(b"#!/bin/sh\necho at " + PLACEHOLDER + b"\n", mode=0o755, text=True),
            "bin/perl-script": File(b"#!" + PLACEHOLDER + b"/bin/perl -w\n", mode=0o755, text=True),
            "bin/twice": File(
                b"#!" + PLACEHOLDER + b"/bin/perl\n# " + PLACEHOLDER + b"\n", mode=0o755, text=True
            ),
            "lib/libtool.so.1": File(
                b"\x7fELF\0" + PLACEHOLDER + b"/lib:" + PLACEHOLDER + b"/y\0rest", binary=True
            ),
            "lib/libtool.so": Symlink("libtool.so.1"),
            "etc/conf": File(b"prefix=" + PLACEHOLDER + b"\n", text=True),
            "share/" + "n" * 120: b"long",
            "share/ünï x": b"odd",
            "share/empty": b"",
        },
    ),
    Package(name="library", archive_format=".tar.bz2", files={"lib/l": b"l" * 100_000}),
)

ONE_ALONE = {
    "conda-meta/lading/relocation.json",  # what makes relocating again possible
    "conda-meta/lading/manifest.json",  # the bill
    "conda-meta/lading/files/conda/library.json",  # what each package brings
    "conda-meta/lading/files/conda/tool.json",
    "conda-meta/lading/files/environment.json",
    "bin/conda_unpack_progress.py",  # conda-pack's alone
    "conda-meta/frozen",  # tells installers to leave it alone
}
OTHER_CONTENT = {
    "bin/perl-script",  # find their perl beside themselves, and keep the option
    "bin/twice",
    "conda-meta/history",  # conda-pack keeps what the engine wrote
    "bin/activate",  # works in more shells, and sets the variables of the environment
    "bin/activate.fish",
    "bin/deactivate",
    "bin/conda-unpack",  # finds its python, verifies, and can be run again
}


def is_other_content(path: str) -> bool:
    """Whether lading ships another content at `path` on purpose; prefix records are canonical."""
    return path in OTHER_CONTENT or (path.startswith("conda-meta/") and path.endswith(".json"))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The locked environment."""
    return Project.of(tmp_path_factory.mktemp("project"), PACKAGES)


@pytest.fixture(scope="module")
def installed(project: Project) -> Installed:
    """The environment, installed."""
    return project.install()


@pytest.fixture(scope="module")
def packed(
    installed: Installed, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[Format, Packed]:
    """The environment, packed by lading in every format."""
    directory = tmp_path_factory.mktemp("dist")
    return {
        format_: apply_pack(
            plan_pack(PackRequest(installed=installed, directory=directory, format=format_))
        )
        for format_ in Format
    }


@pytest.fixture(scope="module")
def theirs(
    project: Project, installed: Installed, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """What conda-pack's own tarball holds, of the prefix as the engine leaves it.

    In one that lading has finished, the prefix records do not name the package cache.
    """
    root = tmp_path_factory.mktemp("theirs")
    prefix = root / "prefix"
    cache = project.tree.package_cache
    records = installed.plan.records
    project.engine().install(
        InstallRequest(
            platform=native_platform(),
            records=records,
            archives={item.distribution: cache / item.file_name for item in records},
            prefix=prefix,
            package_cache=cache,
        )
    )
    for path in (prefix / "conda-meta").glob("*.json"):
        document = json.loads(path.read_bytes())
        document["link"] = {"source": document["extracted_package_dir"], "type": 1}
        path.write_text(json.dumps(document))
    (prefix / "conda-meta/history").touch()
    subprocess.run(
        [sys.executable, "-m", "conda_pack.cli", "-q", "-p", prefix, "-o", "x.tar"],
        cwd=root,
        check=True,
        timeout=120,
    )
    return extract(root / "x.tar", root / "tree")


@pytest.fixture(scope="module")
def ours(packed: Mapping[Format, Packed], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What lading's tarball holds, as `tar` sees it."""
    return extract(packed[Format.TAR].plan.tarball, tmp_path_factory.mktemp("ours") / "tree")


def extract(tarball: Path, directory: Path, *options: str) -> Path:
    """What GNU tar makes of a tarball."""
    directory.mkdir()
    subprocess.run(["tar", *options, "-xpf", tarball, "-C", directory], check=True)
    return directory


def test_the_paths_are_those_of_conda_pack(ours: Path, theirs: Path) -> None:
    """Nothing is missing but a progress bar, and only lading's own record is added."""
    assert ONE_ALONE == set(snapshot(ours)) ^ set(snapshot(theirs))


def test_the_contents_are_those_of_conda_pack(ours: Path, theirs: Path) -> None:
    """Kind, executable bit and bytes of every file are the same, but for those that are listed."""
    mine, other = snapshot(ours), snapshot(theirs)
    differing = {path for path, entry in other.items() if mine.get(path, entry) != entry}
    assert [] == sorted(path for path in differing if not is_other_content(path))


def test_conda_unpack_gives_what_lading_unpacks(
    packed: Mapping[Format, Packed], tmp_path: Path
) -> None:
    """`tar` and `conda-unpack` make the tree that `lading unpack` makes at the same place."""
    tarball = packed[Format.ZSTD].plan.tarball
    prefix = tmp_path / "env"
    extract(tarball, prefix, "--zstd")
    subprocess.run([prefix / "bin/conda-unpack"], check=True, capture_output=True)
    by_hand = snapshot(prefix)
    shutil.rmtree(prefix)
    by_lading = snapshot(unpack(tarball, prefix))
    for tree in (by_hand, by_lading):
        tree.pop("conda-meta/lading/manifest.json", None)
        tree.pop("conda-meta/lading/state.json")
    assert by_hand == by_lading


def test_activation_works(packed: Mapping[Format, Packed], tmp_path: Path) -> None:
    """`source bin/activate` puts the programs of the environment on PATH, in bash."""
    prefix = unpack(packed[Format.ZSTD].plan.tarball, tmp_path / "env with space")
    done = subprocess.run(
        [
            "bash",
            "-euc",
            'source "$1/bin/activate"; tool; echo "$CONDA_PREFIX"',
            "-",
            prefix,
        ],
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": os.defpath},
    )
    assert f"at {prefix}\n{prefix}\n" == done.stdout


def before_the_bill(stream: bytes) -> bytes:
    """The stream of a tarball up to its bill, which names the compressor."""
    return stream[: stream.rindex(b"././@PaxHeader")]


def seek_table(data: bytes) -> list[tuple[int, int]]:
    """(compressed, decompressed) bytes of each frame, by zstd's seekable format 0.1.0."""
    count, descriptor, magic = struct.unpack("<IBI", data[-9:])
    assert (0x8F92EAB1, 0) == (magic, descriptor)
    frame = data[-9 - 8 * count - 8 :]
    assert (0x184D2A5E, len(frame) - 8) == struct.unpack("<II", frame[:8])
    return list(struct.iter_unpack("<II", frame[8:-9]))


def test_every_frame_stands_alone(packed: Mapping[Format, Packed]) -> None:
    """By the seek table each frame can be decompressed by itself; together they are the tar."""
    data = packed[Format.ZSTD].plan.tarball.read_bytes()
    position, pieces = 0, []
    for compressed, decompressed in seek_table(data):
        part = data[position : position + compressed]
        position += compressed
        pieces.append(zstd.decompress(part) if decompressed else b"")
        assert decompressed == len(pieces[-1])
    assert before_the_bill(packed[Format.TAR].plan.tarball.read_bytes()) == before_the_bill(
        b"".join(pieces)
    )


def test_zstd_reads_it(packed: Mapping[Format, Packed]) -> None:
    """The zstd program passes over the manifest and the seek table."""
    done = subprocess.run(
        ["zstd", "-dqc", packed[Format.ZSTD].plan.tarball], check=True, capture_output=True
    )
    plain = packed[Format.TAR].plan.tarball.read_bytes()
    assert before_the_bill(plain) == before_the_bill(done.stdout)
    subprocess.run(["zstd", "-tq", packed[Format.ZSTD].plan.tarball], check=True)


def test_gzip_reads_it(packed: Mapping[Format, Packed]) -> None:
    """The standard library and the gzip program pass from member to member."""
    path = packed[Format.GZIP].plan.tarball
    plain = packed[Format.TAR].plan.tarball.read_bytes()
    done = subprocess.run(["gzip", "-dc", path], check=True, capture_output=True)
    content = gzip.decompress(path.read_bytes())
    assert (before_the_bill(plain), content) == (before_the_bill(content), done.stdout)


def listed(packed: Packed) -> list[str]:
    """The members of the bill, its lists and the bill itself, in the order of the archive."""
    contents = contents_of(packed)
    members = [item.path for item in contents.files]
    return [*members, *contents.bill.manifest.own_paths, "conda-meta/lading/manifest.json"]


@pytest.mark.parametrize("format_", list(Format))
def test_tar_lists_what_is_billed(packed: Mapping[Format, Packed], format_: Format) -> None:
    """GNU tar sees the members of the bill, in its order."""
    option = ["--zstd"] if format_ is Format.ZSTD else []
    done = subprocess.run(
        ["tar", *option, "--quoting-style=literal", "-tf", packed[format_].plan.tarball],
        check=True,
        capture_output=True,
        text=True,
    )
    assert listed(packed[format_]) == done.stdout.splitlines()


@pytest.mark.skipif(shutil.which("bsdtar") is None, reason="bsdtar is not installed")
@pytest.mark.parametrize("format_", list(Format))
def test_bsdtar_lists_what_is_billed(packed: Mapping[Format, Packed], format_: Format) -> None:
    """So does bsdtar."""
    done = subprocess.run(
        ["bsdtar", "-tf", packed[format_].plan.tarball],
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
    )
    assert listed(packed[format_]) == done.stdout.splitlines()


def test_members_are_nobodys(packed: Mapping[Format, Packed]) -> None:
    """No member has an owner, and modes are reduced to two."""
    with tarfile.open(packed[Format.TAR].plan.tarball) as archive:
        members = archive.getmembers()
    assert ({(0, 0, "", "")}, {0o644, 0o755, 0o777}) == (
        {(item.uid, item.gid, item.uname, item.gname) for item in members},
        {item.mode for item in members},
    )
