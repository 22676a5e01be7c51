"""Settings: `lading.toml`, or `[tool.lading]` in `pyproject.toml`.

Without either, the only environment is `environment.yml` in the directory.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from lading.conda import (
    MirrorMap,
    Platform,
    is_environment_name,
    parse_platform,
    virtual_package_name,
)
from lading.errors import SpecError, raised_as
from lading.system import YamlError, convert, read_document

FILE_NAMES = ("lading.toml", "pyproject.toml")


class IndexSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A package index.

    Attributes:
        url: May hold `$VARIABLE` in place of a secret.
        default: Whether it is asked instead of PyPI, after all others.
        explicit: Whether it is asked only for `packages`.
        packages: Names that come from here and from nowhere else; `*` is any characters.
    """

    name: str
    url: str
    default: bool = False
    explicit: bool = False
    packages: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """The name alone: the URL may hold a secret."""
        return f"IndexSettings({self.name})"


class FilesSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Files of the project that belong to an environment: what, and where they go in it."""

    source: str = msgspec.field(name="from")
    target: str = msgspec.field(name="to")


class EnvironmentSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[environments.NAME]` table.

    Attributes:
        sources: Environment files, relative to the file that holds the settings.
        platforms: Subdirs to lock for; empty leaves it to the sources.
        channels: Names or URLs; empty leaves it to the sources.
        virtual_packages: Name, with or without `__` → version; or platform → name → version.
        categories: To install and to pack; empty means `main`, or the only one that there is.
        solve_group: Environments of one group have the same versions; empty means none.
        build_sdists: Whether source distributions may be built when locking.
        files: Files and directories of the project that belong to the environment.
        projects: Source trees to build wheels of, relative to the file that holds the settings.
    """

    sources: tuple[str, ...] = ("environment.yml",)
    platforms: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    virtual_packages: dict[str, str | dict[str, str]] = msgspec.field(
        name="virtual-packages", default_factory=dict
    )
    categories: tuple[str, ...] = ()
    solve_group: str = msgspec.field(name="solve-group", default="")
    projects: tuple[str, ...] = ()
    files: tuple[FilesSettings, ...] = ()
    build_sdists: bool = msgspec.field(name="build-sdists", default=False)

    def virtual_packages_of(self, platform: Platform) -> Mapping[str, str]:
        """Full name → version, the table for `platform` before that for all; may be empty."""
        own = self.virtual_packages.get(platform)
        return {
            virtual_package_name(name): value
            for table in (self.virtual_packages, own if isinstance(own, dict) else {})
            for name, value in table.items()
            if isinstance(value, str)
        }


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole table, as written."""

    environments: dict[str, EnvironmentSettings] = msgspec.field(default_factory=dict)
    mirrors: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    indexes: tuple[IndexSettings, ...] = ()
    engine: str = ""
    package_layers: tuple[str, ...] = msgspec.field(name="package-layers", default=())
    frame_layers: tuple[str, ...] = msgspec.field(name="frame-layers", default=())
    channel_priority: str = msgspec.field(name="channel-priority", default="strict")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the configuration file says.

    Attributes:
        path: The file, or None where there is none.
        environments: By name; may be empty.
        indexes: Package indexes, in the order in which they are asked.
        mirrors: Relative `file:` mirrors are made absolute against the directory of `path`.
        engine: `micromamba`, `embedded`, or empty for the default.
        package_layers: Further package caches, only read; absolute.
        frame_layers: Further frame caches, only read; absolute.
    """

    path: Path | None = None
    environments: Mapping[str, EnvironmentSettings] = field(default_factory=dict)
    indexes: tuple[IndexSettings, ...] = ()
    mirrors: MirrorMap = field(default_factory=MirrorMap)
    engine: str = ""
    package_layers: tuple[Path, ...] = ()
    frame_layers: tuple[Path, ...] = ()
    strict_priority: bool = True


def read_settings(directory: Path) -> Settings:
    """Read the settings of `directory`: from `lading.toml`, else from `pyproject.toml`."""
    for name in FILE_NAMES:
        path = directory / name
        if not path.is_file():
            continue
        document = read_toml(path)
        if name == "pyproject.toml":
            tools = document.get("tool")
            if not isinstance(tools, dict) or "lading" not in tools:
                continue
            document = tools["lading"]
        return _settings(path, document)
    return Settings()


# tomllib takes ten seconds for a key of a hundred thousand parts.
_DEEP_KEY = re.compile(r"(?<![\w\"'-])(?:[\w\"'-]+[ \t]*\.[ \t]*){100}")


def read_toml(path: Path) -> dict[str, object]:
    """The TOML document at `path`."""
    try:
        return _parse_toml(read_document(path).decode())
    except OSError as error:
        raise SpecError(
            f"cannot read {path}: {error.strerror}", hint="correct its permissions"
        ) from error
    except YamlError as error:
        raise SpecError(f"cannot read {path}: {error}", hint="name a smaller file") from error
    except RecursionError as error:
        raise SpecError(
            f"{path} is not valid TOML: it is too deep",
            hint="write fewer arrays in arrays, and keys of fewer parts",
        ) from error
    except ValueError as error:
        # No TOML, no UTF-8, or an integer of more than 4,300 digits.
        raise SpecError(f"{path} is not valid TOML: {error}", hint="correct it") from error


def _parse_toml(text: str) -> dict[str, object]:
    if _DEEP_KEY.search(text):
        raise RecursionError("a key of a hundred parts")
    return tomllib.loads(text)


def _settings(path: Path, document: object) -> Settings:
    with raised_as(
        SpecError, path, "docs/reference/configuration.md lists all keys", msgspec.ValidationError
    ):
        table = convert(document, _Table)
    if table.channel_priority not in {"strict", "disabled"}:
        raise SpecError(
            f"{path}: channel-priority is {table.channel_priority!r}",
            hint='write "strict" or "disabled"',
        )
    _check_environments(path, table.environments)
    return Settings(
        path=path,
        environments=table.environments,
        indexes=table.indexes,
        mirrors=_mirror_map(path.parent, table.mirrors),
        engine=table.engine,
        package_layers=tuple(path.parent / item for item in table.package_layers),
        frame_layers=tuple(path.parent / item for item in table.frame_layers),
        strict_priority=table.channel_priority == "strict",
    )


def _check_environments(path: Path, environments: Mapping[str, EnvironmentSettings]) -> None:
    """Refuse a name that leads elsewhere, and a table of virtual packages without a platform."""
    for name, settings in environments.items():
        if not is_environment_name(name):
            raise SpecError(
                f"{path}: {name!r} cannot name an environment",
                hint="write a name without slashes, escapes, and a leading dot or dash",
            )
        for key, value in settings.virtual_packages.items():
            if isinstance(value, str):
                continue
            with raised_as(
                SpecError,
                f"{path}: environments.{name}.virtual-packages",
                "use a platform as the name of the table, or write a version",
                ValueError,
            ):
                parse_platform(key)


def _mirror_map(directory: Path, mirrors: Mapping[str, tuple[str, ...]]) -> MirrorMap:
    return MirrorMap(
        mirrors={
            base.rstrip("/"): tuple(_absolute_location(directory, item) for item in locations)
            for base, locations in mirrors.items()
        }
    )


def _absolute_location(directory: Path, location: str) -> str:
    """`location` as a URL; a path is relative to the configuration file."""
    if "://" in location:
        return location
    return (directory / location).resolve().as_uri()
