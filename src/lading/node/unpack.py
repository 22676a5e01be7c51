"""Unpack a tarball to a prefix: checked, relocated and written in one pass."""

import os
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from lading.errors import PrefixExistsError, UsageError
from lading.format import Contents, TarballSource
from lading.node.extraction import Target, extract
from lading.node.staging import check_prefix, prefix_errors, staged_prefix
from lading.system import Progress, Sync, no_progress, sync_file_system


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackPlan:
    """What unpacking will do.

    Attributes:
        source: The tarball, open.
        contents: What is in it.
        prefix: Where the environment will be, absolute.
        workers: How many frames are unpacked at once.
        only: Names of the packages to unpack, or None for all.
        sync: Writes to disk what must be there before it gets its name.
    """

    source: TarballSource
    contents: Contents
    prefix: Path
    workers: int
    only: frozenset[str] | None = None
    sync: Sync = sync_file_system


def plan_unpack(
    source: TarballSource,
    prefix: Path,
    workers: int,
    only: frozenset[str] | None = None,
    sync: Sync = sync_file_system,
) -> UnpackPlan:
    """What unpacking `source` to `prefix` takes; nothing is written.

    Raises:
        PrefixExistsError: `prefix` exists and is not an empty directory.
        PrefixTooLongError: Its path does not fit into a placeholder of a binary file.
        PrefixError: Its path has a character that no script can hold.
        UsageError: A package of `only` is not in it, or `source` is a bill without its tarball.
        IntegrityError: A file list in it is damaged, or lists something that must not be written.
    """
    source.need_frames()
    unknown = sorted((only or frozenset()) - {item.name for item in source.bill.manifest.packages})
    if unknown:
        raise UsageError(
            f"there is no package {unknown[0]} in it", hint="--dry-run lists what is in it"
        )
    check_prefix(prefix, source.bill.manifest.requirements.longest_prefix)
    with prefix_errors(prefix):
        is_free = not os.path.lexists(prefix) or _is_empty_directory(prefix)
    if not is_free:
        raise PrefixExistsError(
            f"{prefix} exists already", hint="name another directory, or move this one away"
        )
    return UnpackPlan(
        source=source,
        contents=source.contents(),
        prefix=prefix,
        workers=workers,
        only=only,
        sync=sync,
    )


def _is_empty_directory(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and next(path.iterdir(), None) is None


def apply_unpack(plan: UnpackPlan, progress: Progress = no_progress) -> None:
    """Unpack; after an error the prefix is as it was.

    Raises:
        IntegrityError: The tarball does not match its bill.
        PrefixError: The prefix cannot be written.
    """
    chosen = [
        package
        for package in plan.contents.packages
        if plan.only is None or package.package.name in plan.only
    ]
    total = sum(len(package.slices) for package in chosen)
    numbers = count(1)
    with staged_prefix(plan.contents, plan.prefix, only=plan.only, sync=plan.sync) as root:
        extract(
            plan.source,
            [Target(bill=item, root=root) for package in chosen for item in package.slices],
            os.fsencode(plan.prefix),
            plan.workers,
            lambda _root: progress("unpack", next(numbers), total),
        )
