"""Other people's tools read what lading writes, and do with it what lading does."""

import json
import os
import shutil
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from backports import zstd
from rattler import PrefixRecord

from simulators.example_project import ExampleProject, run, snapshot

pytestmark = [pytest.mark.demo, pytest.mark.xdist_group("demo")]

MICROMAMBA = os.environ.get("LADING_MICROMAMBA") or shutil.which("micromamba") or ""

PARSE = """
import json, sys
from conda_lock.lockfile import parse_conda_lock_file
from pathlib import Path
lock = parse_conda_lock_file(Path(sys.argv[1]))
found = [[item.name, item.version, item.url, item.hash.sha256] for item in lock.package]
json.dump(found, sys.stdout)
"""

with_micromamba = pytest.mark.skipif(
    not MICROMAMBA, reason="no micromamba in LADING_MICROMAMBA or on PATH"
)


def tar(tarball: Path, prefix: Path) -> None:
    """GNU tar, with the program zstd."""
    program = f"--use-compress-program={need('zstd')}"
    run(need("tar"), program, "-xf", tarball, "-C", prefix).check_returncode()


def bsdtar(tarball: Path, prefix: Path) -> None:
    """The tar of libarchive."""
    run(need("bsdtar"), "-xf", tarball, "-C", prefix).check_returncode()


def tarfile_module(tarball: Path, prefix: Path) -> None:
    """The standard library, with the filter that trusts no archive."""
    with zstd.open(tarball) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        archive.extractall(prefix, filter="data")


def seven_zip(tarball: Path, prefix: Path) -> None:
    """7-Zip, which writes the tar stream to a file before it reads it."""
    program, stream = need("7zz"), prefix.parent / "stream"
    run(program, "x", "-bd", f"-o{stream}", tarball).check_returncode()
    [tar_file] = stream.iterdir()
    run(program, "x", "-bd", "-ttar", f"-o{prefix}", tar_file).check_returncode()
    shutil.rmtree(stream)


def need(program: str) -> str:
    """The path of `program`; skips where there is none."""
    return shutil.which(program) or pytest.skip(f"there is no {program} on this machine")


@pytest.fixture(scope="module")
def tree(environments: ExampleProject, workspace: Path) -> tuple[Path, dict[str, str]]:
    """A place, and what `lading unpack` makes there; the place is free again."""
    prefix = workspace / "a place for tools"
    environments.done("unpack", environments.tarball("data-service"), prefix)
    expected = snapshot(prefix)
    shutil.rmtree(prefix)
    return prefix, expected


@pytest.mark.parametrize("extract", [tar, bsdtar, tarfile_module, seven_zip])
def test_other_programs_unpack_the_same_tree(
    environments: ExampleProject,
    tree: tuple[Path, dict[str, str]],
    extract: Callable[[Path, Path], None],
) -> None:
    """Extracted by another program and relocated by `conda-unpack`, it is the same, and it runs."""
    prefix, expected = tree
    prefix.mkdir()
    try:
        extract(environments.tarball("data-service"), prefix)
        done = run(prefix / "bin/conda-unpack", PYTHONDONTWRITEBYTECODE="1")
        assert done.returncode == 0, done.stderr
        assert expected == snapshot(prefix)
        done = run(prefix / "bin/python", "-c", "import pandas, pyarrow, sklearn")
        assert done.returncode == 0, done.stderr
        report = environments.done(
            "verify", prefix, "--manifest", environments.manifest("data-service")
        )
        assert report.startswith("yes: ")
    finally:
        shutil.rmtree(prefix)


@pytest.mark.parametrize("environment", ["data-service", "no-python"])
def test_conda_lock_parses_the_lock(
    environments: ExampleProject, environment: str, place: Path
) -> None:
    """conda-lock's own parser finds in a lockfile what stands in it."""
    packages = yaml.safe_load(environments.lock(environment).read_bytes())["package"]
    expected = [
        [item["name"], item["version"], item["url"], item["hash"]["sha256"]] for item in packages
    ]
    done = run(sys.executable, "-c", PARSE, environments.lock(environment), HOME=str(place))
    assert done.returncode == 0, done.stderr
    assert sorted(expected) == sorted(json.loads(done.stdout))


@pytest.mark.parametrize("environment", ["data-service", "no-python"])
def test_conda_lock_renders_the_lock(
    environments: ExampleProject, environment: str, place: Path
) -> None:
    """`conda-lock render` makes an explicit lockfile of it that names every package."""
    packages = yaml.safe_load(environments.lock(environment).read_bytes())["package"]
    expected = [f"{item['url']}#{item['hash']['md5']}" for item in packages]
    done = run(
        Path(sys.executable).parent / "conda-lock",
        *("render", "--kind", "explicit", "--filename-template", "explicit-{platform}.txt"),
        *(
            "--platform",
            environments.lock(environment).name.partition(".")[0],
            environments.lock(environment),
        ),
        directory=place,
        HOME=str(place),
    )
    assert done.returncode == 0, done.stderr
    [rendered] = place.glob("explicit-*.txt")
    _, _, lines = rendered.read_text().partition("@EXPLICIT\n")
    assert sorted(expected) == sorted(lines.split())


def test_rattler_reads_the_prefix_records(environments: ExampleProject, unpacked: Path) -> None:
    """Each package of the lock has a prefix record, whose files are there."""
    packages = yaml.safe_load(environments.lock("data-service").read_bytes())["package"]
    records = [PrefixRecord.from_path(path) for path in unpacked.glob("conda-meta/*.json")]
    expected = {(item["name"], item["version"], item["url"]) for item in packages}
    assert expected == {
        (item.name.normalized, str(item.version), str(item.url)) for item in records
    }
    files = {path for item in records for path in item.files}
    assert not [path for path in files if not os.path.lexists(unpacked / path)]


@pytest.mark.micromamba
@with_micromamba
def test_micromamba_lists_the_packages(
    environments: ExampleProject, unpacked: Path, place: Path
) -> None:
    """`micromamba list` of an unpacked environment shows what is locked."""
    packages = yaml.safe_load(environments.lock("data-service").read_bytes())["package"]
    expected = {(item["name"], item["version"]) for item in packages}
    done = run(MICROMAMBA, "list", "--json", "--prefix", unpacked, HOME=str(place))
    assert done.returncode == 0, done.stderr
    assert expected == {(item["name"], item["version"]) for item in json.loads(done.stdout)}


@pytest.mark.micromamba
@with_micromamba
def test_engines_give_the_same_bytes(
    environments: ExampleProject, demo_channel: Path, workspace: Path
) -> None:
    """One lock gives identical tarballs, whichever engine installs it."""
    project = ExampleProject.of(
        workspace / "micromamba",
        demo_channel,
        LADING_ENGINE="micromamba",
        LADING_MICROMAMBA=MICROMAMBA,
    )
    try:
        for environment in ("data-service", "no-python"):
            project.lock(environment).parent.mkdir(parents=True)
            shutil.copy(environments.lock(environment), project.lock(environment))
            installed = project.lading("install", environment)
            assert " by micromamba " in installed.stderr
            project.done("pack", environment, "--no-frame-cache")
            assert environments.digests(environment) == project.digests(environment)
    finally:
        shutil.rmtree(project.root)
