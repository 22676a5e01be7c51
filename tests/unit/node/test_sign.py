"""Relocated Mach-O files are signed again, known to `verify`, and relocated again.

macOS was not there: the files are made, and a stand-in signs them.
"""

import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lading.conda.names import Platform
from lading.conda.paths import FileMode
from lading.errors import PrefixError
from lading.format.opening import open_tarball
from lading.node.deploy import apply_deploy, plan_deploy
from lading.node.generations import Generations
from lading.node.relocate import apply_relocate, plan_relocate
from lading.node.sign import CODESIGN, codesign_of
from lading.node.store import Store
from lading.node.unpack import apply_unpack, plan_unpack
from lading.package.payload import PayloadFile
from lading.system.file_content import SMALL_BYTES
from lading.system.filesystem import no_sync
from lading.verify.prefix import read_prefix_contents, verify_unpacked
from simulators.handmade import file, pack, payload
from simulators.macho import ARM64, X86_64, is_valid, signed, standin, universal

OLD = "/build/" + "placeholder" * 20
CODE = f"code\0{OLD}/lib:{OLD}/y\0more\0{OLD}\0".encode()
FULL = CODE.ljust(12_112, b"\0")
"""With the signature of `codesign` it is longer than 16 KiB, and what follows it moves."""

SIGNATURES = "conda-meta/lading/signatures.json"
SIGNED = ("bin/both", "bin/tool", "lib/large.dylib")


