"""Documentation that is made, and the check of what is written by hand.

Usage: python scripts/docs.py [--check]

Writes `docs/reference/commands.md` from what `lading --help` and each command's `--help` say, draws
`docs/packages.svg` from the imports in the code, then looks up every relative link. With `--check`
nothing is written: exit code 1 where a file differs.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import click
from click.testing import CliRunner

from architecture import render_picture
from lading.cli.app import cli

ROOT = Path(__file__).resolve().parent.parent
PAGE = Path("docs/reference/commands.md")
PICTURE = Path("docs/packages.svg")
WIDTH = 100

INTRODUCTION = """\
# Commands

Written by `make docs` from `--help`; do not edit.
The options of `lading` itself stand before the command, as in `lading --json verify data-service`.
[Exit codes](exit-codes.md) are the same for all commands.
"""

_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\]\(([^()\s]+)\)|<(?:img|a)\s[^>]*?(?:src|href)=\"([^\"]+)\"")
_HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


def main(arguments: list[str]) -> int:
    """The exit code of writing the documentation, or of checking it."""
    made = {PAGE: render_commands(), PICTURE: render_picture(ROOT / "src/lading")}
    stale = []
    for name, expected in made.items():
        path = ROOT / name
        if "--check" not in arguments:
            path.write_text(expected, "utf-8")
        elif not path.exists() or path.read_text("utf-8") != expected:
            stale.append(f"{name} is not what the code says: run `make docs`")
    faults = [*stale, *find_broken_links(ROOT)]
    for fault in faults:
        sys.stderr.write(f"error: {fault}\n")
    return 1 if faults else 0


def render_commands() -> str:
    """The page of all commands, in the order of `lading --help`."""
    names = cli.list_commands(click.Context(cli))
    parts = [INTRODUCTION, _section("lading", [])]
    parts += [_section(f"lading {name}", [name]) for name in names]
    return "\n".join(parts)


def _section(title: str, command: list[str]) -> str:
    runner = CliRunner()
    result = runner.invoke(
        cli, [*command, "--help"], prog_name="lading", terminal_width=WIDTH, catch_exceptions=False
    )
    return f"## {title}\n\n```text\n{result.output.rstrip()}\n```\n"


def find_broken_links(root: Path) -> Iterator[str]:
    """One line for each relative link of a page that leads nowhere."""
    for page in sorted([*root.glob("*.md"), *root.glob("docs/**/*.md")]):
        for target in _links(page):
            name, _, fragment = unquote(target).partition("#")
            path = page.parent / name if name else page
            where = f"{page.relative_to(root)} links to {target}"
            if not path.exists():
                yield f"{where}, which is not there"
            elif fragment and path.suffix == ".md" and fragment not in _anchors(path):
                yield f"{where}, which has no such heading"


def _links(page: Path) -> Iterator[str]:
    """The relative links of a page, outside of code."""
    text = _CODE.sub("", _FENCE.sub("", page.read_text("utf-8")))
    for found in _LINK.finditer(text):
        target = found.group(1) or found.group(2)
        if "://" not in target and not target.startswith("mailto:"):
            yield target


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as they are made of them where Markdown is shown."""
    headings = _HEADING.findall(_FENCE.sub("", page.read_text("utf-8")))
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {text.replace(" ", "-") for text in words}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
