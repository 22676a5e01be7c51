"""Where measuring happens: a temporary directory with caches and a home of its own."""

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

from bench.measure import BenchError, Contestant, no_size, nothing

__all__ = ["ROOT", "Project", "Workshop", "remove", "size_of", "tree_size"]

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
CHANNEL = "https://demo.invalid/channel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """A place to measure in.

    Attributes:
        directory: Absolute, temporary; everything that is written lies in it.
        demo_channel: The directory of the demo channel.
        inherited: The caller's environment variables.
        pairs: How often each comparison is made.
        quick: Whether the largest points are left out.
    """

    directory: Path
    demo_channel: Path
    inherited: Mapping[str, str]
    pairs: int
    quick: bool

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every program that is measured."""
        return {
            "PATH": f"{BIN}:/usr/bin:/bin",
            "HOME": str(self._made("home")),
            "TMPDIR": str(self._made("tmp")),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
        }

    def _made(self, name: str) -> Path:
        path = self.directory / name
        path.mkdir(exist_ok=True)
        return path

    def program(self, name: str) -> str:
        """The path of a program of this environment, or of the system.

        Raises:
            BenchError: There is none.
        """
        own = BIN / name
        found = str(own) if own.exists() else shutil.which(name)
        if found is None:
            raise BenchError(f"there is no program {name} on this machine")
        return found

    def run(self, *argv: str, directory: Path | None = None) -> str:
        """The standard output of a program that is not measured.

        Raises:
            BenchError: It failed.
        """
        done = subprocess.run(
            argv,
            env=self.environment,
            cwd=directory or self.directory,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise BenchError(f"exit code {done.returncode}: {' '.join(argv)}\n{done.stderr}")
        return done.stdout

    def put_aside(self, *paths: Path) -> None:
        """Take directories out of the way, whether or not they are there, without removing them.

        For minutes after an inode was freed ext4 passes it over, one by one, when it looks for a
        free one (`recently_deleted` in fs/ext4/ialloc.c): whatever makes files soon after thousands
        were removed takes seconds longer, as if it were slow itself. So inodes are kept until the
        end, and files are emptied, but for those that have another name elsewhere.
        """
        aside = self._made("aside")
        for path in paths:
            if path.exists():
                target = path.rename(aside / str(len(list(aside.iterdir()))))
                _empty(target)

    def contestant(
        self,
        name: str,
        argv: Sequence[str],
        *,
        before: Callable[[], None] = nothing,
        size: Callable[[], int] = no_size,
        after: Callable[[], None] = nothing,
    ) -> Contestant:
        """A program that is measured here; see `Contestant`."""
        return Contestant(
            name=name,
            argv=tuple(argv),
            environment=self.environment,
            directory=self.directory,
            before=before,
            size=size,
            after=after,
        )

    def shown(self, argv: Sequence[str]) -> str:
        """A command line for a person; directories of this machine have short names."""
        names = {
            str(self.demo_channel): "DEMO_CHANNEL",
            str(self.directory): "$WORK",
            str(ROOT): ".",
            f"{BIN}/": "",
        }
        for variable in ("LADING_MICROMAMBA", "LADING_MICROMAMBA_FOR_CONDA_LOCK"):
            if path := self.inherited.get(variable):
                names[path] = "micromamba"
        line = " ".join(quote(item) for item in argv)
        for path in sorted(names, key=len, reverse=True):
            line = line.replace(path, names[path])
        line = re.sub(r"127\.0\.0\.1:\d+", "SERVER", line)
        return re.sub(r"(^|[\s'\"])(?:/usr)?/bin/(?=[a-z])", r"\1", line)


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project of lading in a workshop.

    Attributes:
        workshop: Where.
        root: Its directory, absolute.
        options: Of lading, before the command.
    """

    workshop: Workshop
    root: Path
    options: tuple[str, ...] = field(default=("--engine", "embedded"))

    @classmethod
    def make(
        cls,
        workshop: Workshop,
        name: str,
        mirrors: Mapping[str, Path],
        sources: Mapping[str, str],
    ) -> "Project":
        """A new project.

        Args:
            workshop: Where.
            name: Of its directory.
            mirrors: Channel → directory that stands for it.
            sources: Environment → content of its `environment.yml`.
        """
        root = workshop.directory / name
        root.mkdir()
        lines = []
        for environment, text in sources.items():
            (root / f"{environment}.yml").write_text(text, "utf-8")
            lines += [f"[environments.{environment}]", f'sources = ["{environment}.yml"]', ""]
        lines += ["[mirrors]", *(f'"{key}" = ["{path}"]' for key, path in mirrors.items())]
        (root / "lading.toml").write_text("\n".join(lines) + "\n", "utf-8")
        return cls(workshop=workshop, root=root)

    def argv(self, *arguments: str) -> tuple[str, ...]:
        """The command line of lading in this project."""
        lading = self.workshop.program("lading")
        return (lading, "-C", str(self.root), "-q", *self.options, *arguments)

    def run(self, *arguments: str) -> str:
        """What lading writes; not measured."""
        return self.workshop.run(*self.argv(*arguments))


def remove(*paths: Path) -> None:
    """Take away files and directories, whether or not they are there."""
    for path in paths:
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.exists():
            shutil.rmtree(path)


def _empty(directory: Path) -> None:
    """Give back the space of the files in a directory that have one name alone."""
    for parent, _, names in os.walk(directory):
        for name in names:
            path = Path(parent, name)
            status = path.lstat()
            if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
                os.truncate(path, 0)


def size_of(path: Path) -> int:
    """The length of a file in bytes."""
    return path.stat().st_size


def tree_size(directory: Path) -> tuple[int, int]:
    """How many files a directory has, and their bytes; links do not count."""
    sizes = [
        path.lstat().st_size
        for path in directory.rglob("*")
        if path.is_file() and not path.is_symlink()
    ]
    return len(sizes), sum(sizes)
