"""An installation updated in place is the one that would have been made from nothing."""

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from simulators.channel import PLACEHOLDER, File, Package, Symlink
from simulators.engine_project import ENGINES, EngineProject
from simulators.example_project import snapshot
from simulators.interpreter import python_package, write_wheel
from simulators.launcher import Launcher, Run
from simulators.project import ENVIRONMENT

engines = pytest.mark.parametrize("engine", ENGINES)

MOMENTS = 20
EARLIEST_SECONDS = 0.02


def packages_of(name: str, version: str, **more: object) -> Package:
    """A package with every kind of file, all but one of which depend on its version."""
    return Package(
        name=name,
        version=version,
        files={
            f"bin/{name}": File(b"#!" + PLACEHOLDER + b"/bin/python\n", 0o755, text=True),
            f"lib/{name}.so": File(b"\x7fELF" + PLACEHOLDER + b"/lib\0tail", binary=True),
            f"lib/{name}.so.{version}": version.encode(),
            f"lib/{name}-link": Symlink(f"{name}.so.{version}"),
            f"share/{name}/{version}/deep/data": b"data",
            f"share/{name}/same": b"the same in all versions",
        },
        **more,
    )


def noarch(name: str, version: str, text: str = "x = 1\n") -> Package:
    """The same name as a noarch package for python, with an entry point."""
    return Package(
        name=name,
        version=version,
        noarch="python",
        depends=("python",),
        files={f"site-packages/{name}/__init__.py": text.encode()},
        entry_points=(f"{name} = {name}:main",),
    )


KEPT = tuple(packages_of(f"kept{number}", "1.0") for number in range(6))
PACKAGES = (
    python_package(),
    python_package(build="1"),
    *KEPT,
    noarch("pure", "1.0"),
    *(packages_of("tool", version) for version in ("1.0", "2.0")),
    packages_of("tool", "1.0", build="1", build_number=1),
    noarch("tool", "3.0"),
    noarch("tool", "4.0", "y = 2\n"),
    # A directory where another version has a file.
    Package(
        name="tool", version="5.0", files={"bin/tool/inside": b"", "lib/tool.so": Symlink("x")}
    ),
    Package(name="rival", version="2.0", files={"share/kept0/same": b"contended for"}),
    Package(name="rival", version="3.0", files={"share/kept0/same/inside": b"in the way"}),
)
PYTHON = python_package().distribution
OTHER_PYTHON = python_package(build="1").distribution
BASE = (PYTHON, *(item.distribution for item in KEPT), "pure-1.0-0")


@dataclass(frozen=True, slots=True)
class UpdatedProject:
    """A project whose lock is changed, and one that installs each lock from nothing."""

    project: EngineProject
    launcher: Launcher
    wheels: Path

    def lock(self, *words: str) -> None:
        """Lock what `words` say: distribution strings, and wheels as `thing==1.0`."""
        records = [
            item for item in self.project.base.channel.records() if item.distribution in words
        ]
        wheels = [
            self.wheels / f"{word.replace('==', '-')}-py3-none-any.whl"
            for word in words
            if "==" in word
        ]
        assert len(words) == len(records) + len(wheels)
        self.project.base.write_lock(records, wheels)

    def install(self, *options: str, **more: object) -> Run:
        """What installing did."""
        return self.launcher.run("--verbose", "install", ENVIRONMENT, *options, **more)

    def state(self) -> dict[str, object]:
        """All that an installation leaves: prefix, bill, contents, tarball; the prefix is sound."""
        done = self.launcher.run("verify", ENVIRONMENT)
        assert 0 == done.code, done.output
        done = self.launcher.run("pack", ENVIRONMENT, "--level", "fast")
        assert 0 == done.code, done.output
        directory = self.project.prefix.parent
        return {
            "prefix": snapshot(self.project.prefix),
            **{
                name: (directory / name).read_bytes()
                for name in ("install.json", "contents.msgpack")
            },
            **{path.name: path.read_bytes() for path in (self.project.root / "dist").iterdir()},
            "beside": sorted(path.name for path in directory.iterdir()),
        }


