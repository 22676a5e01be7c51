"""Read what the sources of an environment ask for, once for each command.

`read_sources` reads the files; its value is passed to everything that needs them. Environment files
are understood here. Only conda-lock understands `pyproject.toml` and `meta.yaml`, and a lockfile
holds its hash of the requests, so locking asks it (`ask_conda_lock`). Where both can read a source,
they read the same; a test keeps it so.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from packaging.utils import canonicalize_name

from lading.conda import (
    DEFAULTS,
    ChannelUrl,
    MatchSpec,
    PackageName,
    Platform,
    VirtualPackage,
    canonical_channel,
    channel_urls,
    default_channel_of,
    parse_matchspec,
)
from lading.errors import SpecError
from lading.lock.environment_file import EnvironmentFile, read_environment
from lading.lock.exchange import (
    Operation,
    PipRequirements,
    RequestedPackage,
    SourceAnswer,
    SourceQuestion,
)
from lading.lock.isolation import CondaLock
from lading.lock.model import MAIN
from lading.lock.own_code import OwnPackage, own_package
from lading.lock.pip_options import PipOptions
from lading.lock.project_files import FilesRequest
from lading.lock.pyproject import check_pyproject, platforms_of_pyproject
from lading.system import without_credentials

MAPPING = Path(__file__).with_name("pypi-to-conda.json")
"""PyPI name → conda-forge name, in the form that conda-lock's lookup reads; nothing is fetched."""

_HEADING = re.compile(r"\s*(name|channels|platforms)\s*[:=]")

