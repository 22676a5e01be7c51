"""Two branches that both changed a lock are merged by git, with `lading merge-lock`."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import lading as package
from lading.lock.reading import read_lockfile
from simulators.channel import CANONICAL, ChannelSimulator, Package
from simulators.command import PROGRAM, lading

LOCK = "locks/x/linux-64.conda-lock.yml"


@dataclass(frozen=True, slots=True)
class _Repository:
    """A git repository whose merge driver is lading."""

    root: Path

    @classmethod
    def of(cls, root: Path, channel: ChannelSimulator) -> "_Repository":
        """A new one at `root`, whose packages come from `channel`."""
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
        repository = cls(root)
        repository.git("init", "-q", "-b", "main")
        repository.git("config", "user.name", "Someone")
        repository.git("config", "user.email", "someone@example.org")
        repository.git("config", "merge.lading.driver", "./driver.sh merge-lock %O %A %B %P")
        return repository

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

    def lock(self, *dependencies: str) -> None:
        """Write the source, lock it, commit both."""
        lines = "".join(f"  - {item}\n" for item in dependencies)
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


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> _Repository:
    """Branches `main` with `b` and `topic` with `g` added; all was published again in between."""
    root = tmp_path_factory.mktemp("template")
    channel = ChannelSimulator(root / "channel")
    for name in "abcdefgh":
        channel.add(Package(name=name, version="1.0"))
    channel.write_repodata()
    repository = _Repository.of(root / "repository", channel)
    repository.lock("a", "d", "e")
    repository.git("checkout", "-q", "-b", "topic")
    repository.lock("a", "d", "e", "g")
    repository.git("checkout", "-q", "main")
    repository.lock("a", "b", "d", "e")
    for name in "abdeg":
        channel.add(Package(name=name, version="2.0"))
    channel.write_repodata()
    return repository


@pytest.fixture
def repository(tmp_path: Path, template: _Repository) -> _Repository:
    """A copy of the template."""
    return _Repository(shutil.copytree(template.root, tmp_path / "repository"))


EXPECTED = {"a": "1.0", "b": "1.0", "d": "1.0", "e": "1.0", "g": "1.0"}


@pytest.mark.parametrize("words", [["merge", "-q", "topic"], ["cherry-pick", "topic"]])
def test_both_sides(repository: _Repository, words: list[str]) -> None:
    """Both additions are there, no pin of either side moved, and the lock is fresh."""
    merged = repository.git(*words, check=False)
    assert merged.returncode == 0, merged.stdout + merged.stderr
    assert repository.versions == EXPECTED
    checked = lading(["lock", "--check", "--strict"], repository.root)
    assert checked.code == 0, checked.stdout


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
