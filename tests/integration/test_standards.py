"""What the standards of 2026 say, by the real command with both engines, on channels made for it.

`docs/reference/standards.md` names these tests.
"""

import json
import re
from pathlib import Path

import pytest
import yaml

from simulators.channel import TIMESTAMP, ChannelSimulator, File, Package
from simulators.command import Outcome, lading
from simulators.corpus import corpus_channel, corpus_is_missing
from simulators.engine_project import ENGINES, engine_variables
from simulators.webserver import serve_directory

engines = pytest.mark.parametrize("engine", ENGINES)

V3_PACKAGES = (
    Package(name="tool", version="1.0"),
    Package(
        name="tool",
        version="2.0",
        v3=True,
        depends=(
            'library[version=">=1",build_number=0]',
            'windows[when="__win"]',
            'glue[when="library>=2 and (__win or __glibc>=2.17)"]',
        ),
        index={"extra_depends": {"test": ["runner"]}, "schema_version": 3},
        files={"bin/tool": File(b"#!/bin/sh\necho two\n", 0o755)},
    ),
    Package(name="library", version="2.0", build="cpu"),
    Package(name="library", version="2.0", build="gpu", v3=True, index={"flags": ["cuda"]}),
    Package(name="glue", noarch="generic"),
    Package(name="runner"),
    Package(name="windows"),
)


class Project:
    """A project at `root` that locks for linux-64 from a channel of `packages`."""

    def __init__(self, root: Path, packages: tuple[Package, ...], engine: str) -> None:
        """A project with a channel of `packages`, driven with `engine`."""
        self.root = root
        self.engine = engine
        self.channel = ChannelSimulator(root / "channel")
        for package in packages:
            self.channel.add(package)
        self.channel.write_repodata()

    def ask(self, *specs: str, channel: str = "") -> None:
        """Write the environment file."""
        document = {
            "name": "x",
            "channels": [channel or self.channel.url],
            "platforms": ["linux-64"],
            "dependencies": list(specs),
        }
        (self.root / "environment.yml").write_text(yaml.safe_dump(document))

    def run(self, *arguments: str, engine: str = "") -> Outcome:
        """What a command did."""
        return lading(arguments, self.root, engine_variables(engine or self.engine))

    def lock(self, *options: str, engine: str = "") -> Outcome:
        """What locking did."""
        return self.run("lock", *options, engine=engine)

    def locked(self) -> dict[str, dict[str, object]]:
        """Name → entry of the lock."""
        text = (self.root / "locks/x/linux-64.conda-lock.yml").read_text()
        return {item["name"]: item for item in yaml.safe_load(text)["package"]}


@engines
def test_repodata_v3(tmp_path: Path, engine: str) -> None:
    """Conditions, extras and flags are locked as what they come to; either engine installs it."""
    project = Project(tmp_path, V3_PACKAGES, engine)
    project.ask(
        "tool[extras=[test]]",
        "library[flags=[cuda]]",
        'windows[when="__win"]',
        'glue >=1[when="tool>=2"]',
    )
    done = project.lock(engine="embedded")
    assert done.code == 0, done.stderr
    locked = project.locked()
    assert ["glue", "library", "runner", "tool"] == sorted(locked)
    assert {"glue": "", "library": ">=1", "runner": ""} == locked["tool"]["dependencies"]
    assert str(locked["library"]["url"]).endswith("gpu.conda")
    before = (project.root / "locks/x/linux-64.conda-lock.yml").read_bytes()
    assert project.lock(engine="embedded").code == 0
    assert before == (project.root / "locks/x/linux-64.conda-lock.yml").read_bytes()
    assert project.lock("--check").code == 0
    unified = yaml.safe_load(project.run("export", "x", "--unified").stdout)
    specs = unified["metadata"]["custom_metadata"]["lading-specs-linux-64"].split("; ")
    assert {"library[flags=[cuda]]", "tool[extras=[test]]"} < set(specs)
    done = project.run("install", "x")
    assert done.code == 0, done.stderr
    [record] = project.root.glob("build/x/*/prefix/conda-meta/tool-2.0-0.json")
    assert json.loads(record.read_text())["depends"]
    project.ask("tool", "library[flags=[nope]]", 'windows[when="__unix"]')
    done = project.lock("--check")
    assert done.code == 1
    assert "library[flags=[nope]]: it was not asked for when it was locked" in done.stdout
    assert "tool[extras=[test]]: it was asked for when it was locked" in done.stdout
    assert 'windows[when="__unix"]: it is not locked' in done.stdout


