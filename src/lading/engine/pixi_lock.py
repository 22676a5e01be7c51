"""`pixi.lock` files, versions 6 and 7, as py-rattler reads them; the values are lading's own."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

from lading.errors import LockError
from lading.system import Digest

if TYPE_CHECKING:
    from rattler.lock import PypiLockedPackage


@dataclass(frozen=True, slots=True, kw_only=True)
class PixiPackage:
    """A package that pixi locked.

    Attributes:
        version: May be empty for what pixi builds from source.
        location: URL, or a path relative to the lockfile.
        is_archive: Whether it is a conda archive or a distribution, and not a source to be built.
        depends: MatchSpecs of a conda package; requirements of a PyPI package.
    """

    name: str
    version: str
    location: str
    is_archive: bool
    sha256: Digest | None
    md5: Digest | None
    depends: tuple[str, ...]
    is_pypi: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PixiEnvironment:
    """An environment of a `pixi.lock`.

    Attributes:
        name: `default` where the project names none.
        channels: URLs, in order of priority.
        packages: Subdir → its packages.
    """

    name: str
    channels: tuple[str, ...]
    packages: dict[str, tuple[PixiPackage, ...]]


def parse_pixi_lock(path: Path, data: bytes) -> tuple[PixiEnvironment, ...]:
    """The environments of the `pixi.lock` that is `data`, sorted by name; `path` is for messages.

    Raises:
        LockError: It cannot be read, or is of a version that py-rattler does not know.
    """
    from rattler.lock import LockFile  # noqa: PLC0415  # slow to load

    try:
        with NamedTemporaryFile(suffix="-pixi.lock") as copy:
            # py-rattler reads files alone, and this may be one of another revision.
            copy.write(data)
            copy.flush()
            environments = sorted(LockFile.from_path(Path(copy.name)).environments())
        return tuple(
            PixiEnvironment(
                name=name,
                channels=tuple(str(channel).rstrip("/") for channel in found.channels()),
                packages={
                    str(platform.subdir): tuple(map(_package, packages))
                    for platform, packages in found.packages_by_platform().items()
                },
            )
            for name, found in environments
        )
    except Exception as error:  # its errors have no common class
        raise LockError(
            f"{path} is not a pixi.lock that can be read: {' '.join(str(error).split())}",
            hint="write it again with a current pixi (`pixi lock`)",
        ) from error


def _package(item: object) -> PixiPackage:
    from rattler.lock import CondaLockedBinaryPackage, CondaLockedPackage, PypiLockedPackage  # noqa: PLC0415  # the same

    is_pypi = isinstance(item, PypiLockedPackage)
    assert isinstance(item, CondaLockedPackage | PypiLockedPackage)  # noqa: S101  # for mypy
    record = item.package_record if isinstance(item, CondaLockedPackage) else None
    depends: tuple[str, ...] = tuple(record.depends) if record is not None else ()
    sha256, md5 = (record.sha256, record.md5) if record is not None else (None, None)
    if isinstance(item, PypiLockedPackage):
        depends = tuple(item.requires_dist)
        sha256, md5 = _hashes(item)
    return PixiPackage(
        name=item.name,
        version=str(item.version or ""),
        location=item.location,
        is_archive=isinstance(item, CondaLockedBinaryPackage)
        or item.location.partition("#")[0].endswith((".whl", ".tar.gz", ".zip")),
        sha256=Digest.sha256(sha256.hex()) if sha256 else None,
        md5=Digest.md5(md5.hex()) if md5 else None,
        depends=depends,
        is_pypi=is_pypi,
    )


def _hashes(item: "PypiLockedPackage") -> tuple[bytes | None, bytes | None]:
    """SHA-256 and MD5 of a distribution; py-rattler fails where the lock has neither."""
    try:
        sha256 = item.hashes.sha256 if item.hashes else None
    except AttributeError:
        return None, None
    return sha256, item.hashes.md5 if item.hashes else None
