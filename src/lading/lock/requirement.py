"""pip requirements: parsed, named, and whether their markers hold on a platform. Pure.

Source: PEP 508 (requirements and markers).
"""

from packaging.markers import Environment, Marker, default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name

from lading.conda import Platform
from lading.errors import SpecError
from lading.system import redact

_SYSTEMS = {"linux": ("linux", "Linux", "posix"), "osx": ("darwin", "Darwin", "posix")}
_MACHINES = {"64": "x86_64", "aarch64": "aarch64", "arm64": "arm64"}


def parse_requirement(line: str) -> Requirement:
    """The pip requirement written as `line`, an option `--hash` or a comment left out."""
    try:
        return Requirement(line.partition(" --hash")[0].partition(" #")[0].strip())
    except InvalidRequirement as error:
        raise SpecError(
            redact(f"cannot use the requirement {line!r}: {' '.join(str(error).split())}"),
            hint="write it as pip does, such as `requests >=2,<3`",
        ) from error


def requirement_name(line: str) -> NormalizedName:
    """The normalised name of the package that `line` asks for."""
    return canonicalize_name(parse_requirement(line).name)


def applies(requirement: Requirement, platform: Platform, python: str) -> bool:
    """Whether the marker of `requirement` holds on `platform` with the `python` of this version."""
    return requirement.marker is None or marker_holds(requirement.marker, platform, python)


def marker_holds(marker: Marker, platform: Platform, python: str) -> bool:
    """Whether `marker` holds on `platform` with the `python` of this version (or empty)."""
    environment = marker_environment(platform, python).items()
    return marker.evaluate({name: str(value) for name, value in environment})


def marker_environment(platform: Platform, python: str) -> Environment:
    """What markers are evaluated with on `platform`; an empty `python` is this interpreter's."""
    family, _, architecture = platform.value.partition("-")
    system, name, operating_system = _SYSTEMS.get(family, ("win32", "Windows", "nt"))
    environment = default_environment()
    environment["sys_platform"] = system
    environment["platform_system"] = name
    environment["os_name"] = operating_system
    environment["platform_machine"] = _MACHINES.get(architecture, architecture)
    if python:
        environment["python_full_version"] = python
        environment["python_version"] = ".".join(python.split(".")[:2])
    return environment