FOREIGN = ("pyproject.toml", "meta.yaml")
"""Names of sources that are not environment files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """What is asked for on one platform.

    Attributes:
        channels: Canonical, in order of priority, without credentials.
        specs: Conda packages, unique; sorted where conda-lock read them.
        pip: Requirements as written; only names where just conda-lock can read the source.
        own: The wheels and source trees of the project that are asked for.
        options: (category, options of pip) of each source.
        categories: Category → the conda packages asked for in it.
        content_hash: conda-lock's hash of all of it; empty where it was not asked.
        pip_requirements: The pip part for conda-lock; empty where it was not asked.
    """

    channels: tuple[ChannelUrl, ...]
    specs: tuple[MatchSpec, ...]
    pip: tuple[str, ...] = ()
    own: tuple[OwnPackage, ...] = ()
    options: tuple[tuple[str, PipOptions], ...] = ()
    categories: Mapping[str, frozenset[str]] = field(default_factory=dict)
    content_hash: str = ""
    pip_requirements: PipRequirements = field(default_factory=PipRequirements)

    @property
    def has_pip(self) -> bool:
        """Whether any pip package is asked for."""
        return bool(self.pip_requirements.requirements or self.pip or self.own)

    @property
    def specs_with_fields(self) -> tuple[str, ...]:
        """Those of `specs` that say more than a name, version, build and channel; sorted."""
        return tuple(sorted({spec.text for spec in self.specs if spec.fields}))

    @property
    def optional(self) -> Mapping[str, tuple[str, ...]]:
        """Category other than `main` → the nodes of the graph it asks for, sorted; both sorted.

        The pip part is known where conda-lock was asked.
        """
        nodes = {name: set(found) for name, found in self.categories.items()}
        for item in self.pip_requirements.requirements:
            nodes.setdefault(str(item["category"]), set()).add(f"pip:{item['name']}")
        for package in self.own:
            nodes.setdefault(package.category, set()).add(f"pip:{package.name}")
        return {name: tuple(sorted(nodes[name])) for name in sorted(nodes) if name != MAIN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The sources of an environment, as they were read.

    Attributes:
        paths: Absolute, in the order they are merged.
        files: Those that are environment files.
        projects: Source trees that the settings ask for in addition.
        project_files: Files of the project that these ask for.
        root: The directory of the project, absolute.
        foreign_platforms: Those that the other sources name.
    """

    paths: tuple[Path, ...]
    files: tuple[EnvironmentFile, ...]
    projects: tuple[OwnPackage, ...] = ()
    project_files: tuple[FilesRequest, ...] = ()
    root: Path = Path()
    foreign_platforms: tuple[Platform, ...] = ()

    @property
    def are_understood(self) -> bool:
        """Whether all of them are environment files, so that conda-lock need not be asked."""
        return len(self.files) == len(self.paths)

    @property
    def name(self) -> str:
        """The first name that a source gives to its environment, or empty."""
        return next((item.name for item in self.files if item.name), "")

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """The platforms that the sources name, in their order, unique; may be empty."""
        own = (name for item in self.files for name in item.platforms)
        return tuple(dict.fromkeys((*own, *self.foreign_platforms)))

    @property
    def variables(self) -> Mapping[str, str]:
        """Environment variables to set on activation; a later source wins."""
        return {name: text for item in self.files for name, text in item.variables.items()}

    def of_categories(self, names: Collection[str]) -> "Sources":
        """The environment files in these categories; all of them where none is named."""
        kept = tuple(item for item in self.files if item.category in names) if names else self.files
        projects = self.projects if not names or MAIN in names else ()
        return replace(self, files=kept, projects=projects)

    def channel_urls(self, names: Iterable[str], platform: Platform) -> tuple[ChannelUrl, ...]:
        """The canonical URLs of channels as the sources or the user wrote them, unique."""
        directories = {name: item.directory for item in self.files for name in item.channels}
        return tuple(
            dict.fromkeys(
                url
                for name in names
                for url in channel_urls(
                    without_credentials(name), platform, directories.get(name, self.root), self.root
                )
            )
        )

    def _located(self, spec: MatchSpec, platform: Platform) -> MatchSpec:
        """The spec, the channel that it may name by `defaults` or a path as a URL."""
        if spec.channel == DEFAULTS:
            return replace(spec, channel=default_channel_of(spec.name))
        if not spec.channel.startswith("."):
            return spec
        return replace(spec, channel=self.channel_urls([spec.channel], platform)[0])

    def find_line(self, name: str) -> tuple[Path, int] | None:
        """The first line that asks for the package `name`: its source and its number, from 1."""
        texts = {item.path: item.text for item in self.files}
        item = re.compile(rf"""(?:^|[\s\[,"':]){re.escape(name)}(?![\w.-])""", re.IGNORECASE)
        for path in self.paths:
            text = texts[path] if path in texts else path.read_text("utf-8", errors="replace")
            for number, line in enumerate(text.splitlines(), 1):
                if item.search(line.partition("#")[0]) and not _HEADING.match(line):
                    return path, number
        return None

    def on(self, platform: Platform) -> Requested:
        """What the environment files ask for on `platform`.

        Raises:
            SpecError: What a selector leaves of a file is wrong.
        """
        files = [item.on(platform) for item in self.files]
        specs = [self._located(spec, platform) for item in files for spec in item.specs]
        categories: dict[str, frozenset[str]] = {}
        for item in files:
            names = frozenset(
                (*(spec.name for spec in item.specs), *(["pip"] if item.pip or item.own else []))
            )
            categories[item.category] = categories.get(item.category, frozenset()) | names
        pip = tuple(line for item in files for line in item.pip)
        own = tuple(package for item in files for package in item.own)
        if (pip or own) and all(spec.name != "pip" for spec in specs):
            # conda-lock adds pip where pip packages are asked for.
            specs.append(MatchSpec(name=PackageName("pip")))
        longest = max((item.channels for item in files), key=len, default=())
        return Requested(
            channels=self.channel_urls(longest, platform),
            specs=tuple(dict.fromkeys(specs)),
            pip=pip,
            options=tuple((item.category, item.pip_options) for item in files),
            categories=categories,
            own=tuple(
                item for item in dict.fromkeys((*own, *self.projects)) if item.is_wanted(platform)
            ),
        )


@cache
def conda_names_of_pypi() -> Mapping[str, str]:
    """Normalised PyPI name → conda name, from the table `MAPPING`."""
    table = json.loads(MAPPING.read_bytes())
    return {canonicalize_name(name): str(entry["conda_name"]) for name, entry in table.items()}


