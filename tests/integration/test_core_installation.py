"""`pip install lading` without the extra `build`: all that a node needs, and nothing else."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from simulators.versions import versioned_tarball

PROJECT = Path(__file__).parents[2]
BUILD_SIDE = ("conda_lock", "conda_pack", "networkx", "packaging", "rattler", "uv", "yaml")


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh virtual environment with lading as pip installs it from a wheel."""
    root = tmp_path_factory.mktemp("core")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(root)]
    subprocess.run(build, cwd=PROJECT, check=True, capture_output=True, env=environment)
    venv.create(root / "venv", with_pip=True, symlinks=True)
    [wheel] = root.glob("*.whl")
    pip = [root / "venv/bin/python", "-m", "pip", "install", "--quiet", wheel]
    subprocess.run(pip, check=True, capture_output=True, env=environment)
    return root / "venv/bin"


def run(core: Path, *arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """`lading` of the core installation, run to its end."""
    return subprocess.run(
        [core / "lading", *arguments],
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", "HOME": str(cwd)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_nothing_of_the_build_side_is_installed(core: Path) -> None:
    """No module of the extra `build` can be imported."""
    program = (
        "from importlib.util import find_spec\n"
        f"print([name for name in {BUILD_SIDE} if find_spec(name)])"
    )
    done = subprocess.run(
        [core / "python", "-c", program], capture_output=True, text=True, check=True
    )
    assert "[]" == done.stdout.strip()


def test_a_node_works(core: Path, tmp_path: Path) -> None:
    """Unpack, verify, relocate, store, rollback and gc need the core alone."""
    old, new = (
        versioned_tarball(tmp_path / version, version).plan.tarball for version in ("1", "2")
    )
    steps: list[tuple[str | Path, ...]] = [
        ("unpack", old, "env"),
        ("verify", "env"),
        ("verify", old),
        ("unpack", "--store", "store", old, "current"),
        ("unpack", "--store", "store", new, "current"),
        ("rollback", "current"),
        ("verify", "current"),
        ("gc", "--store", "store", "--keep", "0", "current"),
    ]
    (tmp_path / "moved").mkdir()
    assert [(0, "")] * len(steps) == [
        (done.returncode, done.stderr if done.returncode else "")
        for done in (run(core, *step, cwd=tmp_path) for step in steps)
    ]
    (tmp_path / "env").rename(tmp_path / "moved/env")
    assert 0 == run(core, "relocate", "moved/env", cwd=tmp_path).returncode
    assert 0 == run(core, "verify", "moved/env", cwd=tmp_path).returncode


@pytest.mark.parametrize("command", ["lock", "install x", "pack x", "export", "why x"])
def test_build_commands_say_what_is_missing(core: Path, tmp_path: Path, command: str) -> None:
    """A build command names the extra to install."""
    (tmp_path / "environment.yml").write_text("dependencies:\n  - python\n")
    done = run(core, *command.split(), cwd=tmp_path)
    assert (5, True) == (done.returncode, "lading[build]" in done.stderr), done.stderr


def test_the_api_of_a_node(core: Path, tmp_path: Path) -> None:
    """`import lading` works there too."""
    tarball = versioned_tarball(tmp_path / "made").plan.tarball
    program = (
        "import sys, lading\n"
        "unpacked = lading.unpack(sys.argv[1], sys.argv[2])\n"
        "print(lading.verify(unpacked.prefix).is_clean, lading.relocate(unpacked.prefix).written)"
    )
    done = subprocess.run(
        [core / "python", "-c", program, tarball, tmp_path / "env"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ("True 0", "") == (done.stdout.strip(), done.stderr)
