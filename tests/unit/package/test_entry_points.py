"""Console scripts that find their interpreter beside themselves."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lading.package.entry_points import (
    render_entry_point,
    self_locating_header,
    self_locating_script,
)
from lading.package.info import EntryPoint

INTERPRETER = "python3.11"
TELL = "import sys\nprint(sys.argv[1:], sys.flags.ignore_environment)\n"


def environment(prefix: Path) -> Path:
    """A prefix whose python is that of the test, by a link."""
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / INTERPRETER).symlink_to(sys.executable)
    return prefix


def put(prefix: Path, content: bytes) -> Path:
    """The script `bin/run` with `content`."""
    path = prefix / "bin/run"
    path.write_bytes(content)
    path.chmod(0o755)
    return path


def output(path: Path | str, *arguments: str, search: str = os.defpath) -> str:
    """What the program prints without any environment but PATH."""
    done = subprocess.run(
        [path, *arguments], check=True, capture_output=True, text=True, env={"PATH": search}
    )
    return done.stdout


def script(body: str = TELL, options: str = "") -> bytes:
    """A script with `body`."""
    return self_locating_header(INTERPRETER, options) + body.encode()


def test_a_script_runs(tmp_path: Path) -> None:
    """Arguments arrive as they were given."""
    path = put(environment(tmp_path / "env"), script())
    assert "['a b', '$HOME', ''] 0\n" == output(path, "a b", "$HOME", "")


def test_a_script_runs_through_a_link(tmp_path: Path) -> None:
    """A link elsewhere leads to the environment of the script."""
    path = put(environment(tmp_path / "env"), script())
    (tmp_path / "link").symlink_to(path)
    assert "[] 0\n" == output(tmp_path / "link")


@pytest.mark.parametrize("name", ["with space", "with'quote", 'with"quote', "with$dollar", "-dash"])
def test_a_script_runs_from_an_odd_place(tmp_path: Path, name: str) -> None:
    """No character of the path is read by the shell."""
    path = put(environment(tmp_path / name), script())
    assert "[] 0\n" == output(path)


def test_a_script_runs_after_a_move(tmp_path: Path) -> None:
    """Nothing of the old place is in the script."""
    put(environment(tmp_path / "old"), script())
    (tmp_path / "old").rename(tmp_path / "new")
    assert "[] 0\n" == output(tmp_path / "new/bin/run")


def test_a_script_is_found_on_path(tmp_path: Path) -> None:
    """A bare command name works as a path does."""
    put(environment(tmp_path / "env"), script())
    search = f"{tmp_path}/env/bin:{os.defpath}"
    done = subprocess.run(
        ["/bin/sh", "-c", "run x"], check=True, capture_output=True, env={"PATH": search}
    )
    assert b"['x'] 0\n" == done.stdout


def test_options_of_python_are_kept(tmp_path: Path) -> None:
    """What stood behind the interpreter stands there still."""
    path = put(environment(tmp_path / "env"), script(options="-E -s"))
    assert "[] 1\n" == output(path)


def test_an_entry_point_calls_its_function(tmp_path: Path) -> None:
    """The result of the function is the exit code."""
    prefix = environment(tmp_path / "env")
    (prefix / "bin/payload_module.py").write_text("class C:\n    run = staticmethod(lambda: 7)\n")
    entry_point = EntryPoint(command="run", module="payload_module", function="C.run")
    path = put(prefix, render_entry_point(entry_point, INTERPRETER))
    done = subprocess.run([path], check=False, env={"PATH": os.defpath})
    assert 7 == done.returncode


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('# comment\n\n"""Help."""\nx = 1\n', "Help."),
        ('"""Help\nmore."""\nx = 1\n', "Help\nmore."),
        ("r'''He\\lp'''\n", "He\\lp"),
        ('"""Help."""\r\nx = 1\r\n', "Help."),
    ],
)
def test_a_docstring_stays_the_help(tmp_path: Path, body: str, expected: str) -> None:
    """The header is not a docstring: a script that prints its own as help still does."""
    made = self_locating_script(INTERPRETER, "", body.encode() + b"print(__doc__)\n")
    path = put(environment(tmp_path / "env"), made or b"")
    assert f"{expected}\n" == output(path)


@pytest.mark.parametrize("body", ["", "x = 1\n", "from __future__ import annotations\n"])
def test_other_scripts_run(tmp_path: Path, body: str) -> None:
    """A script without docstring needs nothing but the header."""
    made = self_locating_script(INTERPRETER, "", body.encode() + b"print(1)\n")
    path = put(environment(tmp_path / "env"), made or b"")
    assert "1\n" == output(path)


@pytest.mark.parametrize(
    "body",
    [
        '"""Help."""\nfrom __future__ import annotations\n',
        '"""never closed\n',
        "# coding: no-such-coding\nx = 1\n",
    ],
)
def test_what_cannot_be_changed_is_left(body: str) -> None:
    """A script that the header would break, or that cannot be read, is not touched."""
    assert None is self_locating_script(INTERPRETER, "", body.encode())