def read_sources(
    paths: Sequence[Path],
    projects: Sequence[Path] = (),
    directories: Sequence[Path] = (),
    root: Path | None = None,
) -> Sources:
    """Read the sources at `paths`, each once.

    `projects` are source trees that the settings ask for in addition. Paths in a source are
    relative to its item of `directories`; without these, to where it lies. `root` is the directory
    of the project; None means that of the first source.

    Raises:
        SpecError: One is missing, or an environment file is wrong.
    """
    for path in paths:
        if path.name in FOREIGN:
            _check_foreign(path)
    return Sources(
        paths=tuple(paths),
        files=tuple(
            read_environment(path, directory)
            for path, directory in zip(
                paths, directories or [path.parent for path in paths], strict=True
            )
            if path.name not in FOREIGN
        ),
        projects=tuple(map(own_package, projects)),
        root=root or (paths[0].parent if paths else Path()),
        foreign_platforms=tuple(
            platform
            for path in paths
            if path.name == "pyproject.toml"
            for platform in platforms_of_pyproject(path)
        ),
    )


def _check_foreign(path: Path) -> None:
    """Refuse what conda-lock would end at without an explanation."""
    if not path.is_file():
        raise SpecError(f"{path}: no such file", hint="name an existing file")
    if path.name == "pyproject.toml":
        check_pyproject(path)


def ask_conda_lock(
    sources: Sources,
    platforms: Mapping[Platform, tuple[VirtualPackage, ...]],
    channels: Sequence[str],
    conda_lock: CondaLock,
    mapping: Path = MAPPING,
) -> dict[Platform, Requested]:
    """What `sources` ask for, as conda-lock reads them.

    `platforms` has at least one. `channels` replace those of the sources; empty keeps theirs.
    `mapping` is the table of PyPI and conda names.

    Raises:
        SpecError: A source is wrong, they do not fit together, or no channel is named.
    """
    question = SourceQuestion(
        sources=tuple(str(path) for path in sources.paths),
        platforms={platform.value: packages for platform, packages in platforms.items()},
        channels=tuple(_replacing(sources, name, next(iter(platforms))) for name in channels),
        mapping=str(mapping),
    )
    # What is wrong with a line is said with its file, which conda-lock does not know.
    understood = {platform: sources.on(platform) for platform in platforms}
    answer = conda_lock.ask(Operation.READ, question, SourceAnswer)
    if not answer.channels:
        raise SpecError(
            "no channel is named", hint="write `channels: [conda-forge]` into the environment file"
        )
    return {
        platform: _requested(answer, sources, platform, understood[platform])
        for platform in platforms
    }


def _replacing(sources: Sources, name: str, platform: Platform) -> str:
    """A channel that replaces those of the sources; `defaults` keeps its name until it is used."""
    if name.strip() == DEFAULTS:
        return DEFAULTS
    return sources.channel_urls([name], platform)[0]


def _requested(
    answer: SourceAnswer, sources: Sources, platform: Platform, understood: Requested
) -> Requested:
    channels = sources.channel_urls(answer.channels, platform)
    conda, pip = answer.conda[platform.value], answer.pip[platform.value]
    specs = {_spec(item, channels) for item in conda}
    return Requested(
        channels=channels,
        specs=tuple(sorted(specs, key=lambda spec: spec.text)),
        pip=understood.pip if sources.are_understood else pip.names,
        own=understood.own,
        options=understood.options,
        categories={
            category: frozenset(item.name for item in conda if item.category == category)
            for category in {item.category for item in conda}
        },
        content_hash=answer.content_hash[platform.value],
        pip_requirements=pip,
    )


def _spec(item: RequestedPackage, channels: Sequence[ChannelUrl]) -> MatchSpec:
    """A request in its one spelling, its channel (if any) a canonical URL."""
    fields = f"[{','.join(item.fields)}]" if item.fields else ""
    parsed = parse_matchspec(f"{item.name} {item.version or '*'} {item.build}".strip() + fields)
    if not item.channel:
        return parsed
    if item.channel == DEFAULTS:
        return replace(parsed, channel=default_channel_of(item.name))
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
    return replace(parsed, channel=named[0])
