"""What a wheel is built from: a source tree of the project, or an sdist."""

import tarfile
import tomllib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path

from packaging.utils import NormalizedName

from lading.errors import SpecError, raised_as
from lading.lock.source_tree import (
    OwnTree,
    as_it_lies,
    copy_sources,
    digest_of,
    list_sources,
    read_tree,
)
from lading.system import Digest

EPOCH = 315_532_800
"""1980-01-01 in Unix seconds, the oldest time that a wheel can hold."""

DEFAULT_REQUIRES = ("setuptools",)
"""What builds a package that does not say it (PEP 518)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSource:
    """A source tree or an sdist.

    Attributes:
        path: The directory, or the archive; absolute.
        said: How the lock names it: `.` or `./PATH`, relative to the project, or a URL.
        sha256: Of the tree, or of the archive.
        files: Of a tree, relative, sorted.
    """

    name: NormalizedName
    path: Path
    said: str
    sha256: Digest
    files: tuple[str, ...] = ()

    @property
    def requires(self) -> tuple[str, ...]:
        """The requirements of the build, as the sources say them; may be empty."""
        text = self._configuration()
        if not text:
            return DEFAULT_REQUIRES
        with raised_as(
            SpecError,
            f"the pyproject.toml of {self.name} is not valid TOML",
            "correct it",
            (tomllib.TOMLDecodeError, RecursionError),
        ):
            system = tomllib.loads(text).get("build-system", {})
        found = system.get("requires") if isinstance(system, dict) else None
        return tuple(map(str, found)) if isinstance(found, list) else DEFAULT_REQUIRES

    def put(self, place: Path) -> Path:
        """Put the sources at `place`, where they may be changed; return what to build there."""
        place.mkdir()
        if self.path.is_dir():
            copy_sources(self.path, self.files, place, EPOCH)
            return place
        copy = place / self.path.name
        copy.write_bytes(self.path.read_bytes())
        return copy

    def _configuration(self) -> str:
        """The content of `pyproject.toml`, or empty."""
        if self.path.is_dir():
            place = self.path / "pyproject.toml"
            return place.read_text("utf-8") if place.is_file() else ""
        try:
            return _read_member(self.path)
        except (OSError, tarfile.TarError, zipfile.BadZipFile, UnicodeDecodeError) as error:
            raise SpecError(
                f"{self.path.name} cannot be read: {error}", hint="ask for another version"
            ) from error


def tree_source(
    name: NormalizedName,
    directory: Path,
    project: Path,
    environment: Mapping[str, str],
    own_tree: OwnTree = as_it_lies,
) -> BuildSource:
    """Read which files of the source tree in `directory` a wheel is built from.

    The lock names it relative to `project`; `environment` is for git.
    """
    files = list_sources(directory, environment)
    place = own_tree(directory, files)
    if place != directory:
        files = list_sources(place, environment)
    return BuildSource(
        name=name,
        path=place,
        said=project_relative(directory, project),
        sha256=digest_of(read_tree(place, files)),
        files=files,
    )


def project_relative(path: Path, project: Path) -> str:
    """How a lock names `path`: `.`, `./PATH`, or `../PATH` where it lies outside of the project."""
    relative = Path(relpath(path, project)).as_posix()
    is_plain = relative in {".", ".."} or relative.startswith("../")
    return relative if is_plain else f"./{relative}"


def _read_member(archive: Path) -> str:
    """The text of the `pyproject.toml` at the top of an sdist, or empty."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as opened:
            names = [name for name in opened.namelist() if _is_configuration(name)]
            return opened.read(names[0]).decode() if names else ""
    with tarfile.open(archive) as tar:
        for member in tar:
            if _is_configuration(member.name) and (stream := tar.extractfile(member)):
                return stream.read().decode()
    return ""


def _is_configuration(name: str) -> bool:
    return name.count("/") == 1 and name.endswith("/pyproject.toml")
