"""The form in which files are shipped."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lading.conda.paths import FileMode
from lading.conda.placeholder import find_occurrences
from lading.errors import ArchiveError
from lading.format.relocation import Relocation
from lading.pack.conda_pack import (
    PIP_PLACEHOLDER,
    shipped_form,
    shipped_pip_form,
    unpack_scripts,
)
from simulators.handmade import file

OLD = "/build/placeholder"
PREFIX = Path("/srv/build/prefix")


def shipped(
    directory: Path, path: str, text: str, mode: FileMode = FileMode.TEXT
) -> tuple[str, bool]:
    """The content of a managed file as it is shipped, and whether it is relocated later."""
    item = file(path, text.encode(), placeholder=OLD, mode=mode, directory=directory)
    assert item.source is not None
    result = shipped_form(item, item.source)
    return result.content.decode(), bool(result.occurrences)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("etc/conf", f"prefix={OLD}\n"),
        ("lib/x.sh", f"#!{OLD}/bin/bash\n"),
        ("bin/run", f"#!/bin/sh\nexec {OLD}/x\n"),
        ("bin/run", f"#!{OLD}/bin/python\nx = '{OLD}'\n"),
        ("bin/python-config", f"#!/bin/sh\n{OLD}\n"),
    ],
)
def test_a_placeholder_is_shipped(tmp_path: Path, path: str, text: str) -> None:
    """Where the placeholder must be replaced at its place, it stays."""
    assert (text, True) == shipped(tmp_path, path, text)


def test_a_binary_file_is_shipped_as_it_is(tmp_path: Path) -> None:
    """A binary file keeps its placeholder."""
    text = f"\x7fELF\0{OLD}/lib\0"
    assert (text, True) == shipped(tmp_path, "lib/x.so", text, FileMode.BINARY)


def test_a_script_of_another_interpreter(tmp_path: Path) -> None:
    """conda-pack's rule: an interpreter of the environment is found by PATH."""
    assert ("#!/usr/bin/env perl -w\nx\n", False) == shipped(
        tmp_path, "bin/run", f"#!{OLD}/bin/perl -w\nx\n"
    )


def test_a_python_script_finds_its_python(tmp_path: Path) -> None:
    """A script for the environment's python finds it beside itself and is never relocated."""
    text, is_relocated = shipped(tmp_path, "bin/run", f"#!{OLD}/bin/python3.11 -E\nx = 1\n")
    assert ("#!/bin/sh\n", True, "x = 1\n", False) == (
        text[:10],
        "/'python3.11' -E \"$0\"" in text,
        text[-6:],
        is_relocated,
    )


def test_nothing_is_replaced_in_a_script_with_zeros(tmp_path: Path) -> None:
    """A script that carries a binary payload is shipped with its zero bytes."""
    text, is_relocated = shipped(tmp_path, "bin/run", f"#!{OLD}/bin/perl\n__END__\n\0\0x\0")
    assert ("\0\0x\0", False) == (text[-4:], is_relocated)


@pytest.mark.parametrize(
    "body",
    [
        "# -*- coding: latin-1 -*-\n",
        '"""Help."""\nfrom __future__ import annotations\n',
    ],
)
def test_a_script_that_must_not_get_a_header(tmp_path: Path, body: str) -> None:
    """What a header would break is left as conda-pack makes it."""
    assert (f"#!/usr/bin/env python\n{body}", False) == shipped(
        tmp_path, "bin/run", f"#!{OLD}/bin/python\n{body}"
    )


def test_a_pip_file_names_no_prefix() -> None:
    """A text of a pip distribution has a placeholder where the prefix was."""
    result = shipped_pip_form(file("bin/x"), b"#!%b/bin/python\n" % bytes(PREFIX), PREFIX)
    assert (f"#!{PIP_PLACEHOLDER}/bin/python\n".encode(), ((2,),)) == (
        result.content,
        result.occurrences.groups,
    )


