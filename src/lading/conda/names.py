"""Names of the conda standards: packages, their dependencies, subdirs, distribution strings.

Source: CEP 26 (identifiers), CEP 29 (MatchSpec), CEP 34 (`depends`).
"""

import os
import platform as host
import re
import sys
from collections.abc import Callable
from enum import StrEnum
from functools import cache
from typing import NewType

NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?(?=$|[\s=<>!~*])")
"""A package name at the beginning of a MatchSpec."""

LONGEST_NAME = 100
"""Bytes of the name of an environment: it becomes part of longer file names."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

PackageName = NewType("PackageName", str)
"""Lower-case name of a conda package; a leading `__` marks a virtual one (CEP 26)."""

BuildString = NewType("BuildString", str)
"""Tells variants of one version apart (CEP 34)."""

MatchSpecText = NewType("MatchSpecText", str)
"""A MatchSpec in the form that both engines read, see `lading.conda.match_spec` (CEP 29)."""


class Platform(StrEnum):
    """Every subdir but `noarch` that a lockfile may target (CEP 26, CEP 37)."""

    LINUX_64 = "linux-64"
    LINUX_AARCH64 = "linux-aarch64"
    LINUX_ARMV7L = "linux-armv7l"
    LINUX_PPC64LE = "linux-ppc64le"
    LINUX_RISCV64 = "linux-riscv64"
    LINUX_S390X = "linux-s390x"
    OSX_64 = "osx-64"
    OSX_ARM64 = "osx-arm64"
    WIN_64 = "win-64"
    WIN_ARM64 = "win-arm64"

    @property
    def is_linux(self) -> bool:
        """Whether programs for it run on Linux."""
        return self.value.startswith("linux-")

    @property
    def is_windows(self) -> bool:
        """Whether programs for it run on Windows."""
        return self.value.startswith("win-")


_ARCHITECTURES = {
    "x86_64": "64",
    "amd64": "64",
    "aarch64": "aarch64",
    "arm64": "arm64",
    "ppc64le": "ppc64le",
    "armv7l": "armv7l",
    "riscv64": "riscv64",
    "s390x": "s390x",
}


def parse_platform(text: str) -> Platform:
    """The platform named `text`.

    Raises:
        ValueError: The platform is unknown; the message lists those that exist.
    """
    try:
        return Platform(text)
    except ValueError as error:
        known = ", ".join(Platform)
        raise ValueError(f"there is no platform {text!r}; known are {known}") from error


def native_platform(
    system: str = sys.platform, machine: Callable[[], str] = host.machine
) -> Platform:
    """The platform of this machine (CEP 30).

    Raises:
        ValueError: conda has no name for it.
    """
    operating_system = {"linux": "linux", "darwin": "osx", "win32": "win"}.get(system, system)
    architecture = _ARCHITECTURES.get(machine().lower(), machine().lower())
    return parse_platform(f"{operating_system}-{architecture}")


@cache
def dependency_name(text: str) -> PackageName:
    """The package name of a MatchSpec from a channel, however its constraint is written.

    Raises:
        ValueError: It does not begin with a name.
    """
    name = NAME.match(text.strip().partition("[")[0].rpartition("::")[2])
    if name is None:
        raise ValueError(f"{text!r} does not begin with a package name")
    return PackageName(name[0].lower())


def is_virtual(name: str) -> bool:
    """Whether `name` is that of a virtual package (CEP 26)."""
    return name.startswith("__")


def is_environment_name(name: str) -> bool:
    """Whether `name` can name an environment: one visible path component, no option, no escapes."""
    is_plain = is_path_separator_free(name) and name.isprintable() and name[0] not in ".-"
    return is_plain and len(name.encode()) <= LONGEST_NAME


def is_variable_name(name: str) -> bool:
    """Whether `name` can name an environment variable in every shell."""
    return _VARIABLE.fullmatch(name) is not None


def is_path_separator_free(name: str) -> bool:
    """Whether `name` is one path component and no relative step."""
    return bool(name) and name not in {".", ".."} and "/" not in name and os.sep not in name
