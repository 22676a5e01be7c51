"""Bytecode, compiled by lading."""

import importlib.util
import os
import struct
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from lading.errors import EngineFailedError
from lading.install.bytecode import Compiler, is_bytecode
from lading.package.bytecode import BroughtBytecode
from lading.package.payload import Payload, PythonLayout
from simulators.handmade import file, payload

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
SITE = f"lib/python{VERSION}/site-packages"
PYTHON = PythonLayout(VERSION, SITE, f"bin/python{VERSION}", "d" * 64)
UNCHECKED_HASH = 0b01


def compiler(root: Path, workers: int = 2, name: str = "cache") -> Compiler:
    """A compiler whose python is that of the test."""
    prefix = root / "prefix"
    executable = prefix / PYTHON.executable
    if not executable.exists():
        executable.parent.mkdir(parents=True)
        executable.symlink_to(sys.executable)
    return Compiler(
        python=PYTHON,
        find_prefix=lambda: prefix,
        cache=root / name,
        environment={"PATH": os.defpath},
        workers=workers,
    )


def package(root: Path, name: str = "tool", **sources: str) -> Payload:
    """A package with python sources in site-packages, `pkg__x` standing for `pkg/x.py`."""
    return payload(
        *(
            file(f"{SITE}/{key.replace('__', '/')}.py", text.encode(), directory=root / name)
            for key, text in sources.items()
        ),
        name=name,
    )


def compiled(result: Payload) -> Mapping[str, bytes]:
    """Path → bytecode of a compiled package."""
    return {
        item.path: item.source.read_bytes()
        for item in result.files
        if is_bytecode(item.path) and item.source is not None
    }


def cached(module: str) -> str:
    """The prefix-relative path of the bytecode of a module."""
    return importlib.util.cache_from_source(f"{SITE}/{module}.py")


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("a/__pycache__/b.cpython-311.pyc", True),
        ("__pycache__/b.pyc", True),
        ("a/b.pyc", False),
        ("a/__pycache__/b.nbi", False),
    ],
)
def test_what_is_bytecode(path: str, answer: object) -> None:
    """Only what python made beside a source counts; a `.pyc` in its place is the source."""
    assert answer is is_bytecode(path)


def test_the_header_says_unchecked_hash(tmp_path: Path) -> None:
    """The flags are those of a hash that is not checked, so times do not matter (PEP 552).

    The code names a path below the prefix, never one of the build machine.
    """
    [result] = compiler(tmp_path).compile_all([package(tmp_path, a="def f(): pass\n")])
    data = compiled(result)[cached("a")]
    assert (
        importlib.util.MAGIC_NUMBER,
        UNCHECKED_HASH,
        importlib.util.source_hash(b"def f(): pass\n"),
    ) == (
        data[:4],
        struct.unpack("<I", data[4:8])[0],
        data[8:16],
    )
    assert (True, False) == (f"{SITE}/a.py".encode() in data, str(tmp_path).encode() in data)


def test_two_places_give_the_same_bytes(tmp_path: Path) -> None:
    """Neither the directory nor the number of workers nor their order shows."""
    text = "def f(a, b={1, 2, 3}): return [a, 'x', frozenset({'y', 'z'})]\n"
    results = []
    for name, workers, order in (("one", 1, 1), ("two", 8, -1)):
        root = tmp_path / name
        packages = [package(root, f"p{n}", m=text, n__o=text) for n in range(6)][::order]
        results.append({c.name: compiled(c) for c in compiler(root, workers).compile_all(packages)})
    assert results[0] == results[1]


def test_the_order_of_packages_is_kept(tmp_path: Path) -> None:
    """However long each takes, the payloads come back as they went."""
    packages = [package(tmp_path, "b", x=""), package(tmp_path, "a", x="", y=""), payload(name="c")]
    result = compiler(tmp_path).compile_all(packages)
    assert ["b", "a", "c"] == [each.name for each in result]


def test_managers_may_share_a_name(tmp_path: Path) -> None:
    """A pip distribution named like a conda package keeps its own files."""
    conda, pip = package(tmp_path, x=""), structs.replace(package(tmp_path, y=""), manager="pip")
    result = compiler(tmp_path).compile_all([conda, pip])
    assert [{cached("x")}, {cached("y")}] == [set(compiled(each)) for each in result]


def test_bytecode_of_the_package_is_replaced(tmp_path: Path) -> None:
    """What a package ships is not kept, whether its source is there or not."""
    shipped = [file(cached("a"), b"old"), file(cached("gone"), b"old")]
    source = package(tmp_path, a="x = 1\n")
    [result] = compiler(tmp_path).compile_all(
        [structs.replace(source, files=(*source.files, *shipped))]
    )
    assert ([cached("a")], False) == (list(compiled(result)), b"old" in compiled(result).values())


