"""`import lading`: the names that users have, and that they can be both verbs and packages."""

import inspect
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import lading

SOURCE = Path(lading.__file__).parents[1]
VERBS = ("install", "lock", "pack", "verify")


def python(program: str, *options: str) -> "subprocess.CompletedProcess[str]":
    """A fresh interpreter that runs `program`."""
    return subprocess.run(
        [sys.executable, *options, "-c", program],
        env={"PYTHONPATH": os.pathsep.join([str(SOURCE), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", sorted(dir(lading)))
def test_every_name_is_documented(name: str) -> None:
    """A user who asks for help gets an answer."""
    assert inspect.getdoc(getattr(lading, name))


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "before",
    ["import lading", "import lading.{0}", "from lading.{0} import *", "import lading.api"],
)
def test_a_package_is_a_verb_too(verb: str, before: str) -> None:
    """Whatever was imported first, `lading.lock` is the package, and can be called."""
    program = f"{before.format(verb)}\nimport lading, lading.{verb} as package\n"
    done = python(program + f"assert package is lading.{verb}\nlading.{verb}(1, 2, 3, 4)")
    assert f"TypeError: {verb}() takes" in done.stderr or "expected str" in done.stderr


def test_a_verb_is_a_module() -> None:
    """The package keeps its own names."""
    assert isinstance(lading.verify, ModuleType)
    assert callable(lading.verify)


def test_type_checkers_see_functions(tmp_path: Path) -> None:
    """Mypy knows what the verbs take and give, and that the packages are packages."""
    (tmp_path / "use.py").write_text(
        "import lading\n"
        "import lading.lock\n"
        "from lading.lock import diff_locks\n"
        "clean: bool = lading.verify('x', quick=True).is_clean\n"
        "changed: bool = lading.lock('environment.yml').platforms[0].written\n"
        "print(diff_locks, clean, changed)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "use.py"],
        cwd=tmp_path,
        env={"MYPYPATH": str(SOURCE), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ("Success: no issues found in 1 source file\n", 0) == (done.stdout, done.returncode)


def test_a_node_starts_quickly() -> None:
    """`import lading.node` and its names load nothing of the build side."""
    build_side = {"conda_lock", "conda_pack", "networkx", "packaging", "rattler", "uv", "yaml"}
    program = (
        "import sys, lading.node, lading.format\n"
        "[getattr(face, name) for face in (lading.node, lading.format) for name in dir(face)]\n"
        f"print(sorted({build_side!r} & {{name.partition('.')[0] for name in sys.modules}}))\n"
        "own = ('pack', 'install', 'lock', 'engine', 'package')\n"
        "print(sorted(name for name in sys.modules if name.startswith("
        "tuple(f'lading.{item}.' for item in own))))"
    )
    assert "[]\n[]\n" == python(program).stdout
