"""Carry out an update in place: departing packages go, arriving ones are linked and moved in.

The engine links into a directory of the prefix's own name, so that what it writes with the prefix
in it needs no change: the prefix is renamed, what was linked is put beside it, and then moved in.
Meanwhile there is no install record, so after an interruption nothing half done looks complete.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from lading.conda import Kind, RepodataRecord
from lading.errors import UnsafePathError
from lading.install.placement import foreign_paths, make_parents, remove_foreign
from lading.install.update import PYTHON, NotUpdatableError, Update
from lading.package import Payload
from lading.system import Beneath, remove_tree

ASIDE = "prefix.kept"
"""Where the prefix lies while the engine links, beside its place."""

INCOMING = "prefix.linked"
"""Where what the engine linked lies until it is moved in."""


def move_packages(
    update: Update, prefix: Path, link: Callable[[tuple[RepodataRecord, ...]], Mapping[str, Path]]
) -> dict[str, Path]:
    """Remove the departing conda packages and link the arriving ones.

    Returns:
        Distribution string → extracted directory, of all conda packages.

    The install record must be removed before. `link` fills an empty prefix of that name with
    records, and returns their extracted directories.

    Raises:
        NotUpdatableError: A package brings what another one has, or has as something else.
        IntegrityError: An archive or a package is damaged.
        EngineError: The engine failed.
    """
    for payload in update.departing:
        _take_out(payload, prefix, update.kept)
    if not update.records:
        return dict(update.extracted)
    aside, incoming = prefix.with_name(ASIDE), prefix.with_name(INCOMING)
    prefix.rename(aside)
    linked = link(update.records)
    prefix.rename(incoming)
    aside.rename(prefix)
    _move_in(incoming, prefix, update.kept)
    remove_tree(incoming)
    return {**update.extracted, **linked}


def _take_out(payload: Payload, prefix: Path, kept: Mapping[str, str]) -> None:
    """Remove what a package brought, and the directories that are empty without it."""
    directories = [item.path for item in payload.files if item.kind is Kind.DIRECTORY]
    with Beneath(prefix) as beneath:
        for item in payload.files:
            if item.kind is not Kind.DIRECTORY:
                remove_foreign(beneath, item.path, kept)
        for path in sorted(directories, reverse=True):
            # It is there still if others put something into it.
            with suppress(OSError):
                above, name = beneath.above(path)
                os.rmdir(name, dir_fd=above)


def _move_in(incoming: Path, prefix: Path, kept: Mapping[str, str]) -> None:
    with Beneath(incoming) as source, Beneath(prefix) as target:
        for path in sorted(foreign_paths(incoming, ())):
            owner = kept.get(path)
            if owner in {PYTHON, ""}:
                # Linked for the sake of the others; and the marks of installers.
                continue
            if owner is not None:
                raise NotUpdatableError(f"{path} is owned by {owner} already")
            try:
                make_parents(target, path)
            except UnsafePathError as error:
                raise NotUpdatableError(str(error)) from error
            _move(path, source, target)


def _move(path: str, source: Beneath, target: Beneath) -> None:
    """Move a file or link, in the place of another one."""
    above, name = target.above(path)
    try:
        os.rename(name, name, src_dir_fd=source.above(path)[0], dst_dir_fd=above)
    except IsADirectoryError as error:
        raise NotUpdatableError(f"{path} is a directory of another package") from error
