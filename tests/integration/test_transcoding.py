"""Tarballs made from archives: the same bytes, whatever is at hand; nothing is done in vain."""

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulators.channel import CANONICAL, PLACEHOLDER, File, HardLink, Package, Symlink
from simulators.command import Outcome, lading, start
from simulators.interpreter import SITE_PACKAGES, python_package
from simulators.project import ENVIRONMENT, Project

STAMPED = b"\xa7\r\r\n\0\0\0\0"
NOARCH = Package(
    name="pure",
    noarch="python",
    depends=("python",),
    files={
        "site-packages/pure/__init__.py": b"def main(): print('pure')\n",
        "site-packages/pure/broken.py": b"def (",
        "python-scripts/pure-script": File(b"#!" + PLACEHOLDER + b"/bin/python\n", text=True),
    },
    entry_points=("pure = pure:main",),
)


def packages(suffix: str) -> list[Package]:
    """A python, and packages with a case for each rule."""
    native = Package(
        name="native",
        depends=("python",),
        archive_format=suffix,
        files={
            f"{SITE_PACKAGES}/native/a.py": b"x = 1\n",
            "bin/native": File(b"#!/bin/sh\necho native\n", mode=0o755),
            "bin/second": HardLink("bin/native"),
            "lib/libnative.so.1": File(b"\x7fELF" + PLACEHOLDER + b"/lib\0rest", binary=True),
            "lib/libnative.so": Symlink("libnative.so.1"),
            "share/both": b"native",
            "etc/conda/env_vars.d/native.json": b'{"NATIVE": "yes"}',
        },
    )
    other = Package(
        name="other", depends=("native",), archive_format=suffix, files={"share/both": b"other"}
    )
    return [python_package(), NOARCH, native, other]


def project_of(root: Path, suffix: str = ".conda") -> Path:
    """A project with a lock of these packages."""
    made = Project.of(root, packages(suffix))
    mirrors = f"[mirrors]\n{json.dumps(CANONICAL)} = [{json.dumps(made.channel.url)}]\n"
    (root / "lading.toml").write_text(mirrors)
    return root


def packed(root: Path, *options: str, suffix: str = "tar.zst") -> bytes:
    """The artifact that is made in a project."""
    outcome = lading(["pack", ENVIRONMENT, *options], root)
    assert outcome.code == 0, outcome.stderr
    [path] = (root / "dist").glob(f"*.{suffix}")
    return path.read_bytes()


