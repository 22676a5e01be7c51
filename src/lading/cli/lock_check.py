"""`lading lock --check`."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lading.api import (
    environment_name,
    expected_virtual_packages,
    find_sources,
    named_platforms,
)
from lading.cli.context import Context
from lading.conda import Platform, canonical_channel, parse_matchspec
from lading.config import EnvironmentSettings
from lading.lock import (
    FOREIGN,
    CheckRequest,
    CondaLock,
    LockReport,
    LockSpec,
    Requested,
    check_lock,
    locked_platforms,
    read_environment,
    read_requested,
    read_sources,
)
from lading.report import render_check, render_check_json

__all__ = ["check"]


def check(  # noqa: PLR0913  # as the options of the command
    context: Context,
    sources: Sequence[str],
    name: str | None,
    platforms: Sequence[str],
    channels: Sequence[str],
    conda_lock: CondaLock,
    *,
    strict: bool,
    promises: str | None = None,
) -> int:
    """0 where the lockfiles answer their sources, else 1; all configured ones if none is named."""
    known = context.project.settings.environments
    asked = [tuple(sources)] if sources or not known else [(item,) for item in sorted(known)]
    reports = []
    for words in asked:
        configured, paths = find_sources(context.project, words)
        files = [read_environment(path) for path in paths if path.name not in FOREIGN]
        chosen = name or configured or environment_name(files, paths)
        settings = known.get(chosen, EnvironmentSettings())
        named = named_platforms(context.project, platforms or settings.platforms, files)
        locked = locked_platforms(context.project.directory, chosen)
        target = named or locked or (context.project.platform(None),)
        reports.append(
            _report(
                CheckRequest(
                    name=chosen,
                    directory=context.project.directory,
                    wanted={},
                    channels=tuple(channels or settings.channels),
                    virtual_packages=expected_virtual_packages(
                        context.project, settings, paths, promises
                    ),
                    all_platforms=bool(named) and not platforms,
                ),
                paths,
                target,
                conda_lock,
                strict=strict,
            )
        )
    if context.json:
        context.write(render_check_json(reports))
    else:
        context.write(render_check(reports))
    return 0 if all(report.is_fresh for report in reports) else 1


def _report(
    request: CheckRequest,
    paths: Sequence[Path],
    platforms: Sequence[Platform],
    conda_lock: CondaLock,
    *,
    strict: bool,
) -> LockReport:
    foreign = any(path.name in FOREIGN for path in paths)
    if not strict and not foreign:
        wanted = {platform: read_requested(paths, platform) for platform in platforms}
        return check_lock(replace(request, wanted=wanted))
    promised = {platform: request.virtual_packages_of(platform) for platform in platforms}
    spec = read_sources(paths, promised, request.channels, conda_lock)
    return check_lock(
        replace(
            request,
            wanted={platform: _wanted(spec, platform) for platform in platforms},
            content_hashes={key: item.content_hash for key, item in spec.platforms.items()},
        )
    )


def _wanted(spec: LockSpec, platform: Platform) -> Requested:
    """What conda-lock says is asked for."""
    return Requested(
        channels=tuple(canonical_channel(name) for name in spec.channels),
        specs=tuple(parse_matchspec(text) for text in spec.platforms[platform].specs),
        pip=spec.pip_lines or tuple(item.name for item in spec.platforms[platform].pip),
    )
