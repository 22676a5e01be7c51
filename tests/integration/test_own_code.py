"""A project's own code: built when locking, locked by digest, packed, and run elsewhere."""

import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from lading.lock.model import LockedPackage, Lockfile
from lading.lock.reading import read_lockfile
from lading.lock.side_list import built_wheels
from lading.system.digest import sha256_of_file
from simulators.channel import CANONICAL, ChannelSimulator, Package
from simulators.command import Outcome, lading
from simulators.engine_project import ENGINES, engine_variables
from simulators.interpreter import SITE_PACKAGES, python_package, write_wheel

PYPROJECT = """\
[project]
name = "My.Service"
version = "1.0"
[project.scripts]
my-service = "my_service:main"
[build-system]
requires = ["uv_build>=0.5,<1"]
build-backend = "uv_build"
[tool.uv.build-backend]
module-name = "my_service"
"""


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a channel with a python that runs, and a pip."""
    channel = ChannelSimulator(tmp_path_factory.mktemp("own") / "channel")
    channel.add(python_package())
    channel.add(Package(name="pip", version="24.0", noarch="python", depends=("python",)))
    channel.write_repodata()
    return channel.url


@pytest.fixture
def project(tmp_path: Path, channel: str) -> Path:
    """A project with a package of its own in `lib`, and a wheel in `wheels`."""
    root = tmp_path / "project"
    package = root / "lib/src/my_service"
    package.mkdir(parents=True)
    (root / "lib/pyproject.toml").write_text(PYPROJECT)
    (package / "__init__.py").write_text('def main() -> None:\n    print("one")\n')
    write_wheel(root / "wheels", "helper")
    (root / "lading.toml").write_text(f'[mirrors]\n"{CANONICAL}" = ["{channel}"]\n')
    write(root, "-e ./lib", "./wheels/helper-1.0-py3-none-any.whl")
    return root


def write(project: Path, *pip: str) -> None:
    """Write an environment file that asks for python and these lines below `pip:`."""
    lines = "".join(f"\n      - {line}" for line in pip)
    (project / "environment.yml").write_text(
        f"name: x\nchannels: ['{CANONICAL}']\ndependencies:\n  - python\n  - pip:{lines}\n"
    )


def run(project: Path, *arguments: object, code: int = 0, **variables: str) -> Outcome:
    """What a command did, which ends with `code`."""
    variables = {"LADING_ENGINE": "embedded", **variables}
    outcome = lading([str(item) for item in arguments], project, variables)
    assert outcome.code == code, outcome.stderr + outcome.stdout
    return outcome


def locked(project: Path) -> Lockfile:
    """The lock for this machine."""
    [path] = (project / "locks/x").iterdir()
    return read_lockfile(path)


def package(project: Path, name: str) -> LockedPackage:
    """A pip package of the lock."""
    return next(item for item in locked(project).pip if canonicalize_name(item.name) == name)


def said(prefix: Path, command: str = "my-service") -> str:
    """What a console script of an environment says."""
    done = subprocess.run([prefix / "bin" / command], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_whole_way(project: Path, tmp_path: Path) -> None:
    """Locked by digest, packed, unpacked elsewhere and run; a new version moves one frame."""
    run(project, "lock")
    helper, service = package(project, "helper"), package(project, "my-service")
    assert helper.url == "file:./wheels/helper-1.0-py3-none-any.whl"
    wheel = project / service.url.removeprefix("file:")
    assert wheel == project / f".lading/wheels/{service.sha256.hex}/{service.file_name}"
    assert service.sha256 == sha256_of_file(wheel)
    built = built_wheels(locked(project))["my-service"]
    assert built.source == "./lib"
    assert built.requires[0].startswith("uv-build==")
    assert str(project) not in (project / "locks/x").iterdir().__next__().read_text()
    run(project, "lock", "--check")
    exported = run(project, "export", "x", "--pylock").stdout
    assert 'path = "./wheels/helper-1.0-py3-none-any.whl"' in exported
    assert "environment.yml: -e ./lib" in run(project, "list", "x").stdout
    run(project, "pack", "x", "--level", "fast")
    [tarball] = (project / "dist").glob("*.tar.zst")
    shutil.move(tarball, tmp_path / "x.tar.zst")
    run(tmp_path, "unpack", "x.tar.zst", "elsewhere")
    assert said(tmp_path / "elsewhere") == "one"
    assert said(tmp_path / "elsewhere", "helper") == "helper 1.0"


def test_one_tarball(project: Path) -> None:
    """From archives, from kept frames, without them, and beside a prefix: the same bytes."""
    run(project, "lock")

    def packed(*options: str) -> bytes:
        run(project, "pack", "x", *options)
        return next((project / "dist").glob("*.tar.zst")).read_bytes()

    first = packed()
    again, alone = packed(), packed("--no-frame-cache", "-j", "1")
    assert not (project / "build").exists()
    run(project, "install", "x")
    assert (first, first, first) == (again, alone, packed("--no-frame-cache"))


def test_changed_sources(project: Path) -> None:
    """`--check` says whose sources changed; locking again and installing gives the new ones."""
    run(project, "lock")
    run(project, "install", "x")
    source = project / "lib/src/my_service/__init__.py"
    source.write_text(source.read_text().replace('"one"', '"two"'))
    checked = run(project, "lock", "--check", code=1)
    assert "the sources of my-service changed (./lib)" in checked.stdout
    run(project, "lock")
    run(project, "lock", "--check")
    run(project, "install", "x")
    [prefix] = project.glob("build/x/*/prefix")
    assert said(prefix) == "two"
    write_wheel(project / "wheels", "helper", members={"more.py": ""})
    checked = run(project, "lock", "--check", code=1)
    assert "helper-1.0-py3-none-any.whl is not the wheel that is locked" in checked.stdout


@pytest.mark.parametrize("engine", ENGINES)
def test_editable(project: Path, engine: str) -> None:
    """A linked tree is imported from where it lies; what is packed is the wheel."""
    variables = engine_variables(engine)
    run(project, "lock", **variables)
    run(project, "install", "x", "--editable", **variables)
    [prefix] = project.glob("build/x/*/prefix")
    source = project / "lib/src/my_service/__init__.py"
    source.write_text(source.read_text().replace('"one"', '"edited"'))
    run(project, "install", "x", "--editable", **variables)
    assert said(prefix) == "edited"
    source.write_text(source.read_text().replace('"edited"', '"one"'))
    run(project, "pack", "x", "--level", "fast", "-o", "out", **variables)
    [tarball] = project.glob("out/*.tar.zst")
    run(project, "unpack", tarball, "elsewhere")
    assert (project / "elsewhere" / SITE_PACKAGES / "my_service/__init__.py").is_file()


def test_built_again_elsewhere(project: Path, tmp_path: Path) -> None:
    """In another checkout without the wheel it is built again, with the digest of the lock."""
    run(project, "lock")
    checkout = tmp_path / "another checkout"
    ignored = shutil.ignore_patterns(".lading", "build", "dist")
    shutil.copytree(project, checkout, ignore=ignored)
    (checkout / "lib/src/my_service/__init__.py").chmod(0o600)
    run(checkout, "fetch", "x")
    wheel = package(project, "my-service")
    assert (checkout / ".lading/wheels" / wheel.sha256.hex / wheel.file_name).is_file()
    run(checkout, "lock", "--check")
    shutil.rmtree(checkout / ".lading")
    (checkout / "lib/src/my_service/more.py").write_text("")
    refused = run(checkout, "install", "x", code=3)
    assert "the sources of my-service in ./lib changed since they were locked" in refused.stderr


def test_relocking_keeps_the_wheel(project: Path) -> None:
    """With the same sources nothing is built, and the lock has the same bytes."""
    run(project, "lock")
    [path] = (project / "locks/x").iterdir()
    before = path.read_bytes()
    [wheel] = project.glob(".lading/wheels/*/*.whl")
    stamp = wheel.stat().st_mtime_ns
    run(project, "lock")
    assert (before, stamp) == (path.read_bytes(), wheel.stat().st_mtime_ns)
    wheel.unlink()
    run(project, "lock")
    assert before == path.read_bytes()
    assert wheel.is_file()


def test_unstable_backend(project: Path) -> None:
    """A backend that writes the clock is told with the file that differs."""
    (project / "lib/pyproject.toml").write_text(
        '[project]\nname = "my-service"\nversion = "1"\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (project / "lib/backend.py").write_text(
        "import os, zipfile\n"
        "def build_wheel(directory, settings=None, metadata=None):\n"
        "    name = 'my_service-1-py3-none-any.whl'\n"
        "    with zipfile.ZipFile(os.path.join(directory, name), 'w') as archive:\n"
        "        archive.writestr('my_service.py', os.urandom(8).hex())\n"
        "        info = 'my_service-1.dist-info/'\n"
        "        text = 'Metadata-Version: 2.1\\nName: my-service\\nVersion: 1\\n'\n"
        "        archive.writestr(info + 'METADATA', text)\n"
        "        archive.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nTag: py3-none-any\\n')\n"
        "        archive.writestr(info + 'RECORD', '')\n"
        "    return name\n"
    )
    done = run(project, "lock")
    assert "my-service is not built the same twice: my_service.py differs" in done.stderr
    assert not built_wheels(locked(project))["my-service"].is_stable
    shutil.rmtree(project / ".lading")
    refused = run(project, "fetch", "x", code=7)
    assert "built here with other bytes" in refused.stderr


def test_settings_ask_for_projects(project: Path) -> None:
    """`projects` does what a line below `pip:` does; a mirror carries the wheel."""
    (project / "environment.yml").write_text(
        f"name: x\nchannels: ['{CANONICAL}']\ndependencies: [python]\n"
    )
    settings = project / "lading.toml"
    settings.write_text(settings.read_text() + '[environments.x]\nprojects = ["lib"]\n')
    run(project, "lock")
    run(project, "lock", "--check")
    told = run(project, "mirror", "x", "carried").stderr
    assert (project / "carried/wheels/local/.lading/wheels").is_dir()
    shutil.rmtree(project / ".lading")
    settings.write_text(told[told.index("[mirrors]") :])
    run(project, "install", "x", "--offline")
    [prefix] = project.glob("build/x/*/prefix")
    assert said(prefix) == "one"
    assert (prefix / SITE_PACKAGES / "my_service/__init__.py").is_file()


def test_broken_build(project: Path) -> None:
    """What the backend says is shown."""
    (project / "lib/src/my_service/__init__.py").unlink()
    (project / "lib/src/my_service").rmdir()
    refused = run(project, "lock", code=5)
    assert "my-service (./lib): it cannot be built" in refused.stderr
    assert "my_service" in refused.stderr.partition("it cannot be built")[2]
    assert not any(zipfile.is_zipfile(path) for path in project.glob(".lading/wheels/**/*"))


def test_files_of_the_project(project: Path, tmp_path: Path) -> None:
    """Files and directories lie in the tarball as packages of their own; changes are told."""
    models = project / "models"
    (models / "deep").mkdir(parents=True)
    (models / "deep/model.bin").write_bytes(b"\0" * 1000)
    (models / "latest").symlink_to("deep/model.bin")
    (project / "start.sh").write_text("#!/bin/sh\necho started\n")
    (project / "start.sh").chmod(0o755)
    settings = project / "lading.toml"
    settings.write_text(
        settings.read_text() + "[environments.x]\nfiles = ["
        '{from = "models", to = "share/models"}, {from = "start.sh", to = "bin/"}]\n'
    )
    write(project, "./wheels/helper-1.0-py3-none-any.whl")
    run(project, "lock")
    run(project, "lock", "--check")
    run(project, "install", "x")
    foreign = next(project.glob("build/x/*/prefix")) / SITE_PACKAGES
    for number in range(7):
        (foreign / f"foreign-{number}.py").touch()
    packed = run(project, "pack", "x", "--level", "fast", "--strict", code=8)
    assert "7 files" in packed.stderr
    packed = run(project, "pack", "x", "--level", "fast")
    assert "7 files in" in packed.stderr
    assert "foreign-4.py" in packed.stderr
    assert "foreign-5.py" not in packed.stderr
    [tarball] = (project / "dist").glob("*.tar.zst")
    run(tmp_path, "unpack", tarball, "elsewhere")
    assert (tmp_path / "elsewhere/share/models/latest").read_bytes() == b"\0" * 1000
    assert said(tmp_path / "elsewhere", "start.sh") == "started"
    run(tmp_path, "verify", "elsewhere")
    (models / "deep/model.bin").write_bytes(b"\1" * 1000)
    (models / "deep/more.bin").touch()
    assert "the files in ./models changed" in run(project, "lock", "--check", code=1).stdout
    assert (
        "the files in ./models changed since"
        in run(project, "install", "x", "--force", code=3).stderr
    )
    run(project, "lock")
    (models / "deep/more.bin").unlink()
    run(project, "lock")
    run(project, "install", "x")
    [prefix] = project.glob("build/x/*/prefix")
    assert (prefix / "share/models/deep/model.bin").read_bytes() == b"\1" * 1000
    settings.write_text(settings.read_text().replace("share/models", "conda-meta"))
    assert "records of packages" in run(project, "lock", code=3).stderr
