"""Locks of other tools: taken over byte for byte the same each time, and read as they are."""

import json
import subprocess
import tomllib
from pathlib import Path

import pytest
import rattler
from rattler.lock import LockChannel, LockFile, LockPlatform
from rattler.package import BuildString

from lading.conda.records import RepodataRecord
from lading.lock.reading import read_lockfile
from lading.system.digest import sha256_of_file
from simulators.channel import CANONICAL, ChannelSimulator, Package
from simulators.command import Outcome, lading
from simulators.foreign_locks import CONDA_LOCK_VERSIONS, conda_lock_file
from simulators.webserver import serve_directory
from simulators.wheel_index import WheelIndex

ODD = {"3.0 with git and path"}
"""Kinds of which something must be left out."""

DIGEST = "1a" * 32
WHEEL = "https://files.invalid/tool-1.0-py3-none-any.whl"


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> ChannelSimulator:
    """Four packages, of which `checker` is for developers."""
    channel = ChannelSimulator(tmp_path_factory.mktemp("channel"))
    channel.add(Package(name="app", noarch="generic", depends=("library >=1",)))
    channel.add(Package(name="library", noarch="generic"))
    channel.add(Package(name="checker", noarch="generic", depends=("library",)))
    channel.add(Package(name="python", version="3.12.1", noarch="generic"))
    channel.write_repodata()
    return channel


@pytest.fixture
def project(tmp_path: Path, channel: ChannelSimulator) -> Path:
    """A project whose mirror of the canonical channel is the simulated one."""
    path = tmp_path / "service"
    path.mkdir()
    (path / "lading.toml").write_text(f'[mirrors]\n"{CANONICAL}" = ["{channel.url}"]\n')
    return path


def records(channel: ChannelSimulator) -> list[RepodataRecord]:
    """The packages, as locks name them."""
    return list(channel.records(CANONICAL))


def done(project: Path, *arguments: object) -> Outcome:
    """What a command that must succeed said."""
    outcome = lading(arguments, project)
    assert outcome.code == 0, outcome.stderr
    return outcome


@pytest.mark.parametrize("kind", CONDA_LOCK_VERSIONS)
def test_conda_lock_of_every_version(project: Path, channel: ChannelSimulator, kind: str) -> None:
    """Every kind is taken over for both platforms, twice the same, and can be installed."""
    conda_lock_file(project / "conda-lock.yml", kind, records(channel))
    words = ["adopt", "conda-lock.yml"]
    if kind in ODD:
        refused = lading(words, project)
        assert refused.code == 3
        assert "from-git is a repository, of which the lock has no archive" in refused.stderr
        words += ["--leave-out", "from-git", "--leave-out", "from-path"]
    done(project, *words)
    lock = project / "locks/service/linux-64.conda-lock.yml"
    before = lock.read_bytes()
    assert (project / "locks/service/osx-arm64.conda-lock.yml").is_file()
    assert "unchanged" in done(project, *words).stderr
    assert lock.read_bytes() == before
    assert b"secret" not in before
    assert before.count(b"sha256: ") >= 4
    assert "left out; --with dev" in done(project, "install", "service").stderr
    names = {path.name for path in (project / "build/service").glob("*/prefix/conda-meta/*.json")}
    assert names == {"app-1.0-0.json", "library-1.0-0.json", "python-3.12.1-0.json"}


def test_commands_read_a_foreign_lock(project: Path, channel: ChannelSimulator) -> None:
    """Meanwhile every command reads it: its own platform, the name of its source, its categories.

    What has an md5 alone is fetched once, then known.
    """
    (project / "environment.yml").write_text("name: from-source\ndependencies: [app]\n")
    path = conda_lock_file(project / "conda-lock.yml", "md5 alone", records(channel))
    outcome = done(project, "install", path)
    assert "have an md5 alone: they are fetched once" in outcome.stderr
    assert outcome.stdout.strip().endswith("build/from-source/linux-64/prefix")
    assert "fetched once" not in done(project, "list", path, "--with", "dev").stderr
    assert "checker" in done(project, "list", path, "--with", "dev").stdout
    assert "library" in done(project, "tree", "-e", path).stdout
    assert "osx-arm64" in done(project, "export", path, "-p", "osx-arm64").stdout
    assert done(project, "fetch", path, "--offline", "--with", "dev").code == 0
    assert lading(["install", path, "-p", "win-64"], project).is_plain_error


def test_a_wrong_md5_is_refused(project: Path, channel: ChannelSimulator) -> None:
    """An archive that is not what the old lock promises is not taken."""
    path = conda_lock_file(project / "conda-lock.yml", "md5 alone", records(channel))
    path.write_text(path.read_text().replace("md5: ", "md5: 0000").replace("0000", "0000", 1))
    text = "\n".join(
        line[: line.index("md5: ") + 5] + "'" + "0" * 32 + "'" if "md5: " in line else line
        for line in path.read_text().splitlines()
    )
    path.write_text(text)
    assert lading(["adopt", path], project).code == 7


