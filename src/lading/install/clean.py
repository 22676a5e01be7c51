"""Clear a package cache: only one that lading created, and only what lading and engines put there.

`--pkgs-dir` may name any directory, such as a home directory or the package cache of conda. So a
directory is cleared only if it carries the marker that lading leaves in a directory that it fills
from the beginning; and in it only archives, wheels, extracted packages and locks are removed.
"""

import os
import re
from contextlib import suppress
from pathlib import Path

from lading.errors import UsageError
from lading.install.extracted import find_extracted
from lading.install.layout import WHEELS, BuildTree
from lading.install.package_cache import MARKER_NAME, shared_cache
from lading.system import remove_stale_temporaries, remove_tree

_OWN_FILE = re.compile(
    rf".+\.(conda|tar\.bz2|whl|lock)|\.fetch-[0-9a-f]{{64}}|urls(\.txt)?|{re.escape(MARKER_NAME)}"
)
_SUBDIRECTORIES = (WHEELS, "file", "http", "https")
"""Where wheels lie, and below which micromamba since 2.6 keeps packages."""


def clear_package_cache(tree: BuildTree) -> tuple[Path, ...] | None:
    """Remove archives, extracted packages and wheels from the package cache of `tree`.

    Returns:
        What was left there, because neither lading nor an engine put it there; None where there is
        no package cache.

    Raises:
        UsageError: The directory was not created by lading.
    """
    directory = tree.package_cache
    if not directory.is_dir():
        return None
    is_default = tree.package_cache_override is None and not directory.is_symlink()
    if not (is_default or (directory / MARKER_NAME).is_file()):
        raise UsageError(
            f"{directory} is not a package cache that lading created",
            hint="remove it yourself, if nothing else is in it",
        )
    with shared_cache(directory, alone=True):
        for path in find_extracted(directory):
            if path.parent == directory or path.relative_to(directory).parts[0] in _SUBDIRECTORIES:
                remove_tree(path)
        for name in _SUBDIRECTORIES:
            _clear_below(directory / name)
        remove_stale_temporaries(directory)
        _unlink_own(directory)
    left = tuple(sorted(directory.iterdir()))
    if not left:
        directory.rmdir()
    return left


def _clear_below(directory: Path) -> None:
    if directory.is_symlink():
        return
    for root, _, _ in os.walk(directory, topdown=False):
        remove_stale_temporaries(Path(root))
        _unlink_own(Path(root))
        with suppress(OSError):  # what others put there
            os.rmdir(root)  # noqa: PTH106  # os.walk speaks text


def _unlink_own(directory: Path) -> None:
    for path in directory.iterdir():
        if _OWN_FILE.fullmatch(path.name) and (path.is_symlink() or path.is_file()):
            path.unlink()
