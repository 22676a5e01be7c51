"""`lading.lock.virtual_packages`: conda-lock's file of virtual packages."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from lading.conda.names import Platform
from lading.errors import SpecError
from lading.lock.virtual_packages import (
    find_virtual_packages,
    read_virtual_packages,
    targeted_virtual_packages,
)


def _file(directory: Path, text: str, name: str = "virtual-packages.yml") -> Path:
    path = directory / name
    path.write_text(text)
    return path


def test_platforms_and_builds(tmp_path: Path) -> None:
    """Each platform has its own; what follows the version is the build."""
    path = _file(
        tmp_path,
        'subdirs: {linux-64: {packages: {__glibc: "2.10", __archspec: "1 x86_64_v3"}},'
        ' osx-arm64: {packages: {__osx: "13.0"}}}',
    )
    assert read_virtual_packages(path) == {
        Platform.LINUX_64: {"__glibc": "2.10", "__archspec": "1=x86_64_v3"},
        Platform.OSX_ARM64: {"__osx": "13.0"},
    }


def test_the_file_of_conda_lock_itself() -> None:
    """What conda-lock brings is read."""
    package = find_spec("conda_lock")
    assert package is not None
    assert package.origin is not None
    found = read_virtual_packages(Path(package.origin).with_name("default-virtual-packages.yaml"))
    assert found[Platform.LINUX_64]["__glibc"] == "2.28"
    assert found[Platform.LINUX_64]["__archspec"] == "1=x86_64"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "is not valid YAML"),
        ("", "not a mapping with `subdirs`"),
        ("subdirs: []", "not a mapping with `subdirs`"),
        ("subdirs: {}\nother: 1", "not a mapping with `subdirs` alone"),
        ("subdirs: {linux-65: {packages: {}}}", "there is no platform 'linux-65'"),
        ("subdirs: {linux-64: {}}", "no mapping `packages`"),
        ("subdirs: {linux-64: {packages: {__glibc: 2.10}}}", "write the version as text"),
        ('subdirs: {linux-64: {packages: {glibc: "2.10"}}}', "begins with `__`"),
    ],
)
def test_wrong(tmp_path: Path, text: str, words: str) -> None:
    """What is wrong is named with its file."""
    path = _file(tmp_path, text)
    with pytest.raises(SpecError, match=words) as caught:
        read_virtual_packages(path)
    assert str(path) in str(caught.value)
    assert caught.value.hint


def test_all_problems_at_once(tmp_path: Path) -> None:
    """Several problems are told together."""
    path = _file(tmp_path, "subdirs: {linux-64: {packages: {__a: 1, b: x}}, nowhere: {}}")
    with pytest.raises(SpecError, match="has 3 problems") as caught:
        read_virtual_packages(path)
    assert len(caught.value.details) == 3


def test_missing(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(SpecError, match="cannot read"):
        read_virtual_packages(tmp_path / "none.yml")


def test_search(tmp_path: Path) -> None:
    """The first directory that has one, under either name."""
    (tmp_path / "b").mkdir()
    assert find_virtual_packages([tmp_path, tmp_path / "b"]) is None
    second = _file(tmp_path / "b", "", "virtual-packages.yaml")
    assert find_virtual_packages([tmp_path, tmp_path / "b"]) == second
    first = _file(tmp_path, "", "virtual-packages.yml")
    assert find_virtual_packages([tmp_path, tmp_path / "b"]) == first


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({"cuda_arch": "8.6"}, "without __cuda"),
        ({"cuda_arch": "8.6", "__cuda": ""}, "without __cuda"),
        ({"cuda_arch": "9.0a", "cuda": "12.4"}, "'9.0a' on any device"),
        ({"cuda_arch": "86", "cuda": "12.4"}, "'86' on any device"),
    ],
)
def test_cuda_arch(overrides: dict[str, str], reason: str) -> None:
    """A compute capability needs a driver, and is two numbers (CEP 46)."""
    with pytest.raises(SpecError, match=reason):
        targeted_virtual_packages(Platform.LINUX_64, {Platform.LINUX_64: overrides})
