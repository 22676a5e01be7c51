"""Installers, run by real shells with nothing but the programs that they name."""

import gzip
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lading.conda.paths import FileMode
from lading.format.compression import Format
from lading.pack.installer import apply_installer, plan_installer
from lading.pack.packer import PackRequest, apply_pack, plan_pack
from simulators.handmade import file, installed, link, payload, snapshot, unpack

OLD = "/build/" + "placeholder" * 20
TEXT = f"a={OLD}/x\n".encode()
BINARY = f"\0{OLD}/lib\0tail".encode()
NEEDED = "cat chmod df dirname gzip mkdir mv readlink rm rmdir sh sha256sum tail tar wc"


def request(directory: Path, *, relocated: bool = True) -> PackRequest:
    """What to pack: a package with files that name the prefix, or without."""
    source = directory / "source"
    files = [
        file("bin/run", b"#!/bin/sh\necho runs\n", executable=True, directory=source),
        link("bin/link", "run"),
    ]
    if relocated:
        files += [
            file("etc/conf", TEXT, placeholder=OLD, directory=source),
            file("lib/x", BINARY, placeholder=OLD, mode=FileMode.BINARY, directory=source),
        ]
    return PackRequest(
        installed=installed([payload(*files), payload(manager="environment", name="")]),
        directory=directory / "dist",
    )


@pytest.fixture(scope="module")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installer."""
    plan = plan_installer(request(tmp_path_factory.mktemp("made")))
    return apply_installer(plan).plan.tarball


@pytest.fixture(scope="module")
def simple(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installer of an environment that nothing must be relocated in."""
    plan = plan_installer(request(tmp_path_factory.mktemp("made"), relocated=False))
    return apply_installer(plan).plan.tarball


def userland(directory: Path, source: str, *more: str) -> Path:
    """A directory of the programs that an installer needs, from busybox or from this machine."""
    directory.mkdir()
    for name in [*NEEDED.split(), *more]:
        real = shutil.which("busybox" if source == "busybox" else name)
        if real is None:
            pytest.skip(f"{source} is not installed")
        (directory / name).symlink_to(real)
    return directory


