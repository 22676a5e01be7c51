"""Each package has a face: what its `__init__` exports, and nothing else is used from outside."""

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lading

SOURCE = Path(lading.__file__).parent
PROJECT = SOURCE.parents[1]
PACKAGES = sorted(path.parent.name for path in SOURCE.glob("*/__init__.py"))
FACES = [name for name in PACKAGES if name != "cli"]


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, dotted name of a module) of every import in a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)


def from_outside(path: Path) -> Iterator[str]:
    """Imports of modules inside of another package."""
    own = path.relative_to(SOURCE).parts[0] if path.is_relative_to(SOURCE) else ""
    for line, module in imports(ast.parse(path.read_text())):
        match module.split("."):
            case ["lading", package, _, *_] if package in FACES and package != own:
                yield f"{path.relative_to(PROJECT)}:{line}: {module}"


def face(package: str) -> tuple[set[str], set[str]]:
    """The names of a face, as type checkers see them and as the interpreter does."""
    tree = ast.parse((SOURCE / package / "__init__.py").read_text())
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    typed = {
        alias.asname or alias.name
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    return typed, set(dir(importlib.import_module(f"lading.{package}")))


def test_packages_are_used_by_their_faces() -> None:
    """Nothing outside of a package imports a module inside of it."""
    paths = [*SOURCE.rglob("*.py"), *(PROJECT / "scripts").rglob("*.py")]
    assert [] == sorted(line for path in paths for line in from_outside(path))


@pytest.mark.parametrize("package", FACES)
def test_a_face_has_the_names_that_its_source_lists(package: str) -> None:
    """The interpreter reads the same names from the source as type checkers do."""
    typed, present = face(package)
    assert typed == present


@pytest.mark.parametrize("package", FACES)
def test_every_name_of_a_face_is_there(package: str) -> None:
    """No name of the list is a mistake."""
    module = importlib.import_module(f"lading.{package}")
    assert [] == [name for name in dir(module) if not hasattr(module, name)]


@pytest.mark.parametrize("package", FACES)
def test_no_exported_name_is_a_module(package: str) -> None:
    """Python sets a loaded module as an attribute of its package: it would hide the name."""
    modules = {path.stem for path in (SOURCE / package).iterdir()}
    assert set() == face(package)[1] & modules


@pytest.mark.parametrize("package", FACES)
def test_a_face_loads_nothing(package: str) -> None:
    """Importing a package loads none of its modules: the names do, when they are used."""
    program = f"import sys, lading.{package}; print(sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(SOURCE.parent), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    own = {name for name in ast.literal_eval(loaded) if name.startswith("lading")}
    assert {"lading", f"lading.{package}", "lading.lazy", "lading.version"} == own


def test_a_misspelt_name_is_an_attribute_error() -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match="no attribute 'Clint'"):
        _ = importlib.import_module("lading.net").Clint
