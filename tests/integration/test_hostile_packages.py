"""Packages that attack the build host: refused by name, with either engine, nothing touched."""

from pathlib import Path

import pytest

from simulators.engine_project import ENGINES, EngineProject
from simulators.hostile_packages import ATTACKS, SECRET, Attack, victims
from simulators.project import ENVIRONMENT

engines = pytest.mark.parametrize("engine", ENGINES)
attacks = pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)


@engines
@attacks
def test_an_attack(tmp_path: Path, attack: Attack, engine: str) -> None:
    """Installing and packing are refused before the engine sees the package."""
    before = victims(tmp_path)
    project = EngineProject.of(tmp_path / "project", engine, attack.packages(tmp_path))
    done = project.lading("pack", ENVIRONMENT, "--no-bytecode", "-f", "tar")
    assert before == victims(tmp_path)
    assert (7, True) == (done.code, done.is_plain_error), done.stderr
    assert [] == [word for word in attack.words if word not in done.stderr], done.stderr
    shipped = [path for path in project.root.rglob("*.tar") if SECRET in path.read_bytes()]
    assert ([], False) == (shipped, project.prefix.exists())


@engines
def test_an_attack_in_an_update(tmp_path: Path, engine: str) -> None:
    """A package that comes later meets those that are there already."""
    attack = next(item for item in ATTACKS if "stays in the prefix" in item.name)
    before = victims(tmp_path)
    linker, writer = attack.packages(tmp_path)
    project = EngineProject.of(tmp_path / "project", engine, [linker])
    assert project.install().code == 0
    project.base.channel.add(writer)
    project.base.channel.write_repodata()
    project.base.write_lock(project.base.channel.records())
    done = project.install()
    assert (7, before) == (done.code, victims(tmp_path)), done.stderr
