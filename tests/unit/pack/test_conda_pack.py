"""The form in which files are shipped."""

from pathlib import Path

import pytest

from lading.conda.paths import FileMode
from lading.errors import ArchiveError
from lading.pack.conda_pack import (
    PIP_PLACEHOLDER,
    shipped_form,
    shipped_pip_form,
)
from simulators.handmade import file

OLD = "/build/placeholder"
PREFIX = Path("/srv/build/prefix")


def shipped(
    directory: Path, path: str, text: str, mode: FileMode = FileMode.TEXT
) -> tuple[str, bool]:
    """The content of a managed file as it is shipped, and whether it is relocated later."""
    item = file(path, text.encode(), placeholder=OLD, mode=mode, directory=directory)
    result = shipped_form(item, text.encode())
    return result.content.decode(), bool(result.occurrences)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("etc/conf", f"prefix={OLD}\n"),
        ("lib/x.sh", f"#!{OLD}/bin/bash\n"),
        ("bin/run", f"#!/bin/sh\nexec {OLD}/x\n"),
        ("bin/run", f"#!{OLD}/bin/awk -f\nx\n"),
        ("bin/run", f"#!{OLD}/bin/python\n# -*- coding: latin-1 -*-\n"),
        ("bin/run", f'#!{OLD}/bin/python\n"""Help."""\nfrom __future__ import annotations\n'),
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


@pytest.mark.parametrize(
    ("program", "found"), [("bin/perl", "/perl"), ("libexec/x/perl", "/../libexec/x/perl")]
)
def test_a_script_of_another_interpreter(tmp_path: Path, program: str, found: str) -> None:
    """It finds its interpreter, wherever that lies in the environment."""
    text, is_relocated = shipped(tmp_path, "bin/run", f"#!{OLD}/{program} -w\nx\n")
    assert (f'{found} -x -w "$0" "$@"\n#!perl -w\nx\n', False) == (
        text.partition('"$(dirname -- "$(readlink -f -- "$0")")"')[2],
        is_relocated,
    )


def test_a_script_that_names_its_place_elsewhere_too(tmp_path: Path) -> None:
    """Such a script finds its interpreter, and the rest of it is relocated."""
    text, is_relocated = shipped(tmp_path, "bin/run", f"#!{OLD}/bin/python\nx = '{OLD}'\n")
    assert (True, f"x = '{OLD}'\n", True) == (
        text.startswith("#!/bin/sh\n"),
        text.splitlines(keepends=True)[-1],
        is_relocated,
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
