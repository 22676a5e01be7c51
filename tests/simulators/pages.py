"""The commands of a page of the documentation, run as they stand there."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from simulators.command import Outcome, child_environment

__all__ = ["PAGES", "Block", "Site", "read_blocks"]

PAGES = Path(__file__).resolve().parents[2] / "docs"
LIMIT_SECONDS = 120

PLACES = (
    "/nodelocal",
    "/shared",
    "/tmp/again",
    "/tmp/another place",
    "/media/disk",
    "/opt/data-service",
    "/opt/lading-node",
    "/run/lading-jobs",
    "/tarballs",
    "/environment",
)
"""What pages name and no machine has; a site has them below its root."""

APART = [
    *("unshare", "--mount", "--propagation", "private"),
    *("sh", "-ec", 'mount --bind "$0" /opt; exec "$@"'),
]
_PLACE = re.compile(rf"(?<![\w.])({'|'.join(PLACES)})(?![\w-])")
_HEADING = re.compile(r"#+ +(.+)")
_NAMED = re.compile(r"# ([.\w/-]+\.[a-z]+)\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block of code.

    Attributes:
        page: Name of the file, without suffix.
        heading: What stands above it.
        line: Number of its first line.
        language: Of the fence; empty for an indented block, which holds commands.
        text: Its lines, without indentation.
    """

    page: str
    heading: str
    line: int
    language: str
    text: str

    @property
    def is_program(self) -> bool:
        """Whether it is a whole script, to be saved and given to somebody."""
        return self.text.startswith("#!")

    def commands(self) -> str:
        """What a shell runs to do what the block says; empty where there is nothing to do.

        A block of settings that begins with the name of a file, as a comment, is written there.
        Of a session at a terminal the commands are run, whose answer may be no, and each line that
        is shown must appear.
        """
        if self.language in {"", "sh", "bash"}:
            return "" if self.is_program else self.text
        if self.language == "console":
            return "".join(_expecting(self.text))
        named = _NAMED.match(self.text)
        if named is None:
            return ""
        more = "../settings.toml" if named[1] == "lading.toml" else ""
        write = f"mkdir -p {Path(named[1]).parent}; cat - {more} > {named[1]}"
        return f"{write} <<'END OF FILE'\n{self.text}END OF FILE\n"


def _expecting(session: str) -> Iterator[str]:
    """Commands that run a session at a terminal, and look for the lines that it shows."""
    otherwise = "|| { cat .said >&2; false; }\n"
    for command, *shown in (part.splitlines() for part in re.split(r"(?m)^\$ ", session)[1:]):
        yield f"{{ {command}\n}} > .said 2>&1 || grep -qw $? <<< '1 8' {otherwise}"
        for line in shown:
            yield f"grep -qxF -e '{line}' .said {otherwise}"


def read_blocks(path: Path) -> list[Block]:
    """The blocks of code of a page, in order."""
    found: list[Block] = []
    heading, language, lines, begin = "", None, list[str](), 0
    for number, line in enumerate([*path.read_text("utf-8").splitlines(), "end"], 1):
        if language is None and not lines and (title := _HEADING.fullmatch(line)):
            heading = title[1]
        fence = line.startswith("```")
        indented = line.startswith("    ") or (not line and bool(lines))
        if language is None and indented:
            begin = begin if lines else number
            lines.append(line[4:])
        elif language is not None and not fence:
            lines.append(line)
        elif fence or lines:
            text = "\n".join(lines).rstrip("\n") + "\n"
            if lines:
                found.append(
                    Block(
                        page=path.stem,
                        heading=heading,
                        line=begin,
                        language=language or "",
                        text=text,
                    )
                )
            language, lines, begin = (line[3:] if fence and language is None else None), [], number
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A place where somebody follows a page.

    Attributes:
        root: Everything lies below it; the project in `project`, the places that pages name at
            their path, `lading` in `bin`; the end of each `lading.toml` in `settings.toml`.
        variables: Of the commands, besides the few that everybody has.
        servers: URL that pages name → the one that answers here.
    """

    root: Path
    variables: Mapping[str, str]
    servers: Mapping[str, str] = field(default_factory=dict)

    @property
    def project(self) -> Path:
        """Where commands run."""
        return self.root / "project"

    @property
    def settings(self) -> Path:
        """What every `lading.toml` of a page ends with: where channels are found."""
        return self.root / "settings.toml"

    def prepare(self) -> None:
        """Make the directories, and a command `lading` which is the code under test."""
        for name in (
            "project",
            "home",
            "bin",
            "nodelocal",
            "shared",
            "run",
            "opt",
            "media/disk",
            "tarballs",
            "environment",
        ):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        program = self.root / "bin/lading"
        source = child_environment(self.root)["PYTHONPATH"]
        program.write_text(
            f"#!/bin/sh\nexport PYTHONPATH='{source}' PYTHONDONTWRITEBYTECODE=1\n"
            f"exec '{sys.executable}' -c 'from lading.cli.app import main; main()' \"$@\"\n"
        )
        program.chmod(0o755)

    def here(self, text: str) -> str:
        """`text` with the places that it names below the root of the site."""
        for url, answering in self.servers.items():
            text = text.replace(url, answering)
        return _PLACE.sub(rf"{self.root}\1", text)

    @property
    def environment(self) -> dict[str, str]:
        """The variables of every command."""
        return {
            "PATH": f"{self.root}/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.root / "home"),
            "LC_ALL": "C.UTF-8",
            **{name: os.environ[name] for name in ("LADING_MICROMAMBA",) if name in os.environ},
            **self.variables,
        }

    def run(self, script: str, *, is_apart: bool = False) -> Outcome:
        """What bash did that runs `script` in the project, and ends at the first failure.

        Where it `is_apart` root mounts what it likes, and writes to an `/opt` of its own.
        """
        shell = ["bash", "-euo", "pipefail", "-c", self.here(script)]
        done = subprocess.run(
            [*APART, self.root / "opt", *shell] if is_apart else shell,
            cwd=self.project,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    def done(self, script: str, *, is_apart: bool = False) -> str:
        """The standard output of `script`, which must succeed; see `run`."""
        outcome = self.run(script, is_apart=is_apart)
        assert 0 == outcome.code, f"{outcome.stdout}\n{outcome.stderr}"
        return outcome.stdout
