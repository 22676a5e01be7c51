"""What the sources ask for, platform by platform.

conda-lock reads them, in its own process; environment files are checked before, because it is
silent about much that is wrong with them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lading.conda import (
    ChannelUrl,
    MatchSpec,
    MatchSpecText,
    Platform,
    VirtualPackage,
    canonical_channel,
    parse_matchspec,
    without_credentials,
)
from lading.errors import SpecError
from lading.lock.environment_file import EnvironmentFile, read_environment
from lading.lock.exchange import Operation, RequestedPackage, SourceAnswer, SourceQuestion
from lading.lock.isolation import CondaLock

__all__ = ["MAPPING", "LockSpec", "PlatformSpec", "read_sources", "source_platforms"]

MAPPING = Path(__file__).with_name("pypi-to-conda.json")
"""PyPI name → conda-forge name, in the form that conda-lock's lookup reads; nothing is fetched."""

# conda-lock reads these itself, and they are no environment files.
_FOREIGN = ("pyproject.toml", "meta.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformSpec:
    """What is asked for on one platform.

    Attributes:
        specs: Conda packages; normalised, unique, sorted.
        requested: The same by name and category, for the categories of what they need.
        pip: pip packages by name and category.
        content_hash: conda-lock's hash of all of it.
    """

    specs: tuple[MatchSpecText, ...]
    requested: tuple[RequestedPackage, ...]
    pip: tuple[RequestedPackage, ...]
    content_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LockSpec:
    """What the sources ask for.

    Attributes:
        channels: Canonical, in order of priority, without credentials.
        platforms: Platform → what is asked for.
        pip_lines: The pip requirements as the environment files write them.
        variables: Environment variables to set on activation; a later source wins.
        question: What conda-lock was asked; it is asked again with each pip part.
    """

    channels: tuple[ChannelUrl, ...]
    platforms: Mapping[Platform, PlatformSpec]
    pip_lines: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    question: SourceQuestion


def source_platforms(sources: Sequence[Path]) -> tuple[Platform, ...]:
    """The platforms that the environment files name, in their order, unique; may be empty.

    Raises:
        SpecError: A file is wrong.
    """
    found = [platform for item in _checked(sources) for platform in item.platforms]
    return tuple(dict.fromkeys(found))


def read_sources(
    sources: Sequence[Path],
    platforms: Mapping[Platform, tuple[VirtualPackage, ...]],
    channels: Sequence[str],
    conda_lock: CondaLock,
    mapping: Path = MAPPING,
) -> LockSpec:
    """What `sources` ask for.

    Args:
        sources: Absolute; merged in this order.
        platforms: The platforms to lock for, each with its virtual packages; at least one.
        channels: Names or URLs that replace those of the sources; empty keeps theirs.
        conda_lock: Asked to read them.
        mapping: Table of PyPI and conda names.

    Raises:
        SpecError: A source is wrong, they do not fit together, or no channel is named.
    """
    files = _checked(sources)
    override = [without_credentials(canonical_channel(name)) for name in channels]
    question = SourceQuestion(
        sources=tuple(str(source) for source in sources),
        platforms=tuple(platform.value for platform in platforms),
        channels=tuple(override),
        mapping=str(mapping),
        virtual_packages={
            platform.value: tuple((item.name, item.version, item.build) for item in packages)
            for platform, packages in platforms.items()
        },
    )
    answer = conda_lock.ask(Operation.READ, question, SourceAnswer)
    canonical = tuple(canonical_channel(name) for name in answer.channels)
    if not canonical:
        raise SpecError(
            "no channel is named",
            hint="write `channels: [conda-forge]` into the environment file",
        )
    return LockSpec(
        channels=canonical,
        platforms={platform: _platform_spec(answer, platform, canonical) for platform in platforms},
        pip_lines=tuple(line for item in files for line in item.pip),
        variables={name: text for item in files for name, text in item.variables.items()},
        question=question,
    )


def _checked(sources: Sequence[Path]) -> list[EnvironmentFile]:
    """Those of the sources that are environment files."""
    for source in sources:
        if source.name in _FOREIGN and not source.is_file():
            raise SpecError(f"there is no source {source}", hint="name an existing file")
    return [read_environment(source) for source in sources if source.name not in _FOREIGN]


def _platform_spec(
    answer: SourceAnswer, platform: Platform, channels: Sequence[ChannelUrl]
) -> PlatformSpec:
    requested = answer.conda[platform.value]
    return PlatformSpec(
        specs=tuple(sorted({_spec(item, channels).text for item in requested})),
        requested=requested,
        pip=answer.pip[platform.value],
        content_hash=answer.content_hash[platform.value],
    )


def _spec(item: RequestedPackage, channels: Sequence[ChannelUrl]) -> MatchSpec:
    """A request in its one spelling, its channel (if any) a canonical URL.

    Raises:
        SpecError: It names a channel that is not among `channels`.
    """
    text = f"{item.name} {item.version or '*'} {item.build}".strip()
    parsed = parse_matchspec(text)
    if not item.channel:
        return parsed
    # conda-lock keeps of a channel's URL only its name.
    named = [
        channel
        for channel in channels
        if channel == canonical_channel(item.channel) or channel.endswith(f"/{item.channel}")
    ]
    if not named:
        raise SpecError(
            f"{item.channel}::{item.name} names a channel that is not among those given",
            hint=f"add {item.channel} to `channels`",
        )
    return MatchSpec(name=parsed.name, version=parsed.version, build=parsed.build, channel=named[0])