def run(
    installer: Path, *options: object, path: str = os.defpath, cwd: Path | str = "/"
) -> tuple[int, str]:
    """The exit code of an installer, and what it prints."""
    done = subprocess.run(
        ["sh", installer, *map(str, options)],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
        env={"PATH": path},
        timeout=60,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("source", ["the system", "busybox"])
def test_it_needs_little(tmp_path: Path, simple: Path, source: str) -> None:
    """With few programs, and no python, it installs what needs no relocation."""
    prefix = tmp_path / "some where/env"
    programs = userland(tmp_path / "programs", source)
    code, text = run(simple, "--prefix", prefix, path=str(programs))
    assert (0, True) == (code, f"To activate it: . {prefix}/bin/activate\n" in text), text
    assert (
        "runs\n"
        == subprocess.run([prefix / "bin/run"], check=True, capture_output=True, text=True).stdout
    )
    assert ["env"] == names(prefix.parent)
    assert (0, True) == (
        (second := run(simple, "--prefix", prefix, path=str(programs)))[0],
        "there already" in second[1],
    )


def test_it_gives_what_lading_gives(tmp_path: Path, installer: Path) -> None:
    """The tree is that of `lading unpack` at the same place, and a second run finds it there."""
    prefix = tmp_path / "sample"
    path = f"{Path(sys.executable).parent}:{os.defpath}"
    code, text = run(installer, "--yes", "--verify", path=path, cwd=tmp_path)
    assert 0 == code, text
    found = snapshot(prefix)
    code, text = run(installer, "--yes", "--verify", path=path, cwd=tmp_path)
    assert (0, True) == (code, "there already" in text)
    shutil.rmtree(prefix)
    tarball = apply_pack(plan_pack(replace(request(tmp_path), format=Format.GZIP))).plan.tarball
    assert snapshot(unpack(tarball, prefix)) == found


def test_it_is_the_same_each_time(tmp_path: Path, installer: Path) -> None:
    """The same environment gives the same bytes, and behind the script is the tarball."""
    again = request(tmp_path / "elsewhere")
    tarball = apply_pack(plan_pack(replace(again, format=Format.GZIP)))
    data = apply_installer(plan_installer(again)).plan.tarball.read_bytes()
    assert installer.read_bytes() == data
    inner = tarball.plan.tarball.read_bytes()
    assert (inner, True) == (data[-len(inner) :], len(gzip.decompress(inner)) > 0)
    lines = installer.with_name(f"{installer.name}.sha256").read_text().splitlines()
    assert [installer.name, f"{installer.name}.manifest.json"] == [line[66:] for line in lines]


def names(directory: Path) -> list[str]:
    """What lies in a directory."""
    return [path.name for path in directory.iterdir()]


def test_what_is_extracted_only(tmp_path: Path, installer: Path) -> None:
    """Files are left as they are shipped, and `conda-unpack` relocates them later."""
    prefix = tmp_path / "env"
    assert 0 == run(installer, "--prefix", prefix, "--extract-only")[0]
    assert TEXT == (prefix / "etc/conf").read_bytes()


def test_without_a_python(tmp_path: Path, installer: Path) -> None:
    """Where files must be rewritten and there is no python, nothing is installed."""
    programs = userland(tmp_path / "programs", "the system")
    code, text = run(installer, "--prefix", tmp_path / "env", path=str(programs))
    assert (5, True) == (code, "there is no Python 3.8 or later" in text)
    assert ["programs"] == names(tmp_path)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ([], 2, "nobody can be asked where to install"),
        (["--prefix"], 2, "--prefix needs a directory"),
        (["--other"], 2, "no such option: --other"),
        (["--prefix", "/"], 8, "the root directory cannot be used"),
        (["--prefix", "full"], 8, "exists already"),
        (["--prefix", "l" * 220], 8, "this environment allows "),
    ],
)
def test_what_is_refused(
    tmp_path: Path, installer: Path, options: list[str], code: int, message: str
) -> None:
    """What cannot be done is refused before anything is written, with what to do."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    found, text = run(installer, *options, cwd=tmp_path)
    assert (code, True) == (found, message in text), text
    assert ["full"] == names(tmp_path)


def test_a_damaged_file(tmp_path: Path, installer: Path) -> None:
    """A file that was changed or cut off is refused by its digest."""
    data = installer.read_bytes()
    for damaged in (data[:-1], data[:-100] + b"x" + data[-99:]):
        (tmp_path / "i.sh").write_bytes(damaged)
        code, text = run(tmp_path / "i.sh", "--prefix", tmp_path / "env")
        assert (7, True) == (code, "this file is damaged: SHA-256" in text)
        assert ["i.sh"] == names(tmp_path)


@pytest.mark.parametrize(
    ("option", "free", "message"),
    [("-k", "3", "needs 0 MiB, 0 MiB are free"), ("-i", "2", "needs ")],
)
def test_too_little_space(
    tmp_path: Path, installer: Path, option: str, free: str, message: str
) -> None:
    """Space and inodes are compared first."""
    programs = userland(tmp_path / "programs", "the system")
    (programs / "df").unlink()
    (programs / "df").write_text(
        "#!/bin/sh\necho Filesystem\n"
        f'case "$*" in *{option}*) echo d 1 1 {free} 1 /;; *) echo d 1 1 99999999 1 /;; esac\n'
    )
    (programs / "df").chmod(0o755)
    code, text = run(installer, "--prefix", tmp_path / "env", path=str(programs))
    assert (8, True) == (code, message in text), text
    assert ["programs"] == names(tmp_path)


def test_what_is_stopped_leaves_nothing(tmp_path: Path, installer: Path) -> None:
    """A signal in the middle leaves no directory behind."""
    programs = userland(tmp_path / "programs", "the system", "sleep")
    (programs / "tar").unlink()
    (programs / "tar").write_text("#!/bin/sh\necho >started; exec sleep 60\n")
    (programs / "tar").chmod(0o755)
    with subprocess.Popen(
        ["sh", installer, "--prefix", tmp_path / "env"],
        env={"PATH": str(programs)},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
    ) as child:
        while not list(tmp_path.glob(".env.lading-*/started")):
            assert child.poll() is None
        os.killpg(child.pid, signal.SIGTERM)
        assert 0 != child.wait(timeout=30)
    assert ["programs"] == names(tmp_path)
