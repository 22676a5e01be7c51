"""How servers are reached: the one place that looks credentials up, for every command.

Those that stand in the URLs of channels and indexes, in sources or in the settings, come before
those of files in the user's home (`lading.net.read_credentials`). A command that has a lock finds
the sources through it, so what could be locked can be installed in the same shell.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lading.api.project import Project
from lading.conda import MirrorMap
from lading.errors import SpecError
from lading.lock import Lockfile, PackageIndex, PipOptions, Sources, lock_path, read_sources
from lading.net import channel_credentials, index_credentials, opened_url


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How servers are reached.

    Attributes:
        mirrors: The mirror map with all credentials.
        default_index: The index instead of PyPI, as written; or empty.
        indexes: The others of the settings, in order, as written.
        variables: For uv: the same and those of the sources, with credentials.
    """

    mirrors: MirrorMap
    default_index: str = field(default="", repr=False)
    indexes: tuple[PackageIndex, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)


def access_of(
    project: Project,
    sources: Sources | None,
    channels: Sequence[str] = (),
    pip_index: str = "",
    *,
    options: Sequence[PipOptions] = (),
    lenient: bool = False,
) -> Access:
    """How servers are reached that `sources`, `options`, the settings and the user name.

    `sources` is None where what is asked for is not known. With `lenient`, a URL is passed over
    whose variable is not set.
    """
    files = sources.files if sources is not None else ()
    written = [*channels, *(text for item in files for text in item.channels_as_written)]
    settings = project.settings
    said = [*options, *(item.pip_options for item in files)]
    defaults = [item.url for item in settings.indexes if item.default]
    defaults += [item.index_url for item in said if item.index_url]
    default = pip_index or project.environment.get("PIP_INDEX_URL", "") or "".join(defaults[:1])
    indexes = tuple(
        PackageIndex(url=item.url, is_explicit=item.explicit, packages=item.packages)
        for item in settings.indexes
        if not item.default
    )
    further = [url for item in said for url in item.extra_indexes]
    urls = [*(item.url for item in indexes), *further, *([default] if default else [])]
    mirrors = replace(
        settings.mirrors,
        credentials=(
            *channel_credentials(written, project.environment, lenient=lenient),
            *index_credentials(urls, project.environment),
            *settings.mirrors.credentials,
        ),
    )
    found = {
        "UV_INDEX": [*(item.url for item in indexes if not item.is_explicit), *further],
        "UV_DEFAULT_INDEX": [default] if default else [],
        "UV_FIND_LINKS": [place for item in said for place in item.find_links],
    }
    return Access(
        mirrors=mirrors,
        default_index=default,
        indexes=indexes,
        variables={
            name: " ".join(_opened(url, project, mirrors) for url in places)
            for name, places in found.items()
            if places
        },
    )


def access_of_lock(project: Project, environment: str, lock: Lockfile) -> Access:
    """How servers are reached that a lock of `environment`, its sources and the settings name."""
    directory = lock_path(project.directory, environment, lock.platform).parent
    paths = [Path(os.path.normpath(directory / source)) for source in lock.sources]
    try:
        sources = read_sources([path for path in paths if path.is_file()])
    except SpecError:
        # A wrong source is no reason not to install what is locked.
        sources = None
    return access_of(project, sources, lenient=True)


def _opened(url: str, project: Project, mirrors: MirrorMap) -> str:
    try:
        return opened_url(url, project.environment, mirrors)
    except SpecError:
        # Whoever needs this index is told so when it is asked.
        return url
