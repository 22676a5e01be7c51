"""Nothing of the caller's surroundings reaches an environment, whichever engine fills it."""

import shutil
from pathlib import Path

import pytest

from simulators.channel import PLACEHOLDER, File, Package
from simulators.command import lading
from simulators.engine_project import ENGINES, EngineProject
from simulators.example_project import snapshot
from simulators.interpreter import python_package, write_wheel
from simulators.namespaces import is_possible, with_etc
from simulators.poison import Poison
from simulators.project import ENVIRONMENT

engines = pytest.mark.parametrize("engine", ENGINES)

PACKAGES = (
    # It looks into the user's site directory, unless that is kept from it.
    python_package(has_user_site=True),
    Package(
        name="pure",
        noarch="python",
        depends=("python",),
        files={"site-packages/pure/__init__.py": b"def main(): print('pure')\n"},
        entry_points=("pure = pure:main",),
    ),
    Package(
        name="tool",
        archive_format=".tar.bz2",
        files={"bin/tool": File(b"#!" + PLACEHOLDER + b"/bin/python\n", 0o755, text=True)},
        scripts={
            "post-link": b'#!/bin/bash\npython -c "print(1)" > "$PREFIX/share"\n'
            b'env | grep -E "^(CONDA_EXE|MAMBA|PIP|UV|PYTHON|LD_|XDG)" >> "$PREFIX/share"\n'
            b"exit 0\n"
        },
    ),
)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[EngineProject, bytes]:
    """A project in plain surroundings, and its tarball."""
    project = project_of(tmp_path_factory.mktemp("plain"), "embedded")
    return project, project.tarball("--link-scripts", bytecode=True)


def project_of(root: Path, engine: str) -> EngineProject:
    """A project with a wheel."""
    project = EngineProject.of(root / "project", engine, PACKAGES)
    wheel = write_wheel(root / "wheels", "thing")
    project.base.write_lock(project.base.channel.records(), [wheel])
    project.use_mirror(project.base.channel.url, wheels=wheel.parent.as_uri())
    return project


@engines
@pytest.mark.parametrize("has_etc", [False, True], ids=["user", "machine"])
def test_nothing_leaks_in(
    tmp_path: Path, plain: tuple[EngineProject, bytes], engine: str, *, has_etc: bool
) -> None:
    """Variables, settings of the user or the machine, site packages and caches change no byte."""
    first, expected = plain
    poison = Poison.of(tmp_path / "poison", first.base.tree.package_cache)
    etc = with_etc(poison.etc, tmp_path / "etc") if has_etc else None
    if etc is not None and not is_possible(etc):
        pytest.skip("this machine does not let a process have an /etc of its own")
    project = project_of(tmp_path, engine)
    for name in ("uv.toml", "pip.conf", ".condarc", ".mambarc"):
        shutil.copy(poison.root / "home" / name, project.root)
    before = snapshot(poison.root)
    packed = project.tarball("--link-scripts", bytecode=True, preparation=etc, **poison.variables)
    assert before == snapshot(poison.root)
    assert set() == poison.leaks()
    assert expected == packed
    # The second line is of lading's own activation.
    assert b"1\nPYTHONNOUSERSITE=1\n" == (project.prefix / "share").read_bytes()
    assert project.lading("verify", ENVIRONMENT).code == 0


def test_cleaning_spares_a_directory_of_others(tmp_path: Path) -> None:
    """A directory that --pkgs-dir names is not removed because it was named."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home/thesis.tex").write_text("years of work")
    done = lading(["--pkgs-dir", "home", "clean", "--packages"], tmp_path)
    assert (2, True, "years of work") == (
        done.code,
        done.is_plain_error,
        (tmp_path / "home/thesis.tex").read_text(),
    )
