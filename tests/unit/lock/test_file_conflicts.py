"""`lading.lock.file_conflicts`: pip packages that would overwrite files of conda packages."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import pytest

from lading.conda.channels import MirrorMap
from lading.conda.names import Platform
from lading.errors import SpecError
from lading.lock.file_conflicts import FileLists, refuse_file_conflicts
from lading.lock.model import LockedPackage, Lockfile, Manager
from lading.lock.requested import Sources, read_sources
from lading.package.file_list import ArchiveFiles
from lading.system.digest import sha256_of
from simulators.records import locked, lockfile


def package(
    name: str, manager: Manager = Manager.CONDA, needs: Sequence[str] = ()
) -> LockedPackage:
    """A locked package; its archive is known by its name."""
    version = "3.12.1" if name == "python" else "1.0"
    suffix = "whl" if manager is Manager.PIP else "conda"
    return locked(
        name,
        version,
        manager,
        url=f"https://host.invalid/noarch/{name}-{version}-0.{suffix}",
        sha256=sha256_of(f"{manager} {name}".encode()),
        dependencies=dict.fromkeys(needs, ""),
    )


def lock_of(*packages: LockedPackage, platform: Platform = Platform.LINUX_64) -> Lockfile:
    """A lock of python and `packages`."""
    return lockfile(package("python"), *packages, platform=platform)


def knowing(directory: Path, lock: Lockfile, files: Mapping[str, ArchiveFiles]) -> FileLists:
    """Knows `files` by the names of packages of `lock` (`pip:NAME` of pip packages)."""
    for item in lock.packages:
        found = files.get(f"pip:{item.name}" if item.manager is Manager.PIP else item.name)
        if found is not None:
            path = directory / f"{item.sha256.hex}.json"
            path.write_bytes(msgspec.json.encode(found))
    return FileLists(cache=directory, mirrors=MirrorMap(mirrors={"https://host.invalid": ()}))


def refusal(directory: Path, lock: Lockfile, sources: Sources, **files: ArchiveFiles) -> SpecError:
    """The refusal of `lock`; `pip_NAME` are the files of a pip package."""
    named = {key.replace("pip_", "pip:"): value for key, value in files.items()}
    with pytest.raises(SpecError) as caught:
        refuse_file_conflicts(lock, sources, knowing(directory, lock, named))
    return caught.value


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    """A source that asks for `outer` and `own` from pip."""
    path = tmp_path / "environment.yml"
    path.write_text("dependencies: [python, framework, {pip: ['outer>=1', own]}]\n")
    return read_sources([path])


FRAMEWORK = package("framework", needs=["python"])
OWN = package("own", Manager.PIP)
OUTER = package("outer", Manager.PIP, ["shared"])
SHARED = package("shared", Manager.PIP)
NOTHING = ArchiveFiles()
MODULE = ArchiveFiles(site_paths=("module.py",))


def test_the_same_module(tmp_path: Path, sources: Sources) -> None:
    """Both packages, the file and the line to delete are named."""
    error = refusal(tmp_path, lock_of(FRAMEWORK, OWN), sources, framework=MODULE, pip_own=MODULE)
    expected = (
        "the pip package own 1.0 overwrites lib/python3.12/site-packages/module.py of the conda"
        " package framework 1.0"
    )
    assert expected == str(error)
    assert "delete `- own` below `pip:` in environment.yml" == error.hint


def test_brought_by_another(tmp_path: Path, sources: Sources) -> None:
    """Where a pip package comes with another one, the line of that one is named."""
    lock = lock_of(FRAMEWORK, OUTER, SHARED)
    error = refusal(tmp_path, lock, sources, framework=MODULE, pip_shared=MODULE)
    assert "delete `- outer>=1` below `pip:` in environment.yml, which brings shared" == error.hint


def test_a_source_of_another_kind(tmp_path: Path) -> None:
    """Where the line cannot be shown, what to delete is."""
    path = tmp_path / "meta.yaml"
    path.touch()
    sources = read_sources([path])
    error = refusal(tmp_path, lock_of(FRAMEWORK, OWN), sources, framework=MODULE, pip_own=MODULE)
    assert "delete own from the pip packages of the sources" == error.hint


def test_not_for_one_python(tmp_path: Path, sources: Sources) -> None:
    """A conda package that was built for one python has whole paths."""
    files = ArchiveFiles(paths=("lib/python3.12/site-packages/module.py",))
    assert "module.py" in str(
        refusal(tmp_path, lock_of(FRAMEWORK, OWN), sources, framework=files, pip_own=MODULE)
    )


def test_site_packages_elsewhere(tmp_path: Path, sources: Sources) -> None:
    """Python says where its site-packages are."""
    where = ArchiveFiles(site_packages="lib/python3.12t/site-packages")
    files = ArchiveFiles(paths=("lib/python3.12t/site-packages/module.py",))
    lock = lock_of(FRAMEWORK, OWN)
    assert refusal(tmp_path, lock, sources, framework=files, pip_own=MODULE, python=where)


def test_windows(tmp_path: Path, sources: Sources) -> None:
    """Windows has them elsewhere."""
    files = ArchiveFiles(paths=("Lib/site-packages/module.py",))
    lock = lock_of(FRAMEWORK, OWN, platform=Platform.WIN_64)
    assert refusal(tmp_path, lock, sources, framework=files, pip_own=MODULE)


def test_a_command(tmp_path: Path, sources: Sources) -> None:
    """A command is compared with those of packages that have nothing to do with python."""
    command = ArchiveFiles(paths=("bin/cmake",))
    error = refusal(
        tmp_path, lock_of(package("cmake"), OWN), sources, cmake=command, pip_own=command
    )
    assert "bin/cmake of the conda package cmake" in str(error)


def test_only_what_may_share_files_is_read(tmp_path: Path, sources: Sources) -> None:
    """Where wheels keep to site-packages, only packages that need python are looked into."""
    lock = lock_of(FRAMEWORK, package("library"), OWN)
    known = knowing(tmp_path, lock, {"pip:own": MODULE, "python": NOTHING, "framework": NOTHING})
    assert () == refuse_file_conflicts(lock, sources, known)


def test_nothing_to_compare(tmp_path: Path, sources: Sources) -> None:
    """Without pip packages nothing is looked into."""
    lock = lock_of(FRAMEWORK)
    assert () == refuse_file_conflicts(lock, sources, knowing(tmp_path, lock, {}))


def test_bytecode(tmp_path: Path, sources: Sources) -> None:
    """Bytecode may be in both: the installation makes its own."""
    files = ArchiveFiles(site_paths=("__pycache__/module.cpython-312.pyc",))
    lock = lock_of(FRAMEWORK, OWN)
    known = knowing(tmp_path, lock, {"framework": files, "pip:own": files, "python": NOTHING})
    assert () == refuse_file_conflicts(lock, sources, known)


def test_what_cannot_be_read(tmp_path: Path, sources: Sources) -> None:
    """Archives that nobody could look into are named."""
    lock = lock_of(FRAMEWORK, OWN)
    known = knowing(tmp_path, lock, {"pip:own": MODULE, "python": NOTHING})
    expected = ("framework-1.0-0.conda: it has no location",)
    assert expected == refuse_file_conflicts(lock, sources, known)