def pixi_lock(path: Path, channel: ChannelSimulator) -> Path:
    """A pixi.lock as py-rattler writes it, with two environments."""
    platform = LockPlatform("linux-64")
    lock = LockFile([platform])
    for name, names in (("default", {"app", "library"}), ("test", {"checker", "library"})):
        lock.set_channels(name, [LockChannel(CANONICAL)])
        for record in records(channel):
            if record.name in names:
                assert record.sha256 is not None
                assert record.md5 is not None
                package = rattler.PackageRecord(
                    record.name,
                    record.version,
                    BuildString(record.build),
                    0,
                    record.subdir,
                    depends=list(record.depends),
                    sha256=bytes.fromhex(record.sha256.hex),
                    md5=bytes.fromhex(record.md5.hex),
                )
                lock.add_conda_package(
                    name,
                    platform,
                    rattler.RepoDataRecord(package, record.file_name, record.url, CANONICAL),
                )
    lock.to_path(path)
    return path


def pixi_6(path: Path, channel: ChannelSimulator) -> Path:
    """The same by the format of version 6, with a wheel."""
    found = [item for item in records(channel) if item.name in {"app", "library", "python"}]
    lines = ["version: 6", "environments:", "  default:", "    channels:"]
    lines += [f"    - url: {CANONICAL}/", "    indexes:", "    - https://index.invalid/simple"]
    lines += ["    packages:", "      linux-64:"]
    lines += [f"      - conda: {item.url}" for item in found]
    lines += [f"      - pypi: {WHEEL}", "packages:"]
    for item in found:
        assert item.sha256 is not None
        assert item.md5 is not None
        lines += [f"- conda: {item.url}", f"  sha256: {item.sha256.hex}", f"  md5: {item.md5.hex}"]
        lines += ["  depends:", *(f"  - {text}" for text in item.depends)] if item.depends else []
    lines += [f"- pypi: {WHEEL}", "  name: tool", "  version: '1.0'", f"  sha256: {DIGEST}"]
    lines += ["  requires_dist:", "  - other>=2", "  - docs ; extra == 'docs'"]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_pixi_as_it_writes_today(project: Path, channel: ChannelSimulator) -> None:
    """Each environment of a pixi.lock becomes one; the default has the name of the project."""
    path = pixi_lock(project / "pixi.lock", channel)
    assert path.read_text().startswith("version: 7")
    lines = done(project, "adopt", path).stdout.splitlines()
    assert [Path(line).parent.name for line in lines] == ["service", "test"]
    done(project, "install", "test")
    assert "library" in done(project, "why", "library", "-e", "service").stdout
    assert "service (no source is known)" in done(project, "info").stdout
    for words in (["lock", "service"], ["lock", "--check", "service"]):
        refused = lading(words, project)
        assert refused.is_plain_error
        assert "names no source" in refused.stderr
    # Without adopting, the default environment is meant.
    assert "app" in done(project, "list", path).stdout
    for words in ("init -q", "add pixi.lock", "-c user.name=x -c user.email=x commit -qm x"):
        subprocess.run(["git", *words.split()], cwd=project, check=True)
    done(project, "diff", "--exit-code", path, "service")
    done(project, "diff", "--exit-code", "HEAD:pixi.lock", path)
    changed = lading(["diff", "--exit-code", "HEAD:pixi.lock", "test"], project)
    assert (1, True) == (changed.code, "checker" in changed.stdout), changed.stderr


def test_pixi_of_version_6(project: Path, channel: ChannelSimulator) -> None:
    """A wheel that pixi locked becomes the pip part, with what it requires."""
    done(project, "adopt", pixi_6(project / "pixi.lock", channel))
    document = json.loads(done(project, "list", "service", "--json").stdout)
    wheel = next(item for item in document["packages"] if item["manager"] == "pip")
    assert (wheel["name"], wheel["url"], wheel["sha256"]) == ("tool", WHEEL, DIGEST)
    text = (project / "locks/service/linux-64.conda-lock.yml").read_text()
    assert "other: '>=2'" in text
    assert "docs" not in text


