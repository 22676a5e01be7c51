"""Virtual packages: the properties of the target machine that a solution may rely on.

Nothing is detected here, and `__cuda` is never assumed.

Source: CEP 30 (virtual packages).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from lading.conda.names import Platform


@dataclass(frozen=True, slots=True, order=True)
class VirtualPackage:
    """A property of a machine, as a package.

    Attributes:
        name: With its leading `__`.
        build: Build string; `0` where it has no meaning.
    """

    name: str
    version: str
    build: str = "0"

    def __str__(self) -> str:
        """`name=version=build`."""
        return f"{self.name}={self.version}={self.build}"


_ARCHSPEC = {
    Platform.LINUX_64: "x86_64",
    Platform.OSX_64: "x86_64",
    Platform.WIN_64: "x86_64",
    Platform.LINUX_AARCH64: "aarch64",
    Platform.OSX_ARM64: "m1",
    Platform.WIN_ARM64: "aarch64",
    Platform.LINUX_PPC64LE: "ppc64le",
    Platform.LINUX_ARMV7L: "armv7l",
    Platform.LINUX_RISCV64: "riscv64",
    Platform.LINUX_S390X: "s390x",
}


def default_virtual_packages(platform: Platform) -> tuple[VirtualPackage, ...]:
    """The virtual packages of `platform`, sorted by name, unless the configuration says otherwise.

    glibc 2.28 and Linux 5.10 are those of the oldest distributions with support (RHEL 8 has glibc
    2.28), macOS 11 the oldest that conda-forge builds for; the same numbers as conda-lock's.
    """
    packages = [VirtualPackage("__archspec", "1", _ARCHSPEC[platform])]
    if platform.is_windows:
        packages.append(VirtualPackage("__win", "10"))
        return tuple(sorted(packages))
    packages.append(VirtualPackage("__unix", "0"))
    if platform.is_linux:
        packages += [VirtualPackage("__glibc", "2.28"), VirtualPackage("__linux", "5.10")]
    else:
        packages.append(VirtualPackage("__osx", "11.0"))
    return tuple(sorted(packages))


def virtual_package_name(name: str) -> str:
    """The full name of what a user calls `name`: with the leading `__`."""
    return name if name.startswith("__") else f"__{name}"


def override_virtual_packages(
    packages: tuple[VirtualPackage, ...], overrides: Mapping[str, str]
) -> tuple[VirtualPackage, ...]:
    """`packages` with versions replaced or added, sorted by name.

    `overrides`: name, with or without the leading `__` → version, or `version=build`; an empty
    version takes the package away.
    """
    result = {package.name: package for package in packages}
    for name, value in overrides.items():
        full_name = virtual_package_name(name)
        version, _, build = value.partition("=")
        if version:
            result[full_name] = VirtualPackage(full_name, version, build or "0")
        else:
            result.pop(full_name, None)
    return tuple(sorted(result.values()))
