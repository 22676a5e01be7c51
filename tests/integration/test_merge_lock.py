"""Two branches that both changed a lock are merged by git, with `lading merge-lock`."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lading as package
from lading.lock.reading import read_lockfile
from simulators.channel import CANONICAL, ChannelSimulator, Package
from simulators.command import PROGRAM, lading
from simulators.interpreter import python_package

PYPROJECT = """\
[project]
name = "mine"
version = "1.0"
[build-system]
requires = ["uv_build>=0.5,<1"]
build-backend = "uv_build"
[tool.uv.build-backend]
module-root = ""
"""
LOCK = "locks/x/linux-64.conda-lock.yml"


class _Repository:
    """A git repository whose merge driver is lading."""

    def __init__(self, root: Path, channel: ChannelSimulator) -> None:
        self.root = root
        root.mkdir()
        (root / "lading.toml").write_text(
            f'[environments.x]\nsources = ["environment.yml"]\n'
            f'platforms = ["linux-64"]\n[mirrors]\n"{CANONICAL}" = ["{channel.url}"]\n'
        )
        driver = root / "driver.sh"
        driver.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{PROGRAM}" "$@"\n')
        driver.chmod(0o755)
        (root / ".gitattributes").write_text("*.conda-lock.yml merge=lading\n")
        (root / ".gitignore").write_text(".lading/\n")
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "Someone")
        self.git("config", "user.email", "someone@example.org")
        self.git("config", "merge.lading.driver", f"{driver} merge-lock %O %A %B %P")

    def git(self, *words: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """What git did."""
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.root),
            "PYTHONPATH": str(Path(package.__file__).parents[1]),
            "LADING_ENGINE": "embedded",
        }
        return subprocess.run(
            ["git", *words],
            cwd=self.root,
            env=environment,
            check=check,
            capture_output=True,
            text=True,
        )

    def lock(self, *dependencies: str, code: str = "") -> None:
        """Write the source, lock it, commit both; with `code`, the project has a package of it."""
        lines = "".join(f"  - {item}\n" for item in dependencies)
        if code:
            (self.root / "mine").mkdir(exist_ok=True)
            (self.root / "mine/__init__.py").write_text(code)
            (self.root / "pyproject.toml").write_text(PYPROJECT)
            lines += "  - python\n  - pip: [-e .]\n"
        text = f"name: x\nchannels:\n  - {CANONICAL}\ndependencies:\n{lines}"
        (self.root / "environment.yml").write_text(text)
        outcome = lading(["lock"], self.root)
        assert outcome.code == 0, outcome.stderr
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "lock")

    @property
    def versions(self) -> dict[str, str]:
        """What is locked."""
        packages = read_lockfile(self.root / LOCK).packages
        return {item.name: item.version for item in packages}


@pytest.fixture
def channel(tmp_path: Path) -> ChannelSimulator:
    """`a` to `h`, version 1.0 each."""
    channel = ChannelSimulator(tmp_path / "channel")
    for name in "abcdefgh":
        channel.add(Package(name=name, version="1.0"))
    channel.add(python_package())
    channel.add(Package(name="pip", version="24.0", noarch="python", depends=("python",)))
    channel.write_repodata()
    return channel


@pytest.fixture
def repository(tmp_path: Path, channel: ChannelSimulator) -> _Repository:
    """Branches `main` with `b` and `topic` with `g` added; `a` was published anew in between."""
    repository = _Repository(tmp_path / "repository", channel)
    repository.lock("a", "d", "e")
    repository.git("checkout", "-q", "-b", "topic")
    repository.lock("a", "d", "e", "g")
    repository.git("checkout", "-q", "main")
    repository.lock("a", "b", "d", "e")
    for name in "abdeg":
        channel.add(Package(name=name, version="2.0"))
    channel.write_repodata()
    return repository


EXPECTED = {"a": "1.0", "b": "1.0", "d": "1.0", "e": "1.0", "g": "1.0"}


@pytest.mark.parametrize("words", [["merge", "-q", "topic"], ["cherry-pick", "topic"]])
def test_both_sides(repository: _Repository, words: list[str]) -> None:
    """Both additions are there, no pin of either side moved, and the lock is fresh."""
    merged = repository.git(*words, check=False)
    assert merged.returncode == 0, merged.stdout + merged.stderr
    assert repository.versions == EXPECTED
    checked = lading(["lock", "--check", "--strict"], repository.root)
    assert checked.code == 0, checked.stdout


def test_own_code(repository: _Repository) -> None:
    """Own code and files are locked as they will be after the merge, whoever changed them."""
    root = repository.root
    settings = (root / "lading.toml").read_text()
    files = 'files = [{from = "models", to = "share/models"}]\n[mirrors]'
    (root / "lading.toml").write_text(settings.replace("[mirrors]", files))
    for name in ("models", "mine"):
        (root / name).mkdir()
    (root / "models/weights").write_bytes(b"\xff\0old")
    (root / "mine/gone.py").touch()
    lines = [f"line_{number} = 1\n" for number in range(20)]
    repository.lock("a", code="".join(lines))
    repository.git("checkout", "-q", "-b", "code")
    (root / "models/weights").write_bytes(b"\xff\0new")
    (root / "mine/more.py").write_text("more = 1\n")
    (root / "mine/gone.py").unlink()
    repository.lock("a", code="".join(["theirs = 1\n", *lines]))
    repository.git("checkout", "-q", "main")
    repository.lock("a", "h", code="".join([*lines, "ours = 1\n"]))
    # Another checkout, which never built the wheel of the branch.
    shutil.rmtree(root / ".lading/wheels")
    merged = repository.git("merge", "-q", "code", check=False)
    assert merged.returncode == 0, merged.stdout + merged.stderr
    assert {"a", "h", "mine"} < set(repository.versions)
    text = (root / "mine/__init__.py").read_text()
    assert ("theirs = 1" in text, "ours = 1" in text) == (True, True)
    checked = lading(["lock", "--check", "--strict"], root)
    assert checked.code == 0, checked.stdout
    assert lading(["fetch", "x"], root).code == 0


def test_rebase(repository: _Repository) -> None:
    """So it is when the branch is rebased."""
    repository.git("checkout", "-q", "topic")
    rebased = repository.git("rebase", "main", check=False)
    assert rebased.returncode == 0, rebased.stdout + rebased.stderr
    assert repository.versions == EXPECTED


def test_conflicting_sources(repository: _Repository) -> None:
    """Where the sources conflict the lock does too, and is left as it was on our side."""
    repository.git("checkout", "-q", "topic")
    repository.lock("a", "d", "e", "h")
    repository.git("checkout", "-q", "main")
    repository.lock("a", "b", "d", "e", "f")
    before = (repository.root / LOCK).read_bytes()
    merged = repository.git("merge", "-q", "topic", check=False)
    assert merged.returncode == 1
    assert "both sides changed the same lines of environment.yml" in merged.stderr
    assert before == (repository.root / LOCK).read_bytes()
    assert LOCK in repository.git("diff", "--name-only", "--diff-filter=U").stdout
