"""`bin/conda-unpack`: relocating and verifying where lading is not installed."""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lading.conda.paths import FileMode
from lading.format.relocation import read_state
from lading.node.relocate import apply_relocate, plan_relocate
from lading.pack.environment_scripts import environment_scripts
from lading.pack.packer import Packed
from lading.system.filesystem import no_sync
from simulators.handmade import file, link, pack, payload, snapshot, unpack

OLD = "/build/" + "placeholder" * 20
TEXT = f"a={OLD}/x\nb={OLD}\n".encode()
BINARY = f"\0{OLD}/lib:{OLD}/y\0tail\0{OLD}\0".encode()
PYTHON = str(Path(sys.executable).parent) + ":" + os.defpath


@pytest.fixture
def packed(tmp_path: Path) -> Packed:
    """A tarball with texts, a binary file and a link."""
    source = tmp_path / "source"
    package = payload(
        file("bin/run", TEXT, executable=True, placeholder=OLD, directory=source),
        file("etc/ünï 'x\n", TEXT, placeholder=OLD, directory=source),
        file("lib/m.py", TEXT, placeholder=OLD, directory=source),
        file("lib/x.so", BINARY, placeholder=OLD, mode=FileMode.BINARY, directory=source),
        file("share/large", b"l" * 100_000),
        link("etc/link", "conf"),
    )
    return pack(tmp_path / "dist", package)


@pytest.fixture
def prefix(packed: Packed, tmp_path: Path) -> Path:
    """What `tar` makes of it."""
    return extract(packed, tmp_path / "env")


def extract(packed: Packed, prefix: Path) -> Path:
    """What `tar` makes of a tarball."""
    prefix.mkdir()
    subprocess.run(["tar", "--zstd", "-xf", packed.plan.tarball, "-C", prefix], check=True)
    return prefix


def conda_unpack(prefix: Path, *options: object, path: str = PYTHON) -> tuple[int, str]:
    """The exit code of `conda-unpack`, and what it prints."""
    words = map(str, ("/bin/sh", prefix / "bin/conda-unpack", *options))
    done = subprocess.run(
        list(words),
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={"PATH": path},
        cwd="/",
        timeout=60,
    )
    return done.returncode, done.stdout


def test_it_gives_what_lading_gives(packed: Packed, prefix: Path) -> None:
    """The tree is that of `lading unpack`, records included, also after a move and a second run."""
    assert (0, "") == conda_unpack(prefix)
    first = snapshot(prefix)
    shutil.rmtree(prefix)
    assert snapshot(unpack(packed.plan.tarball, prefix)) == first
    moved = prefix.rename(prefix.with_name("a much longer name, with spaces"))
    assert (0, "") == conda_unpack(moved)
    inodes = {path: path.lstat().st_ino for path in moved.rglob("*")}
    assert (0, "") == conda_unpack(moved)
    assert inodes == {path: path.lstat().st_ino for path in moved.rglob("*")}
    assert 0 == apply_relocate(plan_relocate(moved, no_sync))
    moved.rename(prefix)
    assert 4 == apply_relocate(plan_relocate(prefix, no_sync))
    assert first == snapshot(prefix)


def test_from_anywhere(prefix: Path, tmp_path: Path) -> None:
    """It may be called by a link, and bytecode of a source that changes is deleted."""
    compiled = prefix / "lib/__pycache__/m.cpython-311.pyc"
    compiled.parent.mkdir()
    compiled.touch()
    (tmp_path / "link").symlink_to(prefix / "bin/conda-unpack")
    done = subprocess.run([tmp_path / "link", "-v"], check=True, capture_output=True, text=True)
    assert f"{prefix}: 4 of 4 files relocated, " in done.stdout
    assert TEXT.replace(OLD.encode(), bytes(prefix)) == (prefix / "bin/run").read_bytes()
    assert not compiled.exists()
    state = read_state(prefix)
    assert state is not None
    assert str(prefix) == state.prefix


def test_after_a_run_that_was_killed(prefix: Path) -> None:
    """Files that name different places are brought together."""
    kept = (prefix / "lib/x.so").read_bytes()
    conda_unpack(prefix)
    (prefix / "lib/x.so").write_bytes(kept)
    moved = prefix.rename(prefix.with_name("e"))
    assert (0, "") == conda_unpack(moved)
    assert f"\0{moved}/lib:{moved}/y\0".encode() in (moved / "lib/x.so").read_bytes()


