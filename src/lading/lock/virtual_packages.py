"""Virtual packages that a lock targets: the defaults of a platform, and what the user says.

conda-lock's file of them, platform by platform:

    subdirs:
      linux-64:
        packages:
          __glibc: "2.17"
          __archspec: "1 x86_64"

What it names is added to the defaults of a platform, or takes their place; a platform that it does
not name has the defaults alone.

Source: CEP 46 (`__cuda_arch`); conda-lock 4.0.3 `virtual_package.py` and the search for the file
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from lading.conda import (
    Platform,
    VirtualPackage,
    default_virtual_packages,
    override_virtual_packages,
    parse_platform,
    virtual_package_name,
)
from lading.errors import SpecError
from lading.system import YamlError, parse_yaml, read_document

FILE_NAMES = ("virtual-packages.yml", "virtual-packages.yaml")
"""The names that conda-lock looks for."""

_EXAMPLE = 'write `subdirs: {linux-64: {packages: {__glibc: "2.28"}}}`'


def targeted_virtual_packages(
    platform: Platform, overrides: Mapping[Platform, Mapping[str, str]]
) -> tuple[VirtualPackage, ...]:
    """The virtual packages of a machine of `platform`, sorted by name.

    `overrides`: platform → name → version, in addition to or instead of its defaults.
    """
    found = override_virtual_packages(
        default_virtual_packages(platform), overrides.get(platform, {})
    )
    names = {item.name: item.version for item in found}
    architecture = names.get("__cuda_arch")
    if architecture is not None and "__cuda" not in names:
        raise SpecError(
            "there is a __cuda_arch without __cuda",
            hint='name the CUDA version of the driver too, such as cuda = "12.4"',
        )
    if architecture is not None and not re.fullmatch(r"[0-9]+\.[0-9]+", architecture):
        raise SpecError(
            f"__cuda_arch is not {architecture!r} on any device",
            hint='write the least compute capability of the devices, such as "8.6"',
        )
    return found


def targets_of(
    platforms: Iterable[Platform], overrides: Mapping[Platform, Mapping[str, str]]
) -> dict[Platform, tuple[VirtualPackage, ...]]:
    """Platform → its virtual packages, see `targeted_virtual_packages`."""
    return {platform: targeted_virtual_packages(platform, overrides) for platform in platforms}


def find_virtual_packages(directories: Iterable[Path]) -> Path | None:
    """The first file of virtual packages that lies in one of `directories`, or None."""
    for directory in directories:
        for name in FILE_NAMES:
            path = directory / name
            if path.is_file():
                return path
    return None


def read_virtual_packages(path: Path) -> Mapping[Platform, Mapping[str, str]]:
    """What the file at `path` says.

    Returns:
        Platform → name with its leading `__` → version, or `version=build`.

    Raises:
        SpecError: It cannot be read, is not YAML, or anything in it is wrong; one problem is the
            message, several are the `details`.
    """
    problems: list[str] = []
    result = {
        platform: _packages(name, packages, problems)
        for name, packages in _subdirs(path).items()
        if (platform := _platform(name, problems)) is not None
    }
    if problems:
        lines = tuple(f"{path}: {problem}" for problem in problems)
        message = lines[0] if len(lines) == 1 else f"{path} has {len(lines)} problems"
        raise SpecError(message, hint=_EXAMPLE, details=lines if len(lines) > 1 else ())
    return result


def _subdirs(path: Path) -> Mapping[object, object]:
    try:
        content = parse_yaml(read_document(path))
    except OSError as error:
        raise SpecError(
            f"cannot read {path}: {error.strerror}", hint="name a file of virtual packages"
        ) from error
    except YamlError as error:
        raise SpecError(
            f"{path} is not valid YAML: {error}", hint="correct the line named"
        ) from error
    subdirs = content.get("subdirs") if isinstance(content, dict) else None
    if not isinstance(subdirs, dict) or (isinstance(content, dict) and len(content) > 1):
        raise SpecError(f"{path} is not a mapping with `subdirs` alone", hint=_EXAMPLE)
    return subdirs


def _platform(name: object, problems: list[str]) -> Platform | None:
    try:
        return parse_platform(str(name))
    except ValueError as error:
        problems.append(f"subdirs: {error}")
        return None


def _packages(name: object, content: object, problems: list[str]) -> dict[str, str]:
    packages = content.get("packages") if isinstance(content, dict) else None
    if not isinstance(packages, dict):
        problems.append(f"subdirs.{name}: there is no mapping `packages`")
        return {}
    found = {}
    for key, value in packages.items():
        place = f"subdirs.{name}.packages.{key}"
        if not isinstance(key, str) or not key.startswith("__"):
            problems.append(f"{place}: the name of a virtual package begins with `__`")
        elif not isinstance(value, str):
            # 2.10 without quotes is the number 2.1.
            problems.append(f'{place}: write the version as text, "{value}"')
        else:
            version, _, build = value.strip().partition(" ")
            found[virtual_package_name(key)] = f"{version}={build.strip()}" if build else version
    return found