@engines
def test_missing_package(tmp_path: Path, engine: str) -> None:
    """What a channel does not have is told with file, line and the nearest name."""
    project = Project(tmp_path, (Package(name="glue"), Package(name="windows")), engine)
    project.ask("glue", "windws")
    done = project.lock()
    assert (4, True) == (done.code, done.is_plain_error), done.stderr
    assert "environment.yml:5: no package is named windws in" in done.stderr
    assert "hint: did you mean windows?" in done.stderr


GPU_PACKAGES = (
    Package(name="torch", build="cpu_0"),
    # As conda-forge's packages do, it excludes a C library of the next major version.
    Package(name="torch", build="cuda12_0", depends=("__cuda  >= 12.2", "__glibc >=2.17,<3.0.a0")),
    Package(name="kernels", depends=("torch", "__cuda_arch >=8.0")),
)


@engines
def test_cuda(tmp_path: Path, engine: str) -> None:
    """There is none by default; what to write is printed, works as printed, and is explained."""
    project = Project(tmp_path, GPU_PACKAGES, engine)
    project.ask("torch=*=cuda*")
    done = project.lock()
    assert (4, True) == (done.code, done.is_plain_error), done.stderr
    words = r"torch 1\.0 requires __cuda +>= ?12\.2; the lock targets no __cuda"
    assert re.search(words, done.stderr), done.stderr
    lines = [line.strip() for line in done.stderr.partition("lading.toml:\n")[2].splitlines()]
    assert ["[environments.x.virtual-packages.linux-64]", 'cuda = "12.2"'] == lines[:2]
    (tmp_path / "lading.toml").write_text("\n".join(lines[:2]))
    assert project.lock().code == 0
    done = project.run("why", "__cuda", "-p", "linux-64")
    assert done.stdout.splitlines() == [
        "__cuda: the lock targets 12.2",
        "  torch 1.0 requires __cuda >=12.2",
        "    torch * cuda*",
    ]


@pytest.mark.skipif(corpus_is_missing(), reason="the conda-forge corpus is not there")
def test_cuda_of_conda_forge(tmp_path: Path) -> None:
    """The same with real records: only what is needed is proposed, and it is enough."""
    project = Project(tmp_path, (), "embedded")
    channel = corpus_channel(tmp_path / "corpus", ("linux-64", "noarch"))
    project.ask("pytorch=*=cuda*", channel=channel.as_uri())
    done = project.lock()
    assert "requires __cuda; the lock targets no __cuda" in done.error_lines[0], done.stderr
    lines = [line.strip() for line in done.stderr.partition("lading.toml:\n")[2].splitlines()]
    assert ['cuda = "12.0"', "hint:"] == [lines[1], lines[2].split(" ")[0]]
    (tmp_path / "lading.toml").write_text("\n".join(lines[:2]))
    assert project.lock().code == 0


def test_cuda_arch(tmp_path: Path) -> None:
    """A compute capability is asked for, targeted and explained; micromamba has no word for it."""
    project = Project(tmp_path, GPU_PACKAGES, "embedded")
    project.ask("kernels")
    done = project.lock()
    lines = [line.strip() for line in done.stderr.partition("lading.toml:\n")[2].splitlines()]
    assert ['cuda = "12.0"', 'cuda_arch = "8.0"'] == lines[1:3], done.stderr
    (tmp_path / "lading.toml").write_text("\n".join(lines[:3]))
    assert project.lock().code == 0
    document = json.loads(project.run("--json", "why", "__cuda_arch", "-p", "linux-64").stdout)
    assert ("8.0", {"kernels": ">=8.0"}) == (document["version"], document["required_by"])


@engines
def test_archives_elsewhere(tmp_path: Path, engine: str) -> None:
    """`base_url` may lead to another server: the lock says where, and it is fetched from there."""
    project = Project(tmp_path, (Package(name="a", files={"share/a": b"a"}),), engine)
    (tmp_path / "pool").mkdir()
    (project.channel.root / "linux-64").rename(tmp_path / "pool/files")
    with serve_directory(tmp_path / "pool") as other:
        project.channel.info = {"base_url": f"{other}/files/"}
        project.channel.write_repodata()
        # micromamba knows such a package by the place of its archive alone.
        project.ask("a" if engine == "micromamba" else f"{project.channel.url}::a")
        done = project.lock()
        assert done.code == 0, done.stderr
        assert f"{other}/files/a-1.0-0.conda" == project.locked()["a"]["url"]
        done = project.run("install", "x")
        assert done.code == 0, done.stderr
    assert project.lock("--check").code == 0
    assert list(tmp_path.glob("build/x/*/prefix/share/a"))