def test_sources_with_a_placeholder_are_left_out(tmp_path: Path) -> None:
    """Relocation changes such a source, and its bytecode would go on saying the placeholder."""
    source = package(tmp_path, a="x = '/placeholder'\n", b="")
    marked = tuple(
        structs.replace(item, placeholder="/placeholder") if item.path.endswith("a.py") else item
        for item in source.files
    )
    [result] = compiler(tmp_path).compile_all([structs.replace(source, files=marked)])
    assert [cached("b")] == list(compiled(result))


@pytest.mark.parametrize("path", ["share/x.py", f"{SITE}/x.txt", "lib/python2.7/x.py"])
def test_other_files_are_left_alone(tmp_path: Path, path: str) -> None:
    """Only sources that this python would import are compiled."""
    packed = payload(file(path, b"x = 1\n", directory=tmp_path))
    assert (packed,) == compiler(tmp_path).compile_all([packed])


@pytest.mark.parametrize("text", ["def (", "x = '\0'", "\N{SNOWMAN} = 1\n"])
def test_what_is_no_python_is_passed_over(tmp_path: Path, text: str) -> None:
    """A template with the suffix of a source has no bytecode; the others have."""
    [result] = compiler(tmp_path).compile_all([package(tmp_path, a=text, b="")])
    assert [cached("b")] == list(compiled(result))


def test_a_compiled_package_is_not_compiled_again(tmp_path: Path) -> None:
    """The second time the cache answers, without python."""
    packages = [package(tmp_path, a="x = 1\n")]
    made = compiler(tmp_path)
    first = made.compile_all(packages)
    (tmp_path / "prefix" / PYTHON.executable).unlink()
    assert first == made.compile_all(packages)


def damage_file(entry: Path) -> None:
    """Change a byte of the bytecode of an entry of the cache."""
    path = next(entry.rglob("*.pyc"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "damage",
    [
        damage_file,
        lambda entry: next(entry.rglob("*.pyc")).unlink(),
        lambda entry: (entry / "index.json").write_text("[["),
        lambda entry: (entry / "index.json").unlink(),
    ],
    ids=["file changed", "file gone", "index damaged", "index gone"],
)
def test_a_damaged_entry_is_made_again(tmp_path: Path, damage: object) -> None:
    """An entry of the cache is hashed before it is used."""
    packages = [package(tmp_path, a="x = 1\n")]
    [first] = compiler(tmp_path).compile_all(packages)
    before = compiled(first)
    [entry] = (tmp_path / "cache").iterdir()
    assert callable(damage)
    damage(entry)
    [second] = compiler(tmp_path).compile_all(packages)
    assert before == compiled(second)


def test_a_python_that_does_not_run_is_an_error(tmp_path: Path) -> None:
    """Where the environment's python fails, its last words are told, and nothing is left."""
    made = compiler(tmp_path)
    executable = tmp_path / "prefix" / PYTHON.executable
    executable.unlink()
    executable.write_text("#!/bin/sh\necho no such library >&2\nexit 127\n")
    executable.chmod(0o755)
    with pytest.raises(EngineFailedError, match=r"cannot compile bytecode \(exit code 127\)"):
        made.compile_all([package(tmp_path, a="x = 1\n")])
    assert [] == list((tmp_path / "cache").iterdir())


def test_progress_is_told(tmp_path: Path) -> None:
    """Each package is told once it is done."""
    told: list[tuple[str, int, int]] = []
    made = replace(compiler(tmp_path, 1), progress=lambda *step: told.append(step))
    made.compile_all([package(tmp_path, "a", x=""), package(tmp_path, "b", x="")])
    assert [("compile", 1, 2), ("compile", 2, 2)] == told


def test_fitting_bytecode_is_kept(tmp_path: Path) -> None:
    """It gets the other header; only what is missing is compiled.

    The magic number of a python before its release may be another than that of the releases.
    """
    source = package(tmp_path, a="x = 1\n", b="y = 2\n")
    shipped = file(cached("a"), b"sixteen bytes...and the code", directory=tmp_path)
    brought = BroughtBytecode(shipped.path, f"{SITE}/a.py", b"another header..")
    brings = structs.replace(source, files=(*source.files, shipped))
    assert brings.sha256 is not None
    made = replace(compiler(tmp_path), brought={brings.sha256.hex: (brought,)})
    data = compiled(made.compile_all([brings])[0])
    assert (b"another header..and the code", True) == (data[cached("a")], cached("b") in data)
    unreleased = structs.replace(PYTHON, released=False)
    made = replace(made, python=unreleased, cache=tmp_path / "another cache")
    data = compiled(made.compile_all([brings])[0])
    assert importlib.util.MAGIC_NUMBER == data[cached("a")][:4]
