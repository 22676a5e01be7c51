"""`lading.lock.file_conflicts`: pip packages that would overwrite files of conda packages."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from lading.conda.names import Platform
from lading.errors import SpecError
from lading.lock.file_conflicts import ListFiles, refuse_file_conflicts
from lading.lock.model import LockedPackage, Lockfile, Manager
from lading.package.file_list import ArchiveFiles, Unread
from lading.system.digest import sha256_of


def package(
    name: str, manager: Manager = Manager.CONDA, needs: Sequence[str] = ()
) -> LockedPackage:
    """A locked package; its archive is known by its name."""
    version = "3.12.1" if name == "python" else "1.0"
    suffix = "whl" if manager is Manager.PIP else "conda"
    return LockedPackage(
        name=name,
        version=version,
        manager=manager,
        url=f"https://host.invalid/noarch/{name}-{version}-0.{suffix}",
        sha256=sha256_of(f"{manager} {name}".encode()),
        dependencies=dict.fromkeys(needs, ""),
    )


def lockfile(*packages: LockedPackage, platform: Platform = Platform.LINUX_64) -> Lockfile:
    """A lock of python and `packages`."""
    return Lockfile(
        platform=platform,
        channels=(),
        sources=(),
        content_hash="",
        packages=(package("python"), *packages),
        metadata={},
        digest=sha256_of(b""),
    )


def knowing(files: Mapping[str, ArchiveFiles | Unread]) -> ListFiles:
    """Knows `files` by the names of packages (`pip:NAME` of pip packages); others have none."""

    def answer(packages: Sequence[LockedPackage]) -> Mapping[str, ArchiveFiles | Unread]:
        return {
            item.sha256.hex: files.get(
                f"pip:{item.name}" if item.manager is Manager.PIP else item.name, ArchiveFiles()
            )
            for item in packages
        }

    return answer


def refusal(lock: Lockfile, sources: Sequence[Path], **files: ArchiveFiles) -> SpecError:
    """The refusal of `lock`; `pip_NAME` are the files of a pip package."""
    named = {key.replace("pip_", "pip:"): value for key, value in files.items()}
    with pytest.raises(SpecError) as caught:
        refuse_file_conflicts(lock, sources, knowing(named))
    return caught.value


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A source that asks for `outer` and `own` from pip."""
    path = tmp_path / "environment.yml"
    path.write_text("dependencies: [python, framework, {pip: ['outer>=1', own]}]\n")
    return path


FRAMEWORK = package("framework", needs=["python"])
OWN = package("own", Manager.PIP)
OUTER = package("outer", Manager.PIP, ["shared"])
SHARED = package("shared", Manager.PIP)
MODULE = ArchiveFiles(site_paths=("module.py",))


def test_the_same_module(source: Path) -> None:
    """Both packages, the file and the line to delete are named."""
    error = refusal(lockfile(FRAMEWORK, OWN), [source], framework=MODULE, pip_own=MODULE)
    expected = (
        "the pip package own 1.0 overwrites lib/python3.12/site-packages/module.py of the conda"
        " package framework 1.0"
    )
    assert expected == str(error)
    assert "delete `- own` below `pip:` in environment.yml" == error.hint


def test_brought_by_another(source: Path) -> None:
    """Where a pip package comes with another one, the line of that one is named."""
    lock = lockfile(FRAMEWORK, OUTER, SHARED)
    error = refusal(lock, [source], framework=MODULE, pip_shared=MODULE)
    assert "delete `- outer>=1` below `pip:` in environment.yml, which brings shared" == error.hint


def test_a_source_of_another_kind(tmp_path: Path) -> None:
    """Where the line cannot be shown, what to delete is."""
    sources = [tmp_path / "pyproject.toml"]
    error = refusal(lockfile(FRAMEWORK, OWN), sources, framework=MODULE, pip_own=MODULE)
    assert "delete own from the pip packages of the sources" == error.hint


def test_not_for_one_python(source: Path) -> None:
    """A conda package that was built for one python has whole paths."""
    files = ArchiveFiles(paths=("lib/python3.12/site-packages/module.py",))
    assert "module.py" in str(
        refusal(lockfile(FRAMEWORK, OWN), [source], framework=files, pip_own=MODULE)
    )


def test_site_packages_elsewhere(source: Path) -> None:
    """Python says where its site-packages are."""
    where = ArchiveFiles(site_packages="lib/python3.12t/site-packages")
    files = ArchiveFiles(paths=("lib/python3.12t/site-packages/module.py",))
    lock = lockfile(FRAMEWORK, OWN)
    assert refusal(lock, [source], framework=files, pip_own=MODULE, python=where)


def test_windows(source: Path) -> None:
    """Windows has them elsewhere."""
    files = ArchiveFiles(paths=("Lib/site-packages/module.py",))
    lock = lockfile(FRAMEWORK, OWN, platform=Platform.WIN_64)
    assert refusal(lock, [source], framework=files, pip_own=MODULE)


def test_a_command(source: Path) -> None:
    """A command is compared with those of packages that have nothing to do with python."""
    command = ArchiveFiles(paths=("bin/cmake",))
    error = refusal(lockfile(package("cmake"), OWN), [source], cmake=command, pip_own=command)
    assert "bin/cmake of the conda package cmake" in str(error)


def test_only_what_may_share_files_is_read(source: Path) -> None:
    """Where wheels keep to site-packages, only packages that need python are looked into."""
    lock = lockfile(FRAMEWORK, package("library"), OWN)
    asked: list[str] = []
    answer = knowing({"pip:own": MODULE})

    def watched(packages: Sequence[LockedPackage]) -> Mapping[str, ArchiveFiles | Unread]:
        asked.extend(item.name for item in packages)
        return answer(packages)

    assert () == refuse_file_conflicts(lock, [source], watched)
    assert ["own", "python", "framework"] == asked


def test_nothing_to_compare(source: Path) -> None:
    """Without pip packages nothing is asked."""

    def never(_packages: Sequence[LockedPackage]) -> Mapping[str, ArchiveFiles | Unread]:
        raise AssertionError

    assert () == refuse_file_conflicts(lockfile(FRAMEWORK), [source], never)


def test_bytecode(source: Path) -> None:
    """Bytecode is made anew, whoever brings it."""
    files = ArchiveFiles(site_paths=("__pycache__/module.cpython-312.pyc",))
    lock = lockfile(FRAMEWORK, OWN)
    known = knowing({"framework": files, "pip:own": files})
    assert () == refuse_file_conflicts(lock, [source], known)


def test_what_cannot_be_read(source: Path) -> None:
    """Archives that nobody could look into are named."""
    lock = lockfile(FRAMEWORK, OWN)
    known = knowing({"framework": Unread("it is far away"), "pip:own": MODULE})
    assert ("framework-1.0-0.conda: it is far away",) == refuse_file_conflicts(
        lock, [source], known
    )