@engines
def test_archives_at_a_relative_place(tmp_path: Path, engine: str) -> None:
    """A relative `base_url` is followed, or refused: micromamba takes it for a host."""
    project = Project(tmp_path, (Package(name="a"),), engine)
    project.channel.info = {"base_url": "../files/"}
    project.channel.write_repodata()
    project.ask("a")
    done = project.lock()
    if engine == "embedded":
        assert f"{project.channel.url}/files/a-1.0-0.conda" == project.locked()["a"]["url"]
    else:
        assert (5, True) == (done.code, done.is_plain_error), done.stderr
        assert "cannot read the relative base_url '../files/'" in done.stderr


@engines
def test_shards(tmp_path: Path, engine: str) -> None:
    """A channel may come in shards, with run exports; what micromamba skips in them is refused."""
    packages = (
        Package(name="a", depends=("b",), index={"run_exports": {"weak": ["a >=1"]}}),
        Package(name="b", noarch="generic"),
        Package(name="c"),
        Package(name="c", version="2.0", v3=True),
    )
    project = Project(tmp_path, packages, engine)
    for path in project.channel.root.glob("*/repodata.json"):
        path.unlink()
    project.channel.write_shards()
    with serve_directory(project.channel.root) as url:
        project.ask("a", "c", channel=url)
        done = project.lock()
        if engine == "micromamba":
            assert "offers c in repodata v3" in done.stderr
            project.ask("a", channel=url)
            done = project.lock()
        assert done.code == 0, done.stderr
    locked = {name: entry["version"] for name, entry in project.locked().items()}
    newer = {"c": "2.0"} if engine == "embedded" else {}
    assert {"a": "1.0", "b": "1.0"} | newer == locked


def test_exclude_newer(tmp_path: Path) -> None:
    """The date of the server comes before that of the builder; where there is none it is told."""
    # 2023-11-14T22:13:20Z and 40 days later.
    early, late = TIMESTAMP, TIMESTAMP + 40 * 86_400_000
    packages = (
        # Built before the date, as its builder says, and listed after it.
        Package(name="a", version="2.0", timestamp=early, index={"indexed_timestamp": late}),
        Package(name="a", version="1.0", timestamp=early, index={"indexed_timestamp": early}),
        Package(name="b", version="1.0", timestamp=early),
        Package(name="b", version="2.0", timestamp=late),
    )
    project = Project(tmp_path, packages, "embedded")
    project.ask("a", "b")
    done = project.lock("--exclude-newer", "2023-12-01")
    assert done.code == 0, done.stderr
    assert {"1.0"} == {entry["version"] for entry in project.locked().values()}
    assert "which the builder sets: 1 of 2 packages" in done.stderr
    assert done.stderr.rstrip().endswith(": b")
    for moment, version in (("2023-12-25T00:00:00+02:00", "1.0"), ("2023-12-25T00:00:00", "2.0")):
        assert project.lock("--update-all", "--exclude-newer", moment).code == 0
        assert {version} == {entry["version"] for entry in project.locked().values()}


@engines
def test_build_number(tmp_path: Path, engine: str) -> None:
    """A build number is asked for as a version is, and told by the lock's check."""
    builds = [Package(name="a", build=f"b{n}", build_number=n) for n in range(3)]
    project = Project(tmp_path, tuple(builds), engine)
    for spec, build in (("a[build_number=0]", "b0"), ("a[build_number='>0']", "b2")):
        project.ask(spec)
        assert project.lock().code == 0
        assert str(project.locked()["a"]["url"]).endswith(f"-{build}.conda")


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_micromamba_refuses_v3(tmp_path: Path, engine: str) -> None:
    """It would ignore all of it, so its answer is not taken."""
    project = Project(tmp_path, V3_PACKAGES, engine)
    for spec, reason in (
        ("tool", "a channel offers tool in repodata v3"),
        ("tool >=2", "a channel offers library, tool in repodata v3"),
        ("glue[extras=[x]]", "micromamba ignores `extras` in glue[extras=[x]]"),
    ):
        project.ask(spec)
        done = project.lock()
        assert done.is_plain_error, done.stderr
        assert (5, True) == (done.code, reason in done.stderr), done.stderr
    project.ask("glue")
    assert project.lock().code == 0


def test_fields_in_pyproject_tables(tmp_path: Path) -> None:
    """In a table of pyproject.toml they would be ignored, so they are refused there."""
    project = Project(tmp_path, V3_PACKAGES, "embedded")
    (tmp_path / "pyproject.toml").write_text(
        "[project]\nname = 'x'\ndependencies = []\n[tool.conda-lock]\n"
        f"channels = ['{project.channel.url}']\n"
        f"[tool.conda-lock.dependencies]\ntool = {{version = '>=1', when = 'a'}}\n"
    )
    done = project.lock("pyproject.toml", "-p", "linux-64")
    assert (3, True) == (done.code, "`version` of tool" in done.stderr), done.stderr
