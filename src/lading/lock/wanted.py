"""What the sources ask for on one platform, read without conda-lock.

Good for environment files alone; `pyproject.toml` and `meta.yaml` only conda-lock understands, and
`read_requested` asks it for these. Where both can read a source they read the same (a test keeps it
so).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import InvalidRequirement, Requirement

from lading.conda import (
    ChannelUrl,
    MatchSpec,
    PackageName,
    Platform,
    canonical_channel,
    without_credentials,
)
from lading.errors import SpecError
from lading.lock.environment_file import EnvironmentFile, read_environment

__all__ = ["FOREIGN", "Requested", "applies", "parse_requirement", "read_requested"]

FOREIGN = ("pyproject.toml", "meta.yaml")
"""Names of sources that are no environment files."""

_SYSTEMS = {"linux": ("linux", "Linux", "posix"), "osx": ("darwin", "Darwin", "posix")}
_MACHINES = {"64": "x86_64", "aarch64": "aarch64", "arm64": "arm64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """What is asked for on one platform.

    Attributes:
        channels: Canonical, in order of priority.
        specs: In the order of the sources, unique.
        pip: Requirements as written, in the order of the sources.
    """

    channels: tuple[ChannelUrl, ...]
    specs: tuple[MatchSpec, ...]
    pip: tuple[str, ...]

    @property
    def names(self) -> frozenset[str]:
        """Names of the conda packages."""
        return frozenset(spec.name for spec in self.specs)


def read_requested(sources: Sequence[Path], platform: Platform) -> Requested:
    """What `sources`, environment files, ask for on `platform`.

    Raises:
        SpecError: One of them is wrong.
    """
    return _merged([read_environment(path, platform) for path in sources])


def _merged(files: Sequence[EnvironmentFile]) -> Requested:
    specs = [spec for item in files for spec in item.specs]
    pip = tuple(line for item in files for line in item.pip)
    if pip and all(spec.name != "pip" for spec in specs):
        # conda-lock lets whoever asks for pip packages have pip.
        specs.append(MatchSpec(name=PackageName("pip")))
    longest = max((item.channels for item in files), key=len, default=())
    return Requested(
        channels=tuple(without_credentials_of(longest)),
        specs=tuple(dict.fromkeys(specs)),
        pip=pip,
    )


def without_credentials_of(channels: Sequence[str]) -> list[ChannelUrl]:
    """The channels, canonical."""
    return [canonical_channel(without_credentials(name)) for name in channels]


def parse_requirement(line: str) -> Requirement:
    """The pip requirement written as `line`.

    Raises:
        SpecError: It is none.
    """
    try:
        return Requirement(line.partition(" --hash")[0].partition(" #")[0].strip())
    except InvalidRequirement as error:
        raise SpecError(
            f"cannot use the requirement {line!r}: {' '.join(str(error).split())}",
            hint="write it as pip does, such as `requests >=2,<3`",
        ) from error


def applies(requirement: Requirement, platform: Platform, python: str) -> bool:
    """Whether the marker of `requirement` holds on `platform` with the `python` of this version."""
    if requirement.marker is None:
        return True
    family, _, architecture = platform.value.partition("-")
    system, name, operating_system = _SYSTEMS.get(family, ("win32", "Windows", "nt"))
    environment = {key: str(value) for key, value in default_environment().items()} | {
        "sys_platform": system,
        "platform_system": name,
        "os_name": operating_system,
        "platform_machine": _MACHINES.get(architecture, architecture),
        "extra": "",
    }
    if python:
        environment["python_full_version"] = python
        environment["python_version"] = ".".join(python.split(".")[:2])
    return requirement.marker.evaluate(environment)
