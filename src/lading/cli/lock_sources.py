"""Which environment, sources and platforms a user means who locks."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lading.cli.context import Context
from lading.conda import MirrorMap, Platform
from lading.config import EnvironmentSettings
from lading.errors import UsageError
from lading.lock import EnvironmentFile, find_virtual_packages, read_virtual_packages
from lading.net import channel_credentials

__all__ = [
    "chosen_platforms",
    "environment_name",
    "find_sources",
    "named_platforms",
    "parse_moment",
    "promised_packages",
    "with_channel_credentials",
]

DEFAULT_SOURCE = "environment.yml"


def find_sources(context: Context, sources: Sequence[str]) -> tuple[str, tuple[Path, ...]]:
    """The configured environment that the user named (or empty), and the files to read.

    Raises:
        UsageError: Nothing was named and several environments are configured.
    """
    known = context.settings.environments
    if not sources and len(known) > 1:
        raise UsageError(
            f"several environments are configured: {', '.join(sorted(known))}",
            hint="name one of them, or an environment file",
        )
    names = tuple(sources) or tuple(known) or (DEFAULT_SOURCE,)
    if len(names) == 1 and names[0] in known:
        base = context.settings.path.parent if context.settings.path else context.directory
        return names[0], tuple(base / source for source in known[names[0]].sources)
    return "", tuple(context.path(source) for source in names)


def environment_name(files: Sequence[EnvironmentFile], paths: Sequence[Path]) -> str:
    """The name that the first source with one gives, else that of its directory."""
    return next((item.name for item in files if item.name), paths[0].resolve().parent.name)


def named_platforms(
    context: Context, wanted: Sequence[str], files: Sequence[EnvironmentFile]
) -> tuple[Platform, ...]:
    """The platforms asked for, else those that the sources name; may be empty."""
    if wanted:
        return tuple(dict.fromkeys(context.platform(item) for item in wanted))
    return tuple(dict.fromkeys(platform for item in files for platform in item.platforms))


def chosen_platforms(
    context: Context, wanted: Sequence[str], files: Sequence[EnvironmentFile]
) -> tuple[Platform, ...]:
    """The platforms asked for, else those of the sources, else this machine's."""
    return named_platforms(context, wanted, files) or (context.platform(None),)


def with_channel_credentials(
    context: Context, files: Sequence[EnvironmentFile], channels: Sequence[str]
) -> MirrorMap:
    """The mirror map, with the credentials that stand in the channels of the user.

    Raises:
        SpecError: One names a variable that is not set.
    """
    written = [*channels, *(text for item in files for text in item.channels_as_written)]
    mirrors = context.settings.mirrors
    found = channel_credentials(written, context.environment)
    return replace(mirrors, credentials=(*found, *mirrors.credentials))


def promised_packages(
    context: Context, settings: EnvironmentSettings, sources: Sequence[Path], named: str | None
) -> Mapping[Platform, Mapping[str, str]]:
    """Platform → name → version of what is expected of machines besides the defaults.

    The file that the user named says most, then the configuration, then a file of conda-lock's
    that lies beside a source.

    Raises:
        SpecError: One of these files is wrong.
    """
    beside = find_virtual_packages(dict.fromkeys(source.parent for source in sources))
    found = read_virtual_packages(beside) if beside is not None and named is None else {}
    chosen = read_virtual_packages(context.path(named)) if named is not None else {}
    return {
        platform: {
            **found.get(platform, {}),
            **settings.virtual_packages_of(platform),
            **chosen.get(platform, {}),
        }
        for platform in Platform
    }


def parse_moment(text: str | None) -> dt.datetime | None:
    """The date or moment that a user wrote; a date means its end, without offset it is UTC.

    Raises:
        UsageError: It is none.
    """
    if text is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{text!r} is no date", hint="write 2026-01-31 or 2026-01-31T12:00:00+00:00"
        ) from error
    if len(text) <= len("2026-01-31"):
        moment = moment.replace(hour=23, minute=59, second=59)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)
