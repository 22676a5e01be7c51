"""`lading.lock.revisions` and `lading diff`: files, directories, environments and git revisions."""

import subprocess
from pathlib import Path

import pytest

from lading.conda.names import Platform
from lading.errors import LockError
from lading.lock.diff import ChangeKind, diff_locks, fold_diffs
from lading.lock.model import lock_path
from lading.lock.revisions import LockRevisions
from simulators.command import lading

HEAD = """\
version: 1
metadata:
  content_hash:
    {platform}: abc
  channels:
  - url: https://conda.anaconda.org/conda-forge
    used_env_vars: []
  platforms:
  - {platform}
  sources: []
package:
"""
PACKAGE = """\
- name: {name}
  version: '{version}'
  manager: conda
  platform: {platform}
  dependencies: {{}}
  url: https://conda.anaconda.org/{channel}/{platform}/{name}-{version}-{build}.conda
  hash:
    md5: {md5}
    sha256: {sha256}
  category: main
  optional: false
"""
ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


def _write(root: Path, platform: str, *packages: str) -> Path:
    """Lock `packages`, each `name version build [channel]`."""
    text = HEAD.format(platform=platform)
    for line in packages:
        name, version, build, channel = (*line.split(), "conda-forge")[:4]
        text += PACKAGE.format(
            name=name, version=version, build=build, channel=channel, platform=platform,
            md5="a" * 32, sha256="b" * 64,
        )  # fmt: skip
    path = lock_path(root, "x", Platform(platform))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository whose first commit locks old versions, and whose working tree new ones."""
    for words in (["init", "-q"], ["config", "user.name", "x"], ["config", "user.email", "x@x"]):
        _git(tmp_path, *words)
    _write(tmp_path, "linux-64", "a 1.9 0", "b 2 0", "c 1 h1_0", "d 1 0", "gone 1 0", "same 1 0")
    _write(tmp_path, "osx-64", "a 1.9 0", "gone 1 0", "same 1 0")
    _git(tmp_path, "add", "-A")
    _git(tmp_path, "commit", "-q", "-m", "old")
    new = ("a 1.10 0", "b 1 0", "c 1 h2_0", "d 1 0 other", "n 1 0", "same 1 0")
    _write(tmp_path, "linux-64", *new)
    _write(tmp_path, "osx-64", "a 1.10 0", "same 1 0")
    return tmp_path


def _git(root: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=root, check=True, env={**ENVIRONMENT, "HOME": str(root)})


def _kinds(root: Path, old: str, new: str) -> list[tuple[str, ChangeKind, int]]:
    places = LockRevisions(directory=root, environment=ENVIRONMENT)
    before, after = places.read(old), places.read(new)
    diffs = {platform: diff_locks(before.get(platform), after.get(platform)) for platform in before}
    return [(item.name, item.kind, len(item.platforms)) for item in fold_diffs(diffs)]


@pytest.mark.parametrize(
    ("old", "new"), [("HEAD:x", "x"), ("HEAD:locks/x", "locks/x"), ("HEAD:./locks/x/", "locks/x/")]
)
def test_directories(root: Path, old: str, new: str) -> None:
    """Every kind of change, folded where platforms agree."""
    assert _kinds(root, old, new) == [
        ("a", ChangeKind.UP, 2),
        ("b", ChangeKind.DOWN, 1),
        ("c", ChangeKind.BUILD, 1),
        ("d", ChangeKind.CHANNEL, 1),
        ("gone", ChangeKind.REMOVED, 2),
        ("n", ChangeKind.ADDED, 1),
    ]


def test_one_file(root: Path) -> None:
    """A file of a revision against one of the working tree."""
    path = "locks/x/osx-64.conda-lock.yml"
    assert [name for name, _, _ in _kinds(root, f"HEAD:{path}", path)] == ["a", "gone"]


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("nowhere", "there is no lockfile at nowhere"),
        ("HEAD:nowhere", "there is no lockfile at HEAD:nowhere"),
        ("v9:locks/x", "v9 is not a revision"),
    ],
)
def test_nowhere(root: Path, place: str, message: str) -> None:
    """What there is not is named."""
    with pytest.raises(LockError, match=message):
        LockRevisions(directory=root, environment=ENVIRONMENT).read(place)


def test_no_git(root: Path) -> None:
    """Without git there are no revisions, and no traceback."""
    with pytest.raises(LockError, match="there is no git"):
        LockRevisions(directory=root, environment={"PATH": str(root)}).read("HEAD:x")


def test_text(root: Path) -> None:
    """One line a change, platforms named where they disagree."""
    outcome = lading(["diff", "HEAD:x", "x", "--exit-code"], root)
    assert outcome.code == 1
    lines = outcome.stdout.splitlines()
    assert lines[0] == "^ a     1.9 -> 1.10"
    assert lines[2] == "= c     1 h1_0 -> 1 h2_0  [linux-64]"
    assert lines[3].startswith("~ d     1 https://conda.anaconda.org/conda-forge -> 1 https://")
    assert lines[-1] == "1 up, 1 down, 1 added, 1 removed, 1 from another channel, 1 build only"
    assert lading(["diff", "x", "x", "--exit-code"], root).code == 0


def test_markdown_and_json(root: Path) -> None:
    """The forms for a pull request and for programs."""
    markdown = lading(["diff", "HEAD:x", "x", "--format", "markdown"], root).stdout
    assert "| a | 1.9 | 1.10 | all |" in markdown
    assert "<details><summary>Build only (1)</summary>" in markdown
    document = lading(["diff", "HEAD:x", "x", "--format", "json", "-p", "osx-64"], root).stdout
    assert '"kind":"up"' in document
    assert "linux-64" not in document
