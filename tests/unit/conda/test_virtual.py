"""Virtual packages."""

import pytest

from lading.conda.names import Platform
from lading.conda.virtual import (
    VirtualPackage,
    default_virtual_packages,
    override_virtual_packages,
)


@pytest.mark.parametrize(
    ("platform", "names"),
    [
        (Platform.LINUX_64, ["__archspec", "__glibc", "__linux", "__unix"]),
        (Platform.OSX_ARM64, ["__archspec", "__osx", "__unix"]),
        (Platform.WIN_64, ["__archspec", "__win"]),
    ],
)
def test_defaults_of_a_kind(platform: Platform, names: list[str]) -> None:
    """Each kind of platform has its own, sorted, and none has `__cuda`."""
    assert names == [package.name for package in default_virtual_packages(platform)]


@pytest.mark.parametrize("platform", list(Platform))
def test_every_platform_has_defaults(platform: Platform) -> None:
    """No platform is forgotten."""
    assert "__archspec" in {package.name for package in default_virtual_packages(platform)}


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"glibc": "2.17"}, ("__glibc=2.17=0",)),
        ({"__glibc": "2.17"}, ("__glibc=2.17=0",)),
        ({"cuda": "12"}, ("__cuda=12=0", "__glibc=2.28=0")),
        ({"glibc": ""}, ()),
        ({"osx": ""}, ("__glibc=2.28=0",)),
        ({"archspec": "1=zen4"}, ("__archspec=1=zen4", "__glibc=2.28=0")),
    ],
)
def test_overrides(overrides: dict[str, str], expected: tuple[str, ...]) -> None:
    """An override replaces, adds, or takes away."""
    packages = (VirtualPackage("__glibc", "2.28"),)
    assert expected == tuple(map(str, override_virtual_packages(packages, overrides)))
