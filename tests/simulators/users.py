"""A node as its users see it: root, and somebody without any right."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from simulators.command import Outcome, child_environment
from simulators.namespaces import NOBODY, unprivileged

__all__ = ["Node", "root_node", "somebody"]

PROGRAM = "from lading.cli.app import main; main()"


def interpreter() -> str:
    """A python with what lading needs, that nobody may run."""
    for candidate in (sys.executable, "/usr/bin/python3"):
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(
                [candidate, "-c", "import click, msgspec, isal, lading"],
                env=node_variables(Path("/")),
                user=NOBODY,
                capture_output=True,
                check=True,
            )
            return candidate
    pytest.skip("no python with lading's dependencies may be run by nobody")


def node_variables(directory: Path) -> dict[str, str]:
    """The variables of a node's processes."""
    variables = child_environment(directory)
    packages = [path for path in sys.path if path.endswith("site-packages")]
    variables["PYTHONPATH"] = ":".join([variables["PYTHONPATH"], *packages])
    return {**variables, "TMPDIR": str(directory), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


class Node:
    """A node as one user sees it; `home` is the only place where they write."""

    def __init__(self, home: Path, python: str, preparation: Callable[[], None] | None) -> None:
        """A node whose processes begin with `preparation`."""
        self.home = home
        self.python = python
        self.preparation = preparation

    def start(self, *arguments: object) -> "subprocess.Popen[str]":
        """The command `lading`, running."""
        return subprocess.Popen(
            [self.python, "-c", PROGRAM, *map(str, arguments)],
            cwd=self.home,
            env=node_variables(self.home),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=self.preparation,  # noqa: PLW1509  # the tests have no other thread
        )

    def run(self, *arguments: object) -> Outcome:
        """What the command `lading` did."""
        child = self.start(*arguments)
        stdout, stderr = child.communicate(timeout=60)
        return Outcome(child.returncode, stdout, stderr)

    def is_tidy(self) -> bool:
        """Whether, within seconds, nothing is left of any session."""
        limit = time.monotonic() + 20
        while list(self.home.glob("lading-*/*")) and time.monotonic() < limit:
            time.sleep(0.05)
        return not list(self.home.glob("lading-*/*"))


def somebody(tmp_path: Path, *, fuse: bool) -> Iterator[Node]:
    """A node as an ordinary user sees it."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user with a device of its own")
    name = "open" if fuse else "closed"
    home = Path(f"/var/tmp/lading-test-{os.getpid()}-{tmp_path.name}-{name}")
    scratch = tmp_path / name
    scratch.mkdir()
    home.mkdir(mode=0o755)
    os.chown(home, NOBODY, NOBODY)
    try:
        with unprivileged(scratch, fuse=fuse) as preparation:
            if preparation is None:
                pytest.skip("this machine allows no mount namespace, or no device")
            yield Node(home, interpreter(), preparation)
    finally:
        shutil.rmtree(home)


def root_node(tmp_path: Path) -> Node:
    """A node as root sees it."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount what others see")
    home = tmp_path / "home"
    home.mkdir()
    return Node(home, sys.executable, None)