@pytest.mark.parametrize("digest", ["md5", "sha256"])
def test_explicit_files(project: Path, channel: ChannelSimulator, digest: str) -> None:
    """What `conda list --explicit` writes, with either digest; its platform must be said."""
    lines = ["# This file may be used to create an environment", "@EXPLICIT"]
    for item in records(channel):
        assert item.sha256 is not None
        assert item.md5 is not None
        lines.append(f"{item.url}#{item.md5.hex if digest == 'md5' else item.sha256.hex}")
    (project / "conda-linux-64.lock").write_text("\n".join(lines) + "\n")
    assert "-p" in lading(["adopt", "conda-linux-64.lock"], project).stderr
    done(project, "adopt", "conda-linux-64.lock", "-n", "mine", "-p", "linux-64")
    done(project, "install", "mine")
    exported = done(project, "export", "mine").stdout
    (project / "again.txt").write_text(exported)
    first = (project / "locks/mine/linux-64.conda-lock.yml").read_bytes()
    done(project, "adopt", "again.txt", "-n", "mine")
    again = (project / "locks/mine/linux-64.conda-lock.yml").read_bytes()
    assert again.count(b"sha256: ") == first.count(b"sha256: ") == 4


def test_a_url_without_digest_is_refused(project: Path) -> None:
    """An explicit file without digests says nothing that can be checked."""
    (project / "x.txt").write_text(f"@EXPLICIT\n{CANONICAL}/linux-64/app-1.0-0.conda\n")
    outcome = lading(["adopt", "x.txt"], project)
    assert outcome.is_plain_error
    assert "conda list --explicit --sha256" in outcome.stderr


def test_the_pip_part_comes_and_goes_as_pylock(project: Path, channel: ChannelSimulator) -> None:
    """Requirements with URLs and hashes are adopted, exported as pylock.toml, and adopted again."""
    conda_lock_file(project / "conda-lock.yml", "1.0", records(channel))
    (project / "requirements.txt").write_text(
        f"tool @ {WHEEL} \\\n    --hash=sha256:{DIGEST}\nother==1.0 ; sys_platform == 'win32'\n"
    )
    done(project, "adopt", "conda-lock.yml", "requirements.txt")
    before = (project / "locks/service/linux-64.conda-lock.yml").read_bytes()
    done(project, "export", "service", "--pylock", "-o", "pylock.toml")
    pylock = tomllib.loads((project / "pylock.toml").read_text())
    assert pylock["packages"][0]["wheels"][0]["hashes"] == {"sha256": DIGEST}
    assert pylock["requires-python"] == "==3.12.*"
    done(project, "adopt", "pylock.toml", "-n", "service", "-p", "linux-64")
    assert (project / "locks/service/linux-64.conda-lock.yml").read_bytes() == before
    (project / "requirements.txt").write_text("tool>=1.0 --hash=sha256:" + DIGEST + "\n")
    outcome = lading(["adopt", "requirements.txt", "-n", "service"], project)
    assert outcome.is_plain_error
    assert "- -r requirements.txt" in outcome.stderr


def test_versions_with_hashes_are_found_in_the_index(
    project: Path, channel: ChannelSimulator, tmp_path: Path
) -> None:
    """What pip-compile and uv export write: the URL of the file with the digest is locked."""
    conda_lock_file(project / "conda-lock.yml", "1.0", records(channel))
    index = WheelIndex(tmp_path / "index")
    wheels = [index.add_wheel("tool", name, requires=["absent"]) for name in ("1.0", "2.0")]
    digests = [sha256_of_file(path).hex for path in (*wheels, index.add_source("tool", "1.0"))]
    requirements = project / "requirements.txt"
    with serve_directory(index.root) as url:
        text = (
            f"--index-url {url}/simple\ntool[more]==1.0 \\\n    --hash=sha256:{digests[2]} \\\n"
            f"    --hash=sha256:{digests[0]}\n    # via somebody\n"
        )
        requirements.write_text(text)
        done(project, "adopt", "conda-lock.yml", requirements)
        lock = read_lockfile(project / "locks/service/linux-64.conda-lock.yml")
        found = f"{url}/files/tool-1.0-py3-none-any.whl"
        assert [(found, digests[0])] == [(item.url, item.sha256.hex) for item in lock.pip]
        requirements.write_text(text.replace(digests[0], digests[1]))
        other = lading(["adopt", "requirements.txt", "-n", "service"], project)
        requirements.write_text(text.replace("1.0", "3.0"))
        absent = lading(["adopt", "requirements.txt", "-n", "service"], project)
    assert (3, True) == (other.code, other.is_plain_error), other.stderr
    assert "no wheel of tool 1.0 in the index has one of its digests" in other.stderr
    assert (6, True) == (absent.code, absent.is_plain_error), absent.stderr


@pytest.mark.usefixtures("channel")
def test_an_exported_environment_is_locked(project: Path) -> None:
    """What `conda env export` writes is locked with the versions and builds that it names."""
    (project / "export.yml").write_text(
        f"name: exported\nchannels: ['{CANONICAL}']\nplatforms: [linux-64]\n"
        "dependencies: [app=1.0=0, library=1.0=0]\nprefix: /home/somebody/env\n"
    )
    done(project, "adopt", "export.yml")
    assert "app-1.0-0" in (project / "locks/exported/linux-64.conda-lock.yml").read_text()
