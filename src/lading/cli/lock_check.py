"""`lading lock --check`."""

from collections.abc import Sequence

from lading.api import (
    chosen_channels,
    conda_lock_of,
    expected_virtual_packages,
    named_platforms,
    read_asked,
)
from lading.cli.context import Context
from lading.lock import CheckRequest, ask_conda_lock, check_lock, locked_platforms, targets_of
from lading.report import render_check


def check(  # noqa: PLR0913  # as the options of the command
    context: Context,
    environments: Sequence[Sequence[str]],
    name: str | None,
    platforms: Sequence[str],
    channels: Sequence[str],
    *,
    strict: bool,
    promises: str | None = None,
) -> int:
    """Check the environments, each named by its words; return 0 if all are fresh, else 1."""
    known = context.project.settings.environments
    conda_lock = conda_lock_of(context.project)
    reports = []
    for words in environments:
        found, chosen, settings, read = read_asked(context.project, words, name or "")
        named = named_platforms(context.project, platforms or settings.platforms, read)
        locked = locked_platforms(context.project.directory, chosen)
        target = named or locked or (context.project.platform(None),)
        overrides = expected_virtual_packages(context.project, settings, read.paths, promises)
        replaced = chosen_channels(context.project, found, settings, read, channels)
        if read.are_understood and not strict:
            requested = {platform: read.on(platform) for platform in target}
        else:
            requested = ask_conda_lock(read, targets_of(target, overrides), replaced, conda_lock)
        request = CheckRequest(
            name=chosen,
            directory=context.project.directory,
            requested=requested,
            channels=replaced,
            virtual_packages=overrides,
            all_platforms=bool(named) and not platforms,
            group=tuple(
                other
                for other, item in sorted(known.items())
                if other != chosen and settings.solve_group == item.solve_group != ""
            ),
            files=read.project_files,
            environment=context.project.environment,
        )
        reports.append(check_lock(request))
    context.show(render_check(reports))
    return 0 if all(report.is_fresh for report in reports) else 1
