"""Values: what a conda package of the demo channel consists of, before it is an archive.

Nothing here reads or writes. Paths inside a package are `PurePosixPath`, relative to the prefix;
those of a `noarch: python` package begin with `site-packages` or `python-scripts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import PurePosixPath

PLACEHOLDER_LENGTH = 255
"""Bytes of the recorded build prefix, as conda-build pads it."""

PLACEHOLDER = ("/opt/lading" + "_placeholder" * 21)[:PLACEHOLDER_LENGTH]
"""The build prefix of every package: never exists, replaced when a package is linked."""

EARLIEST = 315_532_800_000
"""1980-01-01T00:00:00Z in Unix milliseconds: nothing in a ZIP archive can be older."""


class Noarch(StrEnum):
    """The two kinds of platform-independent package. Source: CEP 34, `noarch`."""

    PYTHON = "python"
    GENERIC = "generic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The interpreter and platform that the channel is made for.

    Attributes:
        version: Full version, such as `3.11.7`.
        subdir: Conda subdir, such as `linux-64`.
        timestamp: When the interpreter was built, in Unix milliseconds.
    """

    version: str
    subdir: str
    timestamp: int

    @property
    def series(self) -> str:
        """Major and minor version, such as `3.11`."""
        return ".".join(self.version.split(".")[:2])

    @property
    def tag(self) -> str:
        """The series without its dot, such as `311`."""
        return self.series.replace(".", "")

    @property
    def site_packages(self) -> str:
        """Prefix-relative directory of installed Python packages."""
        return f"lib/python{self.series}/site-packages"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFile:
    """One file or symbolic link of a package.

    Attributes:
        path: Where it lies in the package.
        data: Whole content; empty for a link.
        executable: Mode 0755 instead of 0644.
        has_placeholder: The content, text or an ELF file, holds `PLACEHOLDER`.
        link_target: Relative target of a symbolic link; None for a regular file.
    """

    path: PurePosixPath
    data: bytes = b""
    executable: bool = False
    has_placeholder: bool = False
    link_target: PurePosixPath | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What `info/about.json` says; empty strings are left out there.

    Attributes:
        summary: One line.
        home: URL of the project's home page.
        license: Short expression or name, never a license text.
    """

    summary: str = ""
    home: str = ""
    license: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """Everything that one archive is made of.

    Attributes:
        name: Conda package name; for wheels the normalised PyPI name.
        version: Version as the archive name has it.
        build: Build string.
        build_number: Non-negative.
        subdir: Directory of the channel, `noarch` or a platform.
        depends: MatchSpecs, sorted.
        constrains: MatchSpecs, sorted.
        noarch: None for a package with files in their final place.
        timestamp: Unix milliseconds, at least `EARLIEST`; also the time of every member.
        about: Description.
        entry_points: `name = module:function` lines of a `noarch: python` package.
        site_packages: `python_site_packages_path` of a `python` package, else empty.
        files: Cargo, each path once.
        licenses: File name to license text, stored below `info/licenses`.
    """

    name: str
    version: str
    build: str
    build_number: int = 0
    subdir: str
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    noarch: Noarch | None = None
    timestamp: int
    about: About
    entry_points: tuple[str, ...] = ()
    site_packages: str = ""
    files: tuple[PackageFile, ...]
    licenses: Mapping[str, bytes]

    @property
    def stem(self) -> str:
        """Distribution string without the subdir: the archive's name without suffix."""
        return f"{self.name}-{self.version}-{self.build}"
