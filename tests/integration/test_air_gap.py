"""Wheels travel as conda packages do: in layers, and in mirrors across an air gap."""

import json
from pathlib import Path

import pytest

from simulators.channel import Package
from simulators.engine_project import ENGINES, EngineProject
from simulators.example_project import snapshot
from simulators.interpreter import SITE_PACKAGES, python_package, write_wheel
from simulators.namespaces import cut_off, is_possible
from simulators.project import ENVIRONMENT

engines = pytest.mark.parametrize("engine", ENGINES)

PACKAGES = (
    python_package(),
    Package(name="pure", noarch="python", files={"site-packages/pure.py": b"x = 1\n"}),
)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two wheels."""
    directory = tmp_path_factory.mktemp("wheels")
    return write_wheel(directory, "alpha"), write_wheel(directory, "beta", "2.0+cpu")


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, wheels: tuple[Path, Path]) -> bytes:
    """The tarball that wheels from their canonical place lead to."""
    project = project_of(tmp_path_factory.mktemp("expected") / "project", "embedded", wheels)
    return project.tarball(bytecode=True)


def project_of(root: Path, engine: str, wheels: tuple[Path, ...], **more: object) -> EngineProject:
    """A project with a pip part, which finds its wheels."""
    project = EngineProject.of(root, engine, PACKAGES)
    project.base.write_lock(project.base.channel.records(), wheels)
    project.use_mirror(project.base.channel.url, wheels=wheels[0].parent.as_uri(), **more)
    return project


@engines
def test_a_mirror_is_all_that_is_needed(
    tmp_path: Path, wheels: tuple[Path, Path], expected: bytes, engine: str
) -> None:
    """Without any network, `lading mirror` and the lines that it says lead to the same tarball."""
    if not is_possible(cut_off):
        pytest.skip("this machine does not let a process leave its network")
    project = project_of(tmp_path / "near", engine, wheels)
    listed = project.lading("mirror", ENVIRONMENT, tmp_path / "carried", "--dry-run").stdout
    done = project.lading("--json", "mirror", ENVIRONMENT, tmp_path / "carried")
    assert done.code == 0, done.stderr
    told = json.loads(done.stdout)
    assert sorted(listed.split()) == sorted(told["archives"] + told["wheels"])
    assert "wheels/files.invalid/packages/beta-2.0+cpu-py3-none-any.whl" in told["wheels"]
    far = project_of(tmp_path / "far", engine, wheels)
    lines = [f"{json.dumps(base)} = {json.dumps(to)}" for base, to in told["mirrors"].items()]
    (far.root / "lading.toml").write_text("\n".join(["[mirrors]", *lines]) + "\n")
    assert expected == far.tarball("--offline", bytecode=True, preparation=cut_off)
    assert (far.prefix / SITE_PACKAGES / "beta.py").is_file()


def test_the_lines_for_a_configuration_are_said(
    tmp_path: Path, wheels: tuple[Path, Path], expected: bytes
) -> None:
    """What a person is told can be pasted."""
    project = project_of(tmp_path / "near", "embedded", wheels)
    words = project.lading("mirror", ENVIRONMENT, tmp_path / "carried").stderr
    (project.root / "lading.toml").write_text(words[words.index("[mirrors]") :])
    assert expected == project.tarball("--offline", bytecode=True)


@pytest.mark.parametrize("is_mirror", [False, True])
@engines
def test_layers_hold_wheels(
    tmp_path: Path, wheels: tuple[Path, Path], expected: bytes, engine: str, *, is_mirror: bool
) -> None:
    """A layer gives wheels with the right digest, and stays as it is; a poisoned one is not used.

    It is the package cache of another project, or a mirror.
    """
    first = project_of(tmp_path / "first", engine, wheels)
    layer = tmp_path / "layer"
    kept = ["--pkgs-dir", layer, "fetch", ENVIRONMENT]
    done = first.lading(*(["mirror", ENVIRONMENT, layer] if is_mirror else kept))
    assert done.code == 0, done.stderr
    [poisoned] = layer.rglob("alpha*.whl")
    poisoned.write_bytes(b"poison")
    before = snapshot(layer)
    # Only the poisoned one has to come from elsewhere.
    rest = write_wheel(tmp_path / "rest", "alpha")
    project = project_of(tmp_path / "project", engine, wheels)
    project.use_mirror(
        "file:///nowhere", wheels=rest.parent.as_uri(), **{"package-layers": [str(layer)]}
    )
    assert expected == project.tarball(bytecode=True)
    assert before == snapshot(layer)
    assert [rest.name] == [path.name for path in project.base.tree.wheel_cache.iterdir()]