@pytest.mark.parametrize("content", [b"", b"text", b"\x7fELF\0\0\0binary\0\xff"])
def test_other_pip_files_stay(content: bytes) -> None:
    """A pip file without the prefix is shipped as it is, zero bytes and all."""
    result = shipped_pip_form(file("x"), content, PREFIX)
    assert (content, False) == (result.content, bool(result.occurrences))


def test_a_binary_pip_file_with_the_prefix_is_refused() -> None:
    """In a binary file nothing can stand for the prefix."""
    with pytest.raises(ArchiveError, match=r"x\.so is binary and holds the path /srv/build/prefix"):
        shipped_pip_form(file("x.so"), b"\xff" + bytes(PREFIX), PREFIX)


def relocation(path: str, content: bytes) -> Relocation:
    """The relocation of a text."""
    where = find_occurrences(content, OLD.encode(), FileMode.TEXT)
    return Relocation.of(path, len(content), where)


def unpackable(directory: Path, *paths: str) -> Path:
    """An extracted environment with texts at `paths` and conda-pack's own scripts."""
    contents = {path: f"at {OLD}\n".encode() for path in paths}
    scripts = unpack_scripts(
        [relocation(path, data) for path, data in contents.items()], ["x"], has_python=True
    )
    for item in scripts:
        contents[item.path] = item.content or b""
    for path, data in contents.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        target.chmod(0o755)
    return directory


def test_the_scripts_of_conda_pack() -> None:
    """`conda-unpack` is shipped as conda-pack ships it."""
    scripts = unpack_scripts([], ["x"], has_python=False)
    assert {"bin/conda_unpack_progress.py", "bin/conda-unpack"} == {item.path for item in scripts}


@pytest.mark.parametrize("path", ["etc/conf", "bin/python3-config", "etc/ünï 'x\n"])
def test_conda_unpack_relocates(tmp_path: Path, path: str) -> None:
    """`conda-unpack` replaces the placeholder of every text, whatever its name."""
    prefix = unpackable(tmp_path / "env", path)
    subprocess.run(
        [sys.executable, prefix / "bin/conda-unpack"], check=True, capture_output=True, timeout=60
    )
    assert f"at {prefix}\n" == (prefix / path).read_text()


def test_conda_unpack_runs_by_itself(tmp_path: Path) -> None:
    """In an environment with a python, `conda-unpack` finds it without activation."""
    prefix = unpackable(tmp_path / "env", "etc/conf")
    (prefix / "bin/python").symlink_to(sys.executable)
    subprocess.run(
        [prefix / "bin/conda-unpack"], check=True, env={"PATH": os.defpath}, capture_output=True
    )
    assert f"at {prefix}\n" == (prefix / "etc/conf").read_text()


def test_scripts_are_the_same_in_every_locale(tmp_path: Path) -> None:
    """The bytes of `conda-unpack` do not depend on the encoding of the host."""
    code = (
        "import hashlib, sys; sys.path[:0] = sys.argv[1:]\n"
        "from unit_scripts import digest; print(digest())"
    )
    helper = tmp_path / "unit_scripts.py"
    helper.write_text(
        "import hashlib\n"
        "from lading.package.info import FileMode\n"
        "from lading.conda.placeholder import find_occurrences\n"
        "from lading.pack.conda_pack import Relocation, unpack_scripts\n"
        "def digest():\n"
        "    where = find_occurrences(b'/p', b'/p', FileMode.TEXT)\n"
        "    items = [Relocation.of('etc/\\u00fc', 2, where)]\n"
        "    scripts = unpack_scripts(items, [], has_python=True)\n"
        "    return hashlib.sha256(b''.join(s.content for s in scripts)).hexdigest()\n"
    )
    paths = [str(tmp_path), *(path for path in sys.path if path)]
    results = {
        subprocess.run(
            [sys.executable, "-X", f"utf8={mode}", "-c", code, *paths],
            check=True,
            capture_output=True,
            text=True,
            env={"PATH": os.defpath, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"},
        ).stdout
        for mode in "01"
    }
    assert 1 == len(results)
