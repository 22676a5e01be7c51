"""Both engines: one result, whatever lies around in caches, layers and mirrors."""

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd

from simulators.command import start
from simulators.engine_project import ENGINES, EngineProject
from simulators.example_project import snapshot
from simulators.namespaces import cut_off, is_possible
from simulators.project import ENVIRONMENT
from simulators.webserver import serve_directory

engines = pytest.mark.parametrize("engine", ENGINES)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The tarball that the embedded engine leads to."""
    return EngineProject.of(tmp_path_factory.mktemp("expected") / "project", "embedded").tarball()


def members(tarball: bytes) -> dict[str, bytes]:
    """Path → content of the files of a tarball."""
    with (
        zstd.ZstdFile(io.BytesIO(tarball)) as stream,
        tarfile.open(fileobj=stream, mode="r|") as archive,
    ):
        return {
            item.name: stream.read()
            for item in archive
            if item.isfile() and (stream := archive.extractfile(item)) is not None
        }


@engines
def test_the_tarball_is_the_same(tmp_path: Path, expected: bytes, engine: str) -> None:
    """Clobbering, abi3, a free-threaded python: the same bytes, and the prefix is on its bill."""
    project = EngineProject.of(tmp_path / "another place", engine)
    assert expected == project.tarball()
    assert project.lading("verify", ENVIRONMENT).code == 0
    found = {str(path.relative_to(project.prefix)) for path in project.prefix.rglob("*")}
    assert {
        "lib/python3.13t/site-packages/pure/__init__.py",
        "lib/python3.13t/site-packages/stable/_native.abi3.so",
        "bin/pure",
        "bin/pure-script",
    } <= found
    assert not [path for path in found if "clobber" in path]


@engines
def test_clobbering_is_told(tmp_path: Path, engine: str) -> None:
    """The same winner, told in the same words, and its bytes are in the prefix."""
    project = EngineProject.of(tmp_path / "project", engine)
    done = project.install()
    lines = [line for line in done.stderr.splitlines() if "owned by" in line]
    assert lines == [
        f"warning: {path} is owned by second, first; the last of them has it"
        for path in ("bin/both", "lib/both", "share/both")
    ]
    assert (f"#!/bin/sh\necho first {project.prefix}\n", b"first", False) == (
        (project.prefix / "bin/both").read_text(),
        (project.prefix / "share/both").read_bytes(),
        (project.prefix / "share/both").is_symlink(),
    )


@engines
def test_link_scripts(tmp_path: Path, engine: str) -> None:
    """They are off, and told of; when they run, what they make belongs to the environment."""
    project = EngineProject.of(tmp_path / "project", engine)
    done = project.install()
    assert "scripted would run a script when linked, and did not" in done.stderr
    assert not (project.prefix / "share/made").exists()
    data = project.tarball("--link-scripts", CONDA_EXE="x", PIP_X="x", LD_LIBRARY_PATH="/nowhere")
    assert (f"made in {project.prefix}\n", "0\n") == tuple(
        (project.prefix / "share" / name).read_text() for name in ("made", "leaks")
    )
    assert "share/made" in members(data)
    assert str(tmp_path).encode() not in members(data)["share/made"]
    assert project.lading("verify", ENVIRONMENT).code == 0


@engines
def test_without_a_network(tmp_path: Path, expected: bytes, engine: str) -> None:
    """What was fetched installs where there is no network interface at all."""
    if not is_possible(cut_off):
        pytest.skip("this machine does not let a process leave its network")
    project = EngineProject.of(tmp_path / "project", engine)
    with serve_directory(project.base.channel.root) as url:
        project.use_mirror(url)
        assert project.lading("fetch", ENVIRONMENT).code == 0
    install = ("install", ENVIRONMENT, "--no-bytecode", "--offline")
    done = project.lading(*install, preparation=cut_off)
    assert done.code == 0, done.stderr
    assert project.lading("pack", ENVIRONMENT, "--no-bytecode", preparation=cut_off).code == 0
    assert expected == project.tarball("--offline")
    (project.base.tree.package_cache / "first-1.0-0.conda").unlink()
    done = project.lading(*install, "--force", preparation=cut_off)
    assert (6, True, True) == (
        done.code,
        done.is_plain_error,
        "first-1.0-0.conda must be fetched" in done.stderr,
    )


@engines
@pytest.mark.parametrize("served", [True, False])
def test_a_mirror(tmp_path: Path, expected: bytes, engine: str, *, served: bool) -> None:
    """A mirror of the lock is all that another project needs."""
    project = EngineProject.of(tmp_path / "project", engine)
    done = project.lading("mirror", ENVIRONMENT, tmp_path / "mirror")
    assert done.code == 0, done.stderr
    other = EngineProject.of(tmp_path / "other", engine)
    if served:
        with serve_directory(tmp_path / "mirror") as url:
            other.use_mirror(url)
            assert expected == other.tarball()
    else:
        other.use_mirror((tmp_path / "mirror").as_uri())
        assert expected == other.tarball("--offline")


@engines
def test_layers_are_read_and_never_written(tmp_path: Path, expected: bytes, engine: str) -> None:
    """A shared cache gives archives with the right digest, and stays as it is."""
    first = EngineProject.of(tmp_path / "first", engine)
    first.tarball()
    layer = first.base.tree.package_cache
    (layer / "many-1.0-0.conda").write_bytes(b"poison")
    before = snapshot(layer)
    project = EngineProject.of(tmp_path / "project", engine)
    (tmp_path / "rest").mkdir()
    project.base.channel.archives()["many-1.0-0"].rename(tmp_path / "many")
    # Only the poisoned one has to come from the channel.
    for path in project.base.channel.root.rglob("*.[cb]*"):
        path.unlink()
    (project.base.channel.root / "linux-64/many-1.0-0.conda").write_bytes(
        (tmp_path / "many").read_bytes()
    )
    project.use_mirror(project.base.channel.url, **{"package-layers": [str(layer)]})
    assert expected == project.tarball()
    assert before == snapshot(layer)
    assert ["many-1.0-0.conda"] == [
        path.name for path in project.base.tree.package_cache.glob("many*.conda")
    ]


def poison(package: Path) -> None:
    """Change a file of the extracted package `first`, and its list of digests with it."""
    file, listed = package / "share/both", package / "info/paths.json"
    old, new = file.read_bytes(), b"evil!"
    assert len(old) == len(new)
    file.unlink()
    file.write_bytes(new)
    text = listed.read_text()
    digests = [hashlib.sha256(data).hexdigest() for data in (old, new)]
    assert digests[0] in text
    listed.write_text(text.replace(*digests))


@engines
def test_a_shared_cache_cannot_poison(tmp_path: Path, expected: bytes, engine: str) -> None:
    """Of a package cache that others may write to, only archives are read."""
    first = EngineProject.of(tmp_path / "first", engine)
    first.tarball()
    shared = first.base.tree.package_cache
    shared.chmod(0o777)
    poison(next(shared.rglob("first-1.0-0/info")).parent)
    before = snapshot(shared)
    project = EngineProject.of(tmp_path / "project", engine)
    shutil.rmtree(project.base.channel.root / "linux-64")
    assert expected == project.tarball(before=["--pkgs-dir", shared])
    assert before == snapshot(shared)


@engines
def test_two_builds_on_one_cache(tmp_path: Path, engine: str) -> None:
    """Two projects that fill one cache at once both succeed."""
    projects = [EngineProject.of(tmp_path / name, engine) for name in ("a", "b", "c")]
    arguments = ["--pkgs-dir", tmp_path / "pkgs", "install", ENVIRONMENT, "--no-bytecode"]
    children = [start(arguments, project.root, project.variables) for project in projects]
    outcomes = [(child.communicate(timeout=60)[1], child.returncode) for child in children]
    assert [0, 0, 0] == [code for _, code in outcomes], outcomes
    assert [0, 0, 0] == [project.lading("verify", ENVIRONMENT).code for project in projects]


@engines
@pytest.mark.parametrize(
    "damage",
    [
        lambda cache: (cache / "first-1.0-0.conda").write_bytes(b"replaced"),
        lambda cache: next(cache.rglob("first-1.0-*/share/both")).write_bytes(b"FIRST"),
        lambda cache: next(cache.rglob("many-1.0-*/share/many/007")).unlink(),
        lambda cache: next(cache.rglob("pure-1.0-*/info/paths.json")).write_bytes(b"{"),
        lambda cache: poison(next(cache.rglob("first-1.0-0/info")).parent),
    ],
    ids=["archive", "file", "missing", "list", "file and list"],
)
def test_a_damaged_cache(
    tmp_path: Path, expected: bytes, engine: str, damage: Callable[[Path], object]
) -> None:
    """What was changed in the cache is fetched or extracted again."""
    project = EngineProject.of(tmp_path / "project", engine)
    assert project.install().code == 0
    damage(project.base.tree.package_cache)
    assert expected == project.tarball()
    assert project.lading("verify", ENVIRONMENT).code == 0


def test_the_environment_is_frozen(tmp_path: Path, expected: bytes) -> None:
    """The marker that keeps other installers away is in the prefix and in the tarball (CEP 22)."""
    project = EngineProject.of(tmp_path / "project", "embedded")
    assert project.install().code == 0
    content = (project.prefix / "conda-meta/frozen").read_bytes()
    assert "message" in json.loads(content)
    assert content == members(expected)["conda-meta/frozen"]


def test_running_a_program_inside(tmp_path: Path) -> None:
    """The program's output and its exit code are the command's."""
    project = EngineProject.of(tmp_path / "project", "embedded")
    project.install()
    script = 'echo "$CONDA_DEFAULT_ENV"; both; exit 4'
    done = project.lading("run", ENVIRONMENT, "--", "sh", "-c", script)
    assert (4, f"{ENVIRONMENT}\nfirst {project.prefix}\n") == (done.code, done.stdout)
    assert project.lading("run", project.prefix, "both").stdout == f"first {project.prefix}\n"
    hook = project.lading("shell-hook", ENVIRONMENT).stdout
    assert f"export CONDA_PREFIX={project.prefix}" in hook.splitlines()
    assert json.loads(project.lading("--json", "shell-hook", project.prefix).stdout)["prefix"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["run", "absent", "true"], 8),
        (["run", ENVIRONMENT, "absent-program"], 2),
        (["run", ENVIRONMENT, "--"], 2),
        (["bootstrap", "-p", "linux-s390x"], 2),
        (["bootstrap", "--sha256", "abc"], 2),
        (["bootstrap", "--from", "nowhere", "--sha256", "0" * 64], 6),
        (["fetch", "absent"], 3),
    ],
)
def test_plain_errors(tmp_path: Path, arguments: list[str], code: int) -> None:
    """What cannot be done is said in one line, with a hint."""
    project = EngineProject.of(tmp_path / "project", "embedded")
    if arguments[:2] == ["run", ENVIRONMENT]:
        project.install()
    done = project.lading(*arguments)
    assert (code, True) == (done.code, done.is_plain_error), done.stderr


def test_plans_are_told(tmp_path: Path) -> None:
    """`--dry-run` and `--json` of the new commands."""
    project = EngineProject.of(tmp_path / "project", "embedded")
    assert "first-1.0-0.conda https://" in project.lading("fetch", ENVIRONMENT, "--dry-run").stdout
    listed = project.lading("mirror", ENVIRONMENT, "m", "--dry-run").stdout.splitlines()
    assert "noarch/pure-1.0-0.conda" in listed
    assert not (project.root / ".lading").exists()
    fetched = json.loads(project.lading("--json", "fetch", ENVIRONMENT).stdout)
    mirrored = json.loads(project.lading("--json", "mirror", ENVIRONMENT, "m").stdout)
    assert len(fetched["files"]) == len(mirrored["archives"]) == len(listed)
    (project.root / "copy").write_bytes(b"#!/bin/sh\necho 2.8.1\n")
    digest = subprocess.run(["sha256sum", project.root / "copy"], capture_output=True, check=True)
    options = ["bootstrap", "--from", "copy", "--sha256", digest.stdout.decode().split()[0]]
    assert project.lading(*options, "--dry-run").stdout.startswith("file://")
    assert project.lading(*options).stdout == f"{project.root}/.lading/bin/micromamba\n"
    assert json.loads(project.lading("--json", *options).stdout)["was_current"]