@pytest.fixture(scope="module", params=ENGINES)
def updated(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[UpdatedProject]:
    """A project for one engine; what a test finds installed, it need not know."""
    root = tmp_path_factory.mktemp("updated")
    project = EngineProject.of(root / "project", request.param, PACKAGES)
    for version in ("1.0", "2.0"):
        write_wheel(root / "wheels", "thing", version)
    shared = {"shared/__init__.py": "", "shared/kept.py": ""}
    write_wheel(root / "wheels", "one", members={**shared, "shared/one.py": ""})
    write_wheel(root / "wheels", "two", members={**shared, "shared/two.py": ""})
    project.use_mirror(project.base.channel.url, wheels=(root / "wheels").as_uri())
    with Launcher.start(project.root, project.variables) as launcher:
        yield UpdatedProject(project, launcher, root / "wheels")


STEPS = {
    "nothing": ((), (), 0),
    "added": ((), ("tool-1.0-0",), 1),
    "removed": (("tool-1.0-0",), (), 1),
    "up": (("tool-1.0-0",), ("tool-2.0-0",), 1),
    "down": (("tool-2.0-0",), ("tool-1.0-0",), 1),
    "build": (("tool-1.0-0",), ("tool-1.0-1",), 1),
    "to noarch": (("tool-2.0-0",), ("tool-3.0-0",), 1),
    "from noarch": (("tool-3.0-0",), ("tool-2.0-0",), 1),
    "noarch": (("tool-3.0-0",), ("tool-4.0-0",), 1),
    "directory for file": (("tool-1.0-0",), ("tool-5.0-0",), 1),
    "file for directory": (("tool-5.0-0",), ("tool-1.0-0",), 1),
    "wheel added": ((), ("thing==1.0",), 1),
    "wheel removed": (("thing==1.0",), (), 1),
    "wheel changed": (("thing==1.0", "one==1.0"), ("thing==2.0", "one==1.0"), 1),
    "everything": (("thing==1.0", "tool-1.0-0"), ("one==1.0", "tool-3.0-0"), 3),
}
"""Before, after, and how many packages moved."""


@pytest.mark.parametrize("step", STEPS)
def test_an_update_is_an_installation(updated: UpdatedProject, step: str) -> None:
    """Only what moved is moved, and every byte is as if all were made from nothing."""
    before, after, moved = STEPS[step]
    updated.lock(*BASE, *before)
    assert 0 == updated.install("--force").code
    # As python and people leave it.
    for name in ("lib/kept0/__pycache__/x.cpython-311.pyc", "share/kept0/note"):
        (updated.project.prefix / name).parent.mkdir(parents=True, exist_ok=True)
        (updated.project.prefix / name).write_bytes(b"")
    updated.lock(*BASE, *after)
    if step == "nothing":
        updated.project.base.lock.write_text(updated.project.base.lock.read_text() + "\n")
    done = updated.install()
    assert 0 == done.code, done.output
    words = f"updated in place, {moved} of {len(BASE) + len(after)} packages moved"
    assert words in done.output
    in_place = updated.state()
    assert 0 == updated.install("--force").code
    assert updated.state() == in_place


@pytest.mark.parametrize("seed", [1, 2])
def test_many_updates_are_one_installation(updated: UpdatedProject, seed: int) -> None:
    """Whatever came, changed and went in between, the end is as if made from nothing."""
    chance = random.Random(seed)
    choices = (
        ("tool-1.0-0", "tool-1.0-1", "tool-2.0-0", "tool-3.0-0", "tool-4.0-0", "tool-5.0-0", ""),
        ("thing==1.0", "thing==2.0", ""),
        ("one==1.0", ""),
        ("two==1.0", ""),
        # It contends for a path: all is made anew.
        ("rival-2.0-0", "", "", "", ""),
    )
    for _ in range(8):
        updated.lock(*BASE, *filter(None, map(chance.choice, choices)))
        done = updated.install()
        assert 0 == done.code, done.output
    in_place = updated.state()
    assert 0 == updated.install("--force").code
    assert updated.state() == in_place


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Why there is no update: what is done to the prefix, locked before and after, asked for."""

    reason: str
    damage: Callable[[Path], object] = bool
    before: tuple[str, ...] = BASE
    after: tuple[str, ...] = BASE
    options: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


def replace_file(path: Path, data: bytes, moment: int | None = None, mode: int = 0o644) -> None:
    """Another content of the same size, by default at a later time than that of the bill."""
    bill = path.parents[2] / "install.json"
    if moment is None:
        moment = bill.stat().st_mtime_ns + 1
    path.unlink()
    path.write_bytes(data)
    path.chmod(mode)
    os.utime(path, ns=(moment, moment))


def replace_link(path: Path) -> None:
    """Another target."""
    path.unlink()
    path.symlink_to("elsewhere")


DOUBTS = {
    "content": Doubt(
        reason="lib/kept0.so.1.0 was changed",
        damage=lambda prefix: replace_file(prefix / "lib/kept0.so.1.0", b"0.1"),
    ),
    "size": Doubt(
        reason="bin/kept0 was changed", damage=lambda prefix: (prefix / "bin/kept0").write_text("")
    ),
    "gone": Doubt(
        reason="lib/kept0.so: No such file or directory",
        damage=lambda prefix: (prefix / "lib/kept0.so").unlink(),
    ),
    "mode": Doubt(
        reason="bin/kept0 was changed", damage=lambda prefix: (prefix / "bin/kept0").chmod(0o644)
    ),
    "link": Doubt(
        reason="lib/kept0-link was changed",
        damage=lambda prefix: replace_link(prefix / "lib/kept0-link"),
    ),
    "contents": Doubt(
        reason="contents.msgpack was changed",
        damage=lambda prefix: (prefix.parent / "contents.msgpack").write_bytes(b""),
    ),
    "cache": Doubt(
        reason="kept0-1.0-0 is not in the package cache",
        damage=lambda prefix: [
            shutil.rmtree(path) for path in prefix.parents[3].glob(".lading/pkgs/**/kept0-1.0-0")
        ],
    ),
    "older": Doubt(
        # The text of a placeholder is there only once: no hard link of the cache.
        reason="bin/kept0 was changed",
        damage=lambda prefix: replace_file(
            prefix / "bin/kept0", b"#" * (prefix / "bin/kept0").stat().st_size, 0, 0o755
        ),
    ),
    "empty directory": Doubt(
        reason="is empty, and no package owns it",
        damage=lambda prefix: (prefix / "share/kept0/foreign").mkdir(),
    ),
    "another cache": Doubt(reason="is not in the package cache", command=("--pkgs-dir", "other")),
    "clobbering": Doubt(reason="share/kept0/same", after=(*BASE, "rival-2.0-0")),
    "clobbered before": Doubt(
        reason="kept0, rival own share/kept0/same", before=(*BASE, "rival-2.0-0")
    ),
    "shared by wheels": Doubt(
        reason="shared/__init__.py cannot be read",
        before=(*BASE, "one==1.0", "two==1.0"),
        after=(*BASE, "one==1.0"),
    ),
    "python": Doubt(reason="its python is another one", after=(OTHER_PYTHON, *BASE[1:])),
    "many": Doubt(reason="4 packages changed", after=(PYTHON, *BASE[5:])),
    "bytecode": Doubt(reason="another choice of bytecode", options=("--no-bytecode",)),
    "scripts": Doubt(reason="with link scripts", options=("--link-scripts",)),
}


@pytest.mark.parametrize("name", DOUBTS)
def test_in_doubt_all_is_made_anew(updated: UpdatedProject, name: str) -> None:
    """Why there was no update is said to those who want to know, and the result is sound."""
    doubt = DOUBTS[name]
    updated.lock(*doubt.before)
    assert 0 == updated.install("--force").code
    doubt.damage(updated.project.prefix)
    updated.lock(*doubt.after)
    updated.project.base.lock.write_text(updated.project.base.lock.read_text() + "\n")
    done = updated.launcher.run("-v", *doubt.command, "install", ENVIRONMENT, *doubt.options)
    reasons = [line for line in done.output.splitlines() if "is installed from nothing: " in line]
    assert 0 == done.code, done.output
    assert [True] == [doubt.reason in line for line in reasons], done.output
    assert "updated in place" not in done.output
    assert 0 == updated.launcher.run("verify", ENVIRONMENT).code


def test_what_cannot_be_installed_cannot_be_updated(updated: UpdatedProject) -> None:
    """Where one package has a file and another one a directory, nothing is left."""
    updated.lock(*BASE)
    assert 0 == updated.install("--force").code
    updated.lock(*BASE, "rival-3.0-0")
    done = updated.install()
    assert "is in the way of share/kept0/same/inside of rival-3.0-0" in done.output
    assert 7 == done.code
    assert [".lock"] == [path.name for path in updated.project.prefix.parent.iterdir()]


def test_another_engine_makes_all_anew(tmp_path: Path) -> None:
    """What one engine linked is not mixed with what another one does."""
    project = EngineProject.of(tmp_path / "project", "embedded", KEPT)
    assert 0 == project.install().code
    bill = project.prefix.parent / "install.json"
    bill.write_text(bill.read_text().replace('"engine":"embedded ', '"engine":"another '))
    project.base.lock.write_text(project.base.lock.read_text() + "\n")
    done = project.install("--verbose")
    assert "it was installed by another engine" in done.stderr
    assert "installed sample" in done.stderr


def test_an_update_is_told_to_programs(updated: UpdatedProject) -> None:
    """How many packages moved, or null."""
    for words, moved in (((), None), (("tool-1.0-0",), 1)):
        updated.lock(*BASE, *words)
        done = updated.launcher.run(
            "install", ENVIRONMENT, "--json", *([] if words else ["--force"])
        )
        assert moved == json.loads(done.output.splitlines()[-1])["moved"]


def test_killed_at_any_moment(updated: UpdatedProject) -> None:
    """An update that was killed leaves nothing that looks complete and is not; then it succeeds."""
    chance = random.Random(MOMENTS)
    locks = (
        (*BASE, "tool-1.0-0", "thing==1.0"),
        (*BASE, "tool-3.0-0", "thing==2.0"),
    )
    expected = []
    for words in locks:
        updated.lock(*words)
        assert 0 == updated.install("--force").code
        expected.append(updated.state())
    longest = 0.0
    for number in range(int(os.environ.get("LADING_TEST_MOMENTS", MOMENTS))):
        updated.lock(*locks[number % 2])
        moment = chance.uniform(EARLIEST_SECONDS, 1.1 * longest)
        done = updated.install(**({"kill_after": moment} if longest else {}))
        longest = max(longest, done.seconds)
        assert done.code in {0, -9}, done.output
        if updated.project.is_complete:
            assert 0 == updated.launcher.run("verify", ENVIRONMENT).code
        done = updated.install()
        assert 0 == done.code, done.output
        assert snapshot(updated.project.prefix) == expected[number % 2]["prefix"]
    assert updated.state() == expected[number % 2]
