"""The project's own code in an environment: wheels and source trees that lie beside the sources.

- ./wheels/tool-1.0-py3-none-any.whl     a wheel
- ./lib, -e ./lib, lib @ file:./lib      a source tree, of which a wheel is built when locking

Paths are relative to the file that names them, and lie in the project's directory: a lock names
them by `file:./PATH`, relative to that, so that it means the same in every checkout.
"""

import configparser
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from packaging.markers import InvalidMarker, Marker
from packaging.utils import (
    InvalidWheelFilename,
    NormalizedName,
    canonicalize_name,
    parse_wheel_filename,
)

from lading.conda import Platform
from lading.config import read_toml
from lading.errors import SpecError, raised_as
from lading.lock.model import MAIN
from lading.lock.requirement import marker_holds

_EDITABLE = re.compile(r"(-e|--editable)(\s+|=)")
_PATH = re.compile(r"(\.{0,2}/|~/|file:|\.\.?$|\.\.?\[|[^\s@:]+\.whl(\[|$))")
_NAMED = re.compile(r"([\w.-]+)\s*(\[[^\]]*\])?\s*@\s*((?:file:|\.{0,2}/|~/).*)")
_EXTRAS = re.compile(r"(.*?)\s*\[([^\]]*)\]$")

WRITE_NAME = "write NAME @ file:./PATH"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPackage:
    """A wheel or a source tree of the project that an environment asks for.

    Attributes:
        path: The wheel, or the directory of the source tree; absolute.
        extras: Those of its extras that are asked for, sorted.
        marker: Says where it is wanted; empty means everywhere.
        written: How the source asks for it.
    """

    name: NormalizedName
    path: Path
    extras: tuple[str, ...] = ()
    marker: str = ""
    written: str = ""
    category: str = MAIN

    @property
    def is_wheel(self) -> bool:
        """Whether it is built already."""
        return self.path.suffix == ".whl"

    def is_wanted(self, platform: Platform, python: str = "") -> bool:
        """Whether its marker holds on `platform` with the `python` of this version."""
        return not self.marker or marker_holds(Marker(self.marker), platform, python)


def is_own_code(line: str) -> bool:
    """Whether a pip line asks for a wheel or a source tree by its path."""
    text = line.strip()
    return bool(_EDITABLE.match(text) or _PATH.match(text) or _NAMED.match(text))


def parse_own_code(line: str, directory: Path) -> OwnPackage:
    """The package that a pip line asks for by its path.

    For `line`, `is_own_code` holds. Paths in it are relative to `directory`, absolute.
    """
    text = _EDITABLE.sub("", line.strip().partition(" #")[0], count=1)
    text, _, marker = (part.strip() for part in text.partition(";"))
    with raised_as(
        SpecError,
        f"the marker of {line!r} cannot be read",
        "write it as pip does, such as sys_platform == 'linux'",
        InvalidMarker,
    ):
        marker = str(Marker(marker)) if marker else ""
    name, extras, place = "", "", text
    if named := _NAMED.match(text):
        name, extras, place = named[1], (named[2] or "")[1:-1], named[3]
    elif with_extras := _EXTRAS.match(text):
        place, extras = with_extras[1], with_extras[2]
    return own_package(
        directory / _plain_path(place),
        name=name,
        extras=[item.strip() for item in extras.split(",") if item.strip()],
        marker=marker,
        written=line.strip(),
    )


def own_package(
    path: Path, *, name: str = "", extras: Sequence[str] = (), marker: str = "", written: str = ""
) -> OwnPackage:
    """The package whose wheel or source tree lies at `path`; without a name, the one it says."""
    path = Path(os.path.normpath(path))
    if path.suffix == ".whl":
        found = _name_of_wheel(path)
    elif path.is_dir():
        found = _name_of_sources(path) or name
    else:
        state = "is neither a wheel nor a directory" if path.exists() else "does not exist"
        raise SpecError(
            f"{path} {state}", hint="name a wheel, or a directory with a pyproject.toml"
        )
    if not found:
        raise SpecError(f"{path} does not say the name of its package", hint=WRITE_NAME)
    if name and canonicalize_name(name) != canonicalize_name(found):
        raise SpecError(f"{path} is the package {found}, not {name}", hint=f"write {found} @ ...")
    return OwnPackage(
        name=canonicalize_name(found),
        path=path,
        extras=tuple(sorted(extras)),
        marker=marker,
        written=written or str(path),
    )


def _plain_path(place: str) -> Path:
    if place.startswith("file:"):
        place = unquote(place.removeprefix("file:"))
        place = place.removeprefix("//") if place.startswith("//") else place
    return Path(place).expanduser()


def _name_of_wheel(path: Path) -> str:
    if not path.is_file():
        raise SpecError(f"{path}: no such wheel", hint="build it, or correct the path")
    try:
        return parse_wheel_filename(path.name)[0]
    except InvalidWheelFilename as error:
        raise SpecError(
            f"{path.name} is not the name of a wheel",
            hint="rename it to NAME-VERSION-PYTHON-ABI-PLATFORM.whl, as it was built",
        ) from error


def _name_of_sources(directory: Path) -> str:
    """The name that a source tree says, or empty."""
    configuration, setup = directory / "pyproject.toml", directory / "setup.cfg"
    if configuration.is_file():
        project = read_toml(configuration).get("project")
        if isinstance(project, dict) and isinstance(project.get("name"), str):
            return str(project["name"])
    elif not setup.is_file() and not (directory / "setup.py").is_file():
        raise SpecError(
            f"{directory} has no pyproject.toml, so nothing says how to build it",
            hint="write one with [project] and [build-system]",
        )
    parser = configparser.RawConfigParser()
    try:
        parser.read(setup, "utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return ""
    return parser.get("metadata", "name", fallback="").strip()
