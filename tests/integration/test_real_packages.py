"""Environments of real packages: the same bytes anywhere, and they work wherever they are put."""

import json
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import source_from_cache
from pathlib import Path

import pytest

from simulators.example_project import EXAMPLES, ExampleProject, run, run_check

pytestmark = [pytest.mark.demo, pytest.mark.xdist_group("demo")]

PIP = "data-service-pip"
IMPORTS = "import pandas, pyarrow, scipy, sklearn, matplotlib.pyplot, s3fs"
SYSTEM_DIRECTORIES = {"/usr", "/usr/local"}
PLACES = {
    "short": "e",
    "with spaces": "a place with spaces/data service",
    "long": "/".join(["deep" * 12] * 3),
}


def test_locks_are_the_same_bytes(
    environments: ExampleProject, other_environments: ExampleProject
) -> None:
    """Two locks of the same sources are identical, under another umask, time zone and home."""
    for environment in ("data-service", "no-python"):
        expected = environments.lock(environment).read_bytes()
        assert expected == other_environments.lock(environment).read_bytes()


@pytest.mark.parametrize("environment", ["data-service", "no-python"])
def test_tarballs_are_the_same_bytes(
    environments: ExampleProject, other_environments: ExampleProject, environment: str
) -> None:
    """Two installs that share nothing give identical tarballs, bills and digests."""
    expected = environments.digests(environment)
    assert len(expected) == 3
    assert expected == other_environments.digests(environment)


def test_tarballs_with_pip_packages_are_the_same_bytes(
    pip_projects: tuple[ExampleProject, ...],
) -> None:
    """Two installs of an environment with a pip part give identical tarballs too."""
    expected, actual = (project.digests(PIP) for project in pip_projects)
    assert len(expected) == 3
    assert expected == actual


def test_a_tarball_of_kept_frames_is_the_same_bytes(
    environments: ExampleProject, place: Path
) -> None:
    """A tarball put together from kept frames is the one that was made without any."""
    environments.done("pack", "data-service", "--output", place)
    assert environments.digests("data-service") == environments.digests("data-service", place)


def test_the_installed_environment_is_what_its_bill_says(environments: ExampleProject) -> None:
    """An environment that was installed and packed is still exactly what was installed."""
    assert environments.done("verify", "data-service").startswith("yes: ")


@pytest.mark.parametrize("name", PLACES)
def test_it_works_where_it_is_put(environments: ExampleProject, place: Path, name: str) -> None:
    """Unpacked anywhere it runs, without activation, and names no place of the build."""
    prefix = place / PLACES[name]
    environments.done("unpack", environments.tarball("data-service"), prefix)
    check = run_check("data-service", prefix)
    assert check.returncode == 0, check.stderr
    pip = run(prefix / "bin/pip", "--version", directory=Path("/"))
    assert f" from {prefix}/lib/python" in pip.stdout, pip.stderr
    foreign = [environments.root, EXAMPLES.parent, Path(sys.base_prefix)]
    assert not find_naming(prefix, {str(item) for item in foreign} - SYSTEM_DIRECTORIES)


def test_it_works_where_it_is_moved(environments: ExampleProject, copy: Path, place: Path) -> None:
    """Moved twice, and relocated each time, it runs, and is still what its bill says."""
    second, third = place / "a longer name", place / "other"
    for before, after in ((copy, second), (second, third)):
        before.rename(after)
        environments.done("relocate", after)
        assert environments.done("verify", after).startswith("yes: ")
    assert not find_naming(third, {str(copy), str(second)})
    check = run_check("data-service", third)
    assert check.returncode == 0, check.stderr


def test_python_knows_where_it_is_moved(
    environments: ExampleProject, copy: Path, place: Path
) -> None:
    """After a move to a path of the same length no bytecode of the old place is believed."""
    question = "import sysconfig; print(sysconfig.get_config_var('LIBDIR'))"
    environments.done("relocate", copy)
    assert run(copy / "bin/python", "-c", question).stdout == f"{copy}/lib\n"
    moved = place / copy.name[::-1]
    copy.rename(moved)
    environments.done("relocate", moved)
    assert run(moved / "bin/python", "-c", question).stdout == f"{moved}/lib\n"


def test_with_pip_packages_it_works_elsewhere(
    pip_projects: tuple[ExampleProject, ...], place: Path
) -> None:
    """What pip packages brought works where the environment was unpacked."""
    prefix = place / PIP
    pip_projects[0].done("unpack", pip_projects[0].tarball(PIP), prefix)
    check = run_check(PIP, prefix)
    assert check.returncode == 0, check.stderr
    assert "ok pyarrow installer: uv\n" in check.stdout
    assert not find_naming(prefix, {str(pip_projects[0].root)})


def test_without_python_it_works_elsewhere(environments: ExampleProject, place: Path) -> None:
    """An environment without Python is unpacked, its programs run, and it is what its bill says."""
    prefix = place / "tools"
    environments.done("unpack", environments.tarball("no-python"), prefix)
    check = run_check("no-python", prefix)
    assert check.returncode == 0, check.stderr
    assert environments.done("verify", prefix).startswith("yes: ")


def test_activation_in_bash(unpacked: Path) -> None:
    """`source bin/activate` puts the environment first, and `deactivate` takes that back."""
    script = """
        set -e
        source "$1/bin/activate"
        echo "$CONDA_PREFIX"
        python -c 'import sys, pandas; print(sys.prefix)'
        source deactivate
        echo "${CONDA_PREFIX-none}"
        command -v f2py || echo none
    """
    done = run("bash", "-c", script, "bash", unpacked, PYTHONDONTWRITEBYTECODE="1")
    assert done.stdout.splitlines() == [str(unpacked), str(unpacked), "none", "none"], done.stderr


def test_imports_from_a_read_only_tree(copy: Path) -> None:
    """All bytecode is on board: nothing is compiled but the few sources that relocation rewrote."""
    record = json.loads((copy / "conda-meta/lading/relocation.json").read_bytes())
    relocated = {str(copy / item["path"]) for item in record["files"]}
    before = set(copy.rglob("*"))
    with read_only(copy):
        done = run(copy / "bin/python", "-v", "-c", IMPORTS)
    assert done.returncode == 0, done.stderr
    executed = re.findall(r"^# code object from '?(.+?)'?$", done.stderr, re.MULTILINE)
    assert len([path for path in executed if path.endswith(".pyc")]) > 1000
    assert {path for path in executed if path.endswith(".py")} <= relocated
    # Root writes where nobody may.
    written = {source_from_cache(str(path)) for path in set(copy.rglob("*")) - before}
    assert written <= relocated


def find_naming(prefix: Path, needles: Iterable[str]) -> list[str]:
    """The files and links below `prefix` in which one of `needles` stands."""
    wanted = [os.fsencode(needle) for needle in needles]
    return [
        str(path.relative_to(prefix))
        for path in prefix.rglob("*")
        if path.is_symlink() or path.is_file()
        for data in [os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()]
        if any(needle in data for needle in wanted)
    ]


@contextmanager
def read_only(prefix: Path) -> Iterator[None]:
    """`prefix` without any permission to write, for all but root."""
    everything = [path for path in (prefix, *prefix.rglob("*")) if not path.is_symlink()]
    for path in everything:
        path.chmod(path.stat().st_mode & ~0o222)
    yield
    for path in everything:
        path.chmod(path.stat().st_mode | stat.S_IWUSR)
