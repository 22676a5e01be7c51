"""Unpack a tarball to a prefix: checked, relocated and written in one pass."""

import os
from functools import cached_property
from itertools import count
from pathlib import Path

import msgspec

from lading.errors import NotAPrefixError, PrefixExistsError, UsageError
from lading.format import MANIFEST_PATH, Contents, PackageContents, State, TarballSource, read_state
from lading.node.sign import CODESIGN
from lading.node.staging import (
    check_prefix,
    check_space,
    parents_of,
    prefix_errors,
    staged_prefix,
)
from lading.system import (
    Digest,
    Progress,
    Sync,
    no_progress,
    read_regular,
    sha256_of,
    sync_file_system,
    take_turns,
)


class UnpackPlan(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What unpacking will do.

    Attributes:
        source: The tarball, open.
        prefix: Where the environment will be, absolute.
        workers: How many frames are unpacked at once.
        only: Names of the packages to unpack, or None for all.
        replace: Whether another environment at `prefix` makes place.
        sync: Writes to disk what must be there before it gets its name.
        codesign: The program that signs what is relocated; empty for none.
    """

    source: TarballSource
    prefix: Path
    workers: int
    only: frozenset[str] | None = None
    replace: bool = False
    sync: Sync = sync_file_system
    codesign: str = CODESIGN

    @cached_property
    def contents(self) -> Contents:
        """What is in the tarball: read when it is needed, which is not while others unpack it.

        Raises:
            IntegrityError: A file list is damaged, or lists something that must not be written.
        """
        return self.source.contents()

    def is_there(self) -> bool:
        """Whether the environment with this very bill is at its place already."""
        return self.only is None and is_unpacked(self.prefix, self.source.bill.digest)


def plan_unpack(  # noqa: PLR0913  # one parameter for each choice
    source: TarballSource,
    prefix: Path,
    workers: int,
    only: frozenset[str] | None = None,
    *,
    replace: bool = False,
    sync: Sync = sync_file_system,
    codesign: str = CODESIGN,
) -> UnpackPlan:
    """What unpacking `source` to `prefix` takes; nothing is written.

    Raises:
        PrefixExistsError: `prefix` exists, and is neither an empty directory, nor this environment,
            nor one that may be replaced.
        PrefixTooLongError: Its path does not fit into a placeholder of a binary file.
        PrefixError: Its path has a character that no script can hold.
        UsageError: A package of `only` is not in it, or `source` is a bill without its tarball.
    """
    source.need_frames()
    unknown = sorted((only or frozenset()) - {item.name for item in source.bill.manifest.packages})
    if unknown:
        raise UsageError(
            f"there is no package {unknown[0]} in it", hint="--dry-run lists what is in it"
        )
    check_prefix(prefix, source.bill.manifest.requirements.longest_prefix)
    plan = UnpackPlan(
        source=source,
        prefix=prefix,
        workers=workers,
        only=only,
        replace=replace,
        sync=sync,
        codesign=codesign,
    )
    with prefix_errors(prefix):
        if not plan.is_there():
            _check_place(prefix, replace=replace and only is None)
    return plan


def _check_place(prefix: Path, *, replace: bool) -> None:
    """Refuse a place where something is that must stay."""
    if not os.path.lexists(prefix) or _is_empty_directory(prefix):
        return
    is_environment = not prefix.is_symlink() and (prefix / "conda-meta").is_dir()
    if not is_environment:
        raise PrefixExistsError(
            f"{prefix} exists already", hint="name another directory, or move this one away"
        )
    if not replace:
        raise PrefixExistsError(
            f"{prefix} holds another environment",
            hint="replace it with --replace, or name another directory",
        )


def is_unpacked(prefix: Path, digest: Digest) -> bool:
    """Whether the environment with this bill was unpacked to `prefix`, by what it says of itself.

    What happened to its files since is not looked at.
    """
    try:
        return (
            not prefix.is_symlink()
            and read_state(prefix) == State(prefix=str(prefix), manifest=digest.hex)
            and sha256_of(read_regular(prefix / MANIFEST_PATH)) == digest
        )
    except (OSError, NotAPrefixError):
        return False


def _chosen(plan: UnpackPlan) -> list[PackageContents]:
    return [
        package
        for package in plan.contents.packages
        if plan.only is None or package.package.name in plan.only
    ]


def _is_empty_directory(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and next(path.iterdir(), None) is None


def apply_unpack(plan: UnpackPlan, progress: Progress = no_progress) -> bool:
    """Unpack, unless it is there; after an error the prefix is as it was.

    Of several processes that unpack to one prefix, one works while the others wait for it.

    Returns:
        Whether something was written: another process may have been faster.

    Raises:
        IntegrityError: The tarball does not match its bill.
        PrefixError: The prefix cannot be written, or space is short.
    """
    if plan.is_there():
        return False
    with prefix_errors(plan.prefix), parents_of(plan.prefix), take_turns(plan.prefix):
        if plan.is_there():
            return False
        _write(plan, progress)
    return True


def _write(plan: UnpackPlan, progress: Progress) -> None:
    from lading.node.extraction import Target, extract  # noqa: PLC0415  # not where it is there

    chosen = _chosen(plan)
    packages = [item.package for item in chosen]
    size = sum(item.size for item in packages)
    check_space(plan.prefix, size, sum(item.files for item in packages))
    total = sum(len(package.slices) for package in chosen)
    numbers = count(1)
    with staged_prefix(
        plan.contents,
        plan.prefix,
        only=plan.only,
        replace=plan.replace and plan.only is None,
        sync=plan.sync,
        codesign=plan.codesign,
    ) as root:
        extract(
            plan.source,
            [Target(bill=item, root=root) for package in chosen for item in package.slices],
            os.fsencode(plan.prefix),
            plan.workers,
            lambda _root: progress("unpack", next(numbers), total),
        )