def binary(path: str, data: bytes, directory: Path) -> PayloadFile:
    """A file with placeholders."""
    return file(
        path, data, executable=True, placeholder=OLD, mode=FileMode.BINARY, directory=directory
    )


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment for macOS: programs of one and of two processors, a large library."""
    directory = tmp_path_factory.mktemp("osx")
    source = directory / "source"
    package = payload(
        binary("bin/tool", signed(CODE), source),
        binary("bin/both", universal(signed(FULL, ARM64), signed(CODE * 99, X86_64)), source),
        binary("lib/large.dylib", signed(bytes(SMALL_BYTES) + CODE), source),
        # Neither is signed: the one is no Mach-O file, the other begins like one.
        binary("lib/data", CODE, source),
        binary("lib/odd", b"\xcf\xfa\xed\xfe" + CODE, source),
        file("etc/conf", f"a={OLD}\n".encode(), placeholder=OLD, directory=source),
    )
    return pack(directory / "dist", package, platform=Platform.OSX_ARM64).plan.tarball


def unpack(tarball: Path, prefix: Path, codesign: Path | str) -> Path:
    """The environment at `prefix`, signed by `codesign`."""
    with open_tarball(tarball) as source:
        apply_unpack(plan_unpack(source, prefix, 2, sync=no_sync, codesign=str(codesign)))
    return prefix


def relocate(prefix: Path, codesign: Path | str) -> int:
    """How many files were written."""
    return apply_relocate(plan_relocate(prefix, no_sync, str(codesign)))


def valid(prefix: Path) -> tuple[str, ...]:
    """The programs and libraries that macOS would start."""
    return tuple(path for path in SIGNED if is_valid(prefix / path))


def changed(prefix: Path) -> list[str]:
    """The paths that are not what the bill says."""
    report = verify_unpacked(prefix, read_prefix_contents(prefix, None))
    return [item.path for item in report.findings]


def conda_unpack(prefix: Path, codesign: Path | str, *options: str) -> tuple[int, str]:
    """Exit code and output of the environment's own `conda-unpack`."""
    path = f"{Path(sys.executable).parent}:{os.defpath}"
    done = subprocess.run(
        ["/bin/sh", prefix / "bin/conda-unpack", *options],
        env={"PATH": path, "LADING_CODESIGN": str(codesign)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_again_and_again(tarball: Path, tmp_path: Path) -> None:
    """After unpacking and after each move every program is valid, and what the bill says."""
    program = standin(tmp_path)
    prefix = unpack(tarball, tmp_path / "env", program)
    assert (SIGNED, []) == (valid(prefix), changed(prefix))
    assert set(json.loads((prefix / SIGNATURES).read_bytes())["files"]) == set(SIGNED)
    status = (prefix / "bin/tool").stat()
    assert (0o755, 1_700_000_000) == (status.st_mode & 0o7777, int(status.st_mtime))
    for name in ("somewhere-else", "e", "env"):
        prefix = prefix.rename(tmp_path / name)
        assert (6, 0) == (relocate(prefix, program), relocate(prefix, program))
        assert (SIGNED, []) == (valid(prefix), changed(prefix))
        assert f"{prefix}/lib".encode() in (prefix / "bin/tool").read_bytes()


def test_through_a_store(tarball: Path, tmp_path: Path) -> None:
    """What is linked from a store is signed too; the store keeps what was shipped."""
    program, store = standin(tmp_path), Store(tmp_path / "store")
    name = Generations(tmp_path / "name")
    with open_tarball(tarball) as source:
        plan = plan_deploy(source, store, name, 2, no_sync, str(program))
        prefix = apply_deploy(plan).prefix
    assert (SIGNED, [], ()) == (valid(prefix), changed(prefix), store.check(1))


def test_conda_unpack_signs(tarball: Path, tmp_path: Path) -> None:
    """Where lading is not installed too; either relocates and verifies what the other signed."""
    program, prefix = standin(tmp_path), tmp_path / "env"
    prefix.mkdir()
    subprocess.run(["tar", "--zstd", "-xf", tarball, "-C", prefix], check=True)
    assert (0, "") == conda_unpack(prefix, program)
    assert (SIGNED, []) == (valid(prefix), changed(prefix))
    assert "0 of 6 files relocated" in conda_unpack(prefix, program, "-v")[1]
    prefix = prefix.rename(tmp_path / "moved")
    assert 6 == relocate(prefix, program)
    assert (SIGNED, 0) == (valid(prefix), conda_unpack(prefix, "", "--verify")[0])
    prefix = prefix.rename(tmp_path / "again")
    assert "6 of 6 files relocated" in conda_unpack(prefix, program, "-v")[1]
    assert (SIGNED, []) == (valid(prefix), changed(prefix))
    assert [] == [path for path in prefix.rglob("*") if ".lading-" in path.name]


@pytest.mark.parametrize("by", ["lading", "conda-unpack"])
def test_unpacked_elsewhere(tarball: Path, tmp_path: Path, by: str) -> None:
    """What was unpacked where nothing signs is signed when it is relocated, at the same place."""
    program, prefix = standin(tmp_path), unpack(tarball, tmp_path / "env", "")
    assert ((), [], False) == (valid(prefix), changed(prefix), (prefix / SIGNATURES).exists())
    if by == "lading":
        assert (3, 0) == (relocate(prefix, program), relocate(prefix, program))
    else:
        assert "3 of 6 files relocated" in conda_unpack(prefix, program, "-v")[1]
    assert (SIGNED, []) == (valid(prefix), changed(prefix))


def test_what_is_changed_is_found(tarball: Path, tmp_path: Path) -> None:
    """A signature hides no other change, and nor does the record of what was signed over."""
    program = standin(tmp_path)
    prefix = unpack(tarball, tmp_path / "env", program)
    tool = prefix / "bin/tool"
    tool.write_bytes(tool.read_bytes().replace(b"more", b"evil"))
    assert (["bin/tool"], 1) == (changed(prefix), conda_unpack(prefix, program, "--verify")[0])
    shutil.rmtree(prefix)
    prefix = unpack(tarball, prefix, program)
    record = prefix / SIGNATURES
    document = json.loads(record.read_bytes())
    document["files"]["bin/tool"][-1] = "ZXZpbA=="
    record.write_text(json.dumps(document))
    assert (["bin/tool"], 1) == (changed(prefix), conda_unpack(prefix, program, "--verify")[0])
    document["files"]["bin/tool"].pop()
    record.write_text(json.dumps(document))
    assert ["bin/tool"] == changed(prefix)
    with pytest.raises(PrefixError, match=r"bin/tool was changed"):
        relocate(prefix.rename(tmp_path / "moved"), program)
    (tmp_path / "moved" / SIGNATURES).write_text("{")
    assert sorted(SIGNED) == changed(tmp_path / "moved")


def test_a_program_that_fails(tarball: Path, tmp_path: Path) -> None:
    """Nothing is unpacked, and nothing replaced; its last words are told."""
    bad, good = tmp_path / "bad", standin(tmp_path)
    bad.write_text("#!/bin/sh\necho 'no identity found' >&2\nexit 3\n")
    bad.chmod(0o755)
    with pytest.raises(PrefixError, match="cannot sign") as caught:
        unpack(tarball, tmp_path / "env", bad)
    assert caught.value.details == ("no identity found",)
    assert not (tmp_path / "env").exists()
    prefix = unpack(tarball, tmp_path / "env", good).rename(tmp_path / "moved")
    with pytest.raises(PrefixError, match="cannot sign"):
        relocate(prefix, bad)
    code, told = conda_unpack(prefix, bad)
    assert (8, True) == (code, "no identity found" in told)
    assert (SIGNED, []) == (valid(prefix), changed(prefix))


def test_a_program_that_changes_more(
    tarball: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The environment works; that the bill does not know such a file any more is said."""
    code = "    path.write_bytes(path.read_bytes().replace(b'more', b'MORE'))\n"
    with caplog.at_level(logging.WARNING, logger="lading"):
        prefix = unpack(tarball, tmp_path / "env", standin(tmp_path, code))
    assert "more of bin/tool was changed than its signature" in caplog.text
    assert sorted(SIGNED) == changed(prefix)


def test_which_program() -> None:
    """Apple's on macOS, none elsewhere, unless a variable names another."""
    assert ("/usr/bin/codesign" if sys.platform == "darwin" else "") == CODESIGN
    assert (CODESIGN, "/x", "") == (
        codesign_of({}),
        codesign_of({"LADING_CODESIGN": "/x"}),
        codesign_of({"LADING_CODESIGN": ""}),
    )
