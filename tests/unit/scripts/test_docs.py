"""The documentation is what the program says, and its links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

from docs import find_broken_links, render_commands
from lading.cli.app import COMMANDS

ROOT = Path(__file__).resolve().parents[3]


def test_the_documentation_is_current() -> None:
    """`make docs` was run after the last change of a command, and no link is broken."""
    done = subprocess.run(
        [sys.executable, "scripts/docs.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stderr, done.returncode) == ("", 0)


def test_every_command_has_a_section() -> None:
    """The page of commands has a section for each of them, with its usage."""
    page = render_commands()
    missing = [name for name in COMMANDS if f"\n## lading {name}\n" not in page]
    unexplained = [name for name in COMMANDS if f"Usage: lading {name} [OPTIONS]" not in page]
    assert (missing, unexplained) == ([], [])


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    """A link to a file that is not there, or to no heading of one that is, is said."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/there.md").write_text("# A heading, `code`\n")
    (tmp_path / "README.md").write_text(
        "[a](docs/there.md) [b](docs/there.md#a-heading-code) [c](docs/there.md#none)\n"
        '[d](nowhere.md) [e](https://example.org/x) `[f](code)` <img src="no.svg">\n'
        "```\n[g](fenced)\n```\n"
    )
    assert list(find_broken_links(tmp_path)) == [
        "README.md links to docs/there.md#none, which has no such heading",
        "README.md links to nowhere.md, which is not there",
        "README.md links to no.svg, which is not there",
    ]


def test_the_tests_of_standards_exist() -> None:
    """Each test that the page of standards names is there."""
    page = (ROOT / "docs/reference/standards.md").read_text()
    named = re.findall(r"`(tests/[\w/.]+)::(\w+)`", page)
    gone = [
        f"{path}::{name}"
        for path, name in named
        if f"def {name}(" not in (ROOT / path).read_text(encoding="utf-8")
    ]
    assert ([], True) == (gone, len(named) > 40)