def change_content(prefix: Path) -> None:
    """Change a file but for its size."""
    (prefix / "share/large").write_bytes(b"x" * 100_000)


def change_kind(prefix: Path) -> None:
    """Put a link where a file was."""
    (prefix / "share/large").unlink()
    (prefix / "share/large").symlink_to("nothing")


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda prefix: (prefix / "share/large").unlink(), "it is missing"),
    "kind": (change_kind, "it is a link, not a file"),
    "size": (lambda prefix: (prefix / "share/large").write_bytes(b""), "it has 0 bytes, not"),
    "mode": (lambda prefix: (prefix / "share/large").chmod(0o755), "its mode was changed"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("options", [[], ["--verify"], ["--verify", "--quick"]])
def test_damage_is_found(prefix: Path, damage: str, options: list[str]) -> None:
    """What is not as the bill says is named, with exit code 1."""
    apply, message = DAMAGES[damage]
    apply(prefix)
    code, text = conda_unpack(prefix, *options)
    assert (1, True) == (code, text.startswith(f"share/large: {message}"))


def test_contents_are_read_on_demand(prefix: Path) -> None:
    """A file that was changed but for its size is found where contents are read."""
    conda_unpack(prefix)
    before = snapshot(prefix)
    change_content(prefix)
    found = [conda_unpack(prefix, *options)[0] for options in (["--verify", "--quick"], [])]
    code, text = conda_unpack(prefix, "--verify")
    assert ([0, 0], 1, True) == (found, code, "share/large: its content was changed\n" in text)
    (prefix / "share/large").write_bytes(b"l" * 100_000)
    assert 0 == conda_unpack(prefix, "--verify")[0]
    assert before == snapshot(prefix)


@pytest.mark.parametrize("name", ["bin/run", "lib/x.so"])
def test_a_changed_file_is_not_relocated(prefix: Path, name: str) -> None:
    """A relocated file that is not what was shipped is refused, and stays."""
    path = prefix / name
    path.write_bytes(path.read_bytes().replace(b"=", b"!").replace(b"tail", b"liat"))
    before = path.read_bytes()
    code, text = conda_unpack(prefix)
    assert (8, True, before) == (code, f"{name} was changed: unpack" in text, path.read_bytes())


def test_a_path_that_is_too_long(prefix: Path) -> None:
    """A place that does not fit into a binary file is refused before anything is written."""
    long = prefix.rename(prefix.with_name("l" * 220))
    before = snapshot(long)
    code, text = conda_unpack(long)
    assert (8, True, before) == (code, "move it to a shorter path" in text, snapshot(long))


def test_nothing_is_written_through_a_link(prefix: Path, tmp_path: Path) -> None:
    """A directory that was replaced by a link to another place is not followed."""
    shutil.move(prefix / "lib", tmp_path / "outside")
    (prefix / "lib").symlink_to(tmp_path / "outside")
    assert (8, True) == (
        conda_unpack(prefix)[0],
        OLD.encode() in (tmp_path / "outside/m.py").read_bytes(),
    )


def test_python_of_the_environment(prefix: Path) -> None:
    """The environment's own python runs it, without one on PATH."""
    (prefix / "bin/python").symlink_to(sys.executable)
    path = str(programs(prefix, "dirname", "readlink"))
    assert 0 == conda_unpack(prefix, "--quick", path=path)[0]


def test_without_any_python(prefix: Path) -> None:
    """Without a python it says what to do."""
    code, text = conda_unpack(prefix, path=str(programs(prefix, "dirname", "readlink")))
    assert (5, True) == (code, "there is no Python 3.8 or later" in text and "hint: " in text)


def programs(prefix: Path, *names: str) -> Path:
    """A directory of these programs alone."""
    directory = prefix.with_name("programs")
    directory.mkdir()
    for name in names:
        (directory / name).symlink_to(shutil.which(name) or "")
    return directory


def test_old_python_can_read_it() -> None:
    """Its syntax is that of Python 3.8."""
    [script] = [item for item in environment_scripts([]) if item.path == "bin/conda-unpack"]
    assert script.content is not None
    assert ast.parse(script.content, feature_version=(3, 8)).body
