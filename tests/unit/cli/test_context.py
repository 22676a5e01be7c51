"""What every command gets: the project and the terminal."""

import io
from pathlib import Path

import pytest

from lading.api import Project
from lading.cli.context import Context
from lading.system import no_progress


def context(directory: Path, *, quiet: bool = False) -> Context:
    """The world as a command in `directory` sees it."""
    return Context(
        project=Project(
            directory=directory,
            environment={},
            processors=1,
        ),
        stdout=io.StringIO(),
        stderr=io.StringIO(),
        json=False,
        quiet=quiet,
    )


@pytest.mark.parametrize(("quiet", "expected"), [(False, "x\n"), (True, "")])
def test_what_is_said_to_a_person(tmp_path: Path, *, quiet: bool, expected: str) -> None:
    """With -q nothing is said."""
    world = context(tmp_path, quiet=quiet)
    world.say("x")
    assert isinstance(world.stderr, io.StringIO)
    assert expected == world.stderr.getvalue()


def test_nobody_watches_a_file(tmp_path: Path) -> None:
    """Where there is no terminal a phase is a line; with -q it is none."""
    world, silent = context(tmp_path), context(tmp_path, quiet=True)
    with world.progress({"pack": "3 MB"}) as progress:
        progress("pack", 1, 1)
    assert isinstance(world.stderr, io.StringIO)
    assert world.stderr.getvalue().startswith("pack       3 MB  ")
    with silent.progress() as progress:
        assert no_progress is progress