@pytest.fixture(scope="module", params=[".conda", ".tar.bz2"])
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose packages are archives of either kind."""
    return project_of(tmp_path_factory.mktemp("transcoding"), request.param)


def test_the_bytes_are_the_same(project: Path) -> None:
    """From archives, from kept frames, by one or more workers, with and without a prefix."""
    first = packed(project)
    assert not (project / "build").exists()
    again = packed(project)
    alone = packed(project, "--no-frame-cache", "-j", "1")
    installed = lading(["install", ENVIRONMENT], project)
    assert installed.code == 0, installed.stderr
    beside = packed(project, "--no-frame-cache")
    assert (first, first, first) == (again, alone, beside)
    place = project / "elsewhere"
    assert lading(["unpack", next((project / "dist").glob("*.zst")), place], project).code == 0
    assert lading(["verify", place], project).code == 0
    assert (place / "bin/second").read_bytes() == (place / "bin/native").read_bytes()
    assert b"other" == (place / "share/both").read_bytes()
    prefix = next((project / "build").glob("*/*/prefix"))
    ours = {path.relative_to(place) for path in place.rglob("*.pyc")}
    assert {path.relative_to(prefix) for path in prefix.rglob("*.pyc")} == ours
    assert all((place / path).read_bytes() == (prefix / path).read_bytes() for path in ours)
    shutil.rmtree(place)


def test_a_kept_python_is_used_while_it_is_whole(tmp_path: Path) -> None:
    """The next pack that compiles unpacks no python, unless the kept one was damaged."""
    root = project_of(tmp_path)
    first = packed(root)

    def pack_again() -> Path:
        [kept] = (root / ".lading/bytecode").glob("python-*[!2]")
        for path in (root / ".lading/frames", *(root / ".lading/bytecode").glob("[!p]*")):
            shutil.rmtree(path)
        assert first == packed(root)
        return kept

    kept = pack_again()
    before = kept.stat().st_ino
    assert before == pack_again().stat().st_ino
    module = next(path for path in sorted(kept.rglob("*")) if path.is_file())
    data = module.read_bytes()
    module.chmod(0o700)
    module.write_bytes(data + b"#")
    assert before != pack_again().stat().st_ino
    assert data == module.read_bytes()


@pytest.mark.parametrize(
    ("suffix", "options"), [("sqsh", ("-f", "sqsh")), ("sh", ("--installer",))]
)
def test_images_and_installers(tmp_path: Path, suffix: str, options: tuple[str, ...]) -> None:
    """They are made of archives too: no prefix is there, and one that is there changes no byte.

    Neither do frames and blocks that are known, or those of another level.
    """
    root = project_of(tmp_path)
    first = packed(root, *options, suffix=suffix)
    assert not (root / "build").exists()
    packed(root, "--level", "small")
    shutil.rmtree(root / ".lading/frames")
    packed(root, "--level", "small")
    known = packed(root, *options, suffix=suffix)
    micromamba = os.environ.get("LADING_MICROMAMBA")
    engine = ("--engine", "micromamba", "--micromamba", micromamba) if micromamba else ()
    assert lading([*engine, "install", ENVIRONMENT], root).code == 0
    beside = packed(root, "--no-frame-cache", "-j", "1", *options, suffix=suffix)
    assert (first, first) == (known, beside)


def test_known_frames_need_no_package(project: Path, tmp_path: Path) -> None:
    """With a layer of frames nothing is extracted or linked, and nothing is fetched.

    But for a package that loses a file to another: its own list is not kept.
    """
    expected = packed(project)
    other = tmp_path / "other"
    shutil.copytree(project / "locks", other / "locks")
    for archive in project.glob("channel/*/*"):
        if archive.name.startswith("native-"):
            (other / "channel" / archive.parent.name).mkdir(parents=True)
            shutil.copy(archive, other / "channel" / archive.parent.name)
    settings = (project / "lading.toml").read_text().replace(str(project), str(other))
    layer = f'frame-layers = ["{project}/.lading/frames"]\n'
    (other / "lading.toml").write_text(layer + settings)
    assert expected == packed(other)
    kept = [path.name for path in (other / ".lading/pkgs").iterdir() if path.name[0] != "."]
    assert ["native"] == [name.split("-")[0] for name in kept if name != "wheels"]


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Path]:
    """A project with a package that takes a while."""
    many = {f"share/{n}": os.urandom(1 << 20) for n in range(60)}
    made = Project.of(tmp_path / "slow", [Package(name="a", files=many), Package(name="b")])
    mirrors = f"[mirrors]\n{json.dumps(CANONICAL)} = [{json.dumps(made.channel.url)}]\n"
    (made.root / "lading.toml").write_text(mirrors)
    return made.root


def interrupted(root: Path, *, worker: bool) -> Outcome:
    """What packing did when a signal came midway: SIGINT to it, or SIGKILL to its worker."""
    with start(["pack", ENVIRONMENT, "--level", "small", "-j", "2"], root, {}) as child:
        children = Path(f"/proc/{child.pid}/task/{child.pid}/children")
        deadline = time.monotonic() + 60
        workers: list[str] = []
        while not workers and time.monotonic() < deadline and child.poll() is None:
            # Those that read what packages say of themselves have ended when frames are made.
            if any((root / ".lading").glob("frames/.*.frames.*")):
                workers = children.read_text().split()
            time.sleep(0.01)
        assert workers, child.communicate(timeout=60)
        time.sleep(0.2)
        if worker:
            for pid in workers:
                os.kill(int(pid), signal.SIGKILL)
        else:
            child.send_signal(signal.SIGINT)
        stdout, stderr = child.communicate(timeout=60)
    return Outcome(child.returncode, stdout, stderr)


@pytest.mark.parametrize(("worker", "code"), [(True, 71), (False, 130)])
def test_what_is_interrupted_leaves_nothing(slow: Path, *, worker: bool, code: int) -> None:
    """A killed worker is one plain error, Ctrl-C ends it; no tarball, no frames, no directories."""
    outcome = interrupted(slow, worker=worker)
    assert outcome.code == code, outcome.stderr
    left = [path for path in slow.rglob("*") if ".lading-" in path.name and path.is_dir()]
    assert ([], []) == (left, list((slow / "dist").glob("*.zst")))
