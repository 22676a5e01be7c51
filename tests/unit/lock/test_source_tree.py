"""`lading.lock.source_tree`: which files a wheel is built from, and their digest."""

import os
import subprocess
from pathlib import Path

import pytest

from lading.errors import SpecError
from lading.lock.build_source import project_relative
from lading.lock.side_list import Built
from lading.lock.source_tree import copy_sources, digest_of, list_files, list_sources, read_tree
from lading.system.digest import Digest

ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}

MEANT = ("pyproject.toml", "src/lib/__init__.py", "src/lib/build/data")
LEFT_OUT = (
    ".hidden",
    ".venv/bin/python",
    "build/lib/stale.py",
    "dist/old.whl",
    "environment/pyvenv.cfg",
    "lib.egg-info/PKG-INFO",
    "locks/x/linux-64.conda-lock.yml",
    "src/lib/__pycache__/x.pyc",
    "tests/test_it.py",
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A source tree with what lies about in one."""
    for path in (*MEANT, *LEFT_OUT):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    return tmp_path


def test_sources(tree: Path) -> None:
    """What lies about is left out; directories of the package keep their names."""
    assert list_sources(tree, ENVIRONMENT) == MEANT


def test_git_ignores(tree: Path) -> None:
    """What git ignores is left out too; a file that is not committed yet belongs to it."""
    subprocess.run(["git", "init", "-q", tree], check=True)
    (tree / ".gitignore").write_text("generated.py\nenvironment\n")
    (tree / "src/lib/generated.py").touch()
    assert list_sources(tree, ENVIRONMENT) == MEANT


def test_digest(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """It depends on names, contents and the executable bit, not on the place, umask or times."""
    digest = digest_of(read_tree(tree, MEANT))
    copy = tmp_path_factory.mktemp("copy") / "tree"
    copy_sources(tree, MEANT, copy, 0)
    assert digest_of(read_tree(copy, MEANT)) == digest
    (copy / MEANT[0]).chmod(0o640)
    assert digest_of(read_tree(copy, MEANT)) == digest
    (copy / MEANT[0]).chmod(0o755)
    assert digest_of(read_tree(copy, MEANT)) != digest
    (copy / MEANT[0]).chmod(0o644)
    (copy / MEANT[0]).write_text("changed")
    assert digest_of(read_tree(copy, MEANT)) != digest


@pytest.mark.parametrize(
    ("path", "said"),
    [(".", "."), ("lib", "./lib"), ("..x", "./..x"), ("..", ".."), ("../x", "../x")],
)
def test_a_tree_is_called_as_people_call_it(tmp_path: Path, path: str, said: str) -> None:
    """By its place in the project; of a lock that says `./.` the project itself is meant too."""
    assert project_relative(tmp_path / path, tmp_path) == said
    built = Built(source="./.", sha256="0" * 64)
    assert built.is_of(said, Digest.sha256("0" * 64)) == (path == ".")


def test_all_files(tree: Path) -> None:
    """Of a directory of data everything is meant; of a file, itself; of nothing, an error."""
    assert list_files(tree / "src") == (
        "lib/__init__.py",
        "lib/__pycache__/x.pyc",
        "lib/build/data",
    )
    assert list_files(tree / MEANT[0]) == (MEANT[0],)
    with pytest.raises(SpecError, match="does not exist"):
        list_files(tree / "absent")
