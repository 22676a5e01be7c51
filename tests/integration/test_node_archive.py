"""`lading-node.pyz`: what a node needs, as one file, run by a python that has nothing installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulators.versions import versioned_tarball

PROJECT = Path(__file__).parents[2]
HERE = "{}.{}".format(*sys.version_info)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file, for the python of these tests only."""
    path = tmp_path_factory.mktemp("node") / "lading-node.pyz"
    script = PROJECT / "scripts/node_archive.py"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(
        [sys.executable, script, path, "--python", HERE],
        check=True,
        capture_output=True,
        env=environment,
    )
    return path


def run(
    archive: Path, *arguments: str | Path, cwd: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """The file with these arguments, by an interpreter that sees no site-packages."""
    return subprocess.run(
        [sys.executable, "-I", "-S", archive, *arguments],
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", "HOME": str(cwd), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_node_works(archive: Path, tmp_path: Path) -> None:
    """It unpacks and verifies; the compiled modules are extracted once."""
    tarball = versioned_tarball(tmp_path / "made", "1").plan.tarball
    done = [
        run(archive, "unpack", tarball, "env", cwd=tmp_path),
        run(archive, "verify", "env", cwd=tmp_path),
    ]
    assert [(0, ""), (0, "")] == [
        (item.returncode, item.stderr if item.returncode else "") for item in done
    ]
    [extracted] = (tmp_path / ".cache/lading/node").iterdir()
    assert extracted.name.endswith(f"-{HERE}")


def test_without_a_home(archive: Path, tmp_path: Path) -> None:
    """Where nothing can be kept, or others might have put modules there, nothing is left behind."""
    (tmp_path / "cache/lading/node").mkdir(parents=True)
    (tmp_path / "cache/lading/node").chmod(0o777)
    (tmp_path / "tmp").mkdir()
    for cache in (tmp_path / "cache", Path("/dev/null")):
        places = {"XDG_CACHE_HOME": str(cache), "TMPDIR": str(tmp_path / "tmp")}
        assert 0 == run(archive, "--version", cwd=tmp_path, **places).returncode
    assert [] == [*(tmp_path / "tmp").iterdir(), *(tmp_path / "cache/lading/node").iterdir()]


def test_another_python(archive: Path, tmp_path: Path) -> None:
    """A python that the file does not serve is named, with those that it does."""
    program = (
        "import runpy, sys; sys.version_info = (3, 6, 8); sys.argv = ['lading'];"
        f"runpy.run_path({str(archive)!r}, run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert 2 == done.returncode
    assert "Python 3.6 on Linux" in done.stderr
    assert f"and Python {HERE}" in done.stderr


def test_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    """Made twice, it is the same file."""
    script = PROJECT / "scripts/node_archive.py"
    again = tmp_path / "again.pyz"
    subprocess.run(
        [sys.executable, script, again, "--python", HERE], check=True, capture_output=True
    )
    assert archive.read_bytes() == again.read_bytes()
