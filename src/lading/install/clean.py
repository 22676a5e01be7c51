"""Clear a package cache: only one that lading created, and only what lading and engines put there.

`--pkgs-dir` may name any directory, such as a home directory or the package cache of conda. So a
directory is cleared only if it carries the marker that lading leaves in a directory that it fills
from the beginning; and in it only archives, wheels, extracted packages and locks are removed.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from lading.errors import UsageError
from lading.install.layout import WHEELS, BuildTree
from lading.install.package_cache import MARKER_NAME, shared_cache
from lading.system import remove_stale_temporaries

__all__ = ["clear_package_cache"]

_OWN_FILE = re.compile(
    rf".+\.(conda|tar\.bz2|lock)|\.fetch-[0-9a-f]{{64}}|urls(\.txt)?|{re.escape(MARKER_NAME)}"
)
_OWN_WHEEL = re.compile(r".+\.whl|\.fetch-[0-9a-f]{64}")
_BESIDE_EXTRACTED = (".conda", ".tar.bz2", ".lock")


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
        remove_stale_temporaries(directory)
        _clear_wheels(directory / WHEELS)
        for path in [*_extracted(directory)]:
            shutil.rmtree(path)
        _unlink_matching(directory, _OWN_FILE)
    left = tuple(sorted(directory.iterdir()))
    if not left:
        directory.rmdir()
    return left


def _clear_wheels(directory: Path) -> None:
    if directory.is_symlink() or not directory.is_dir():
        return
    remove_stale_temporaries(directory)
    _unlink_matching(directory, _OWN_WHEEL)
    if not any(directory.iterdir()):
        directory.rmdir()


def _extracted(directory: Path) -> Iterator[Path]:
    """Yield each extracted package; one that lacks its `info/` is known by its archive or lock."""
    for path in directory.iterdir():
        beside = (directory / f"{path.name}{suffix}" for suffix in _BESIDE_EXTRACTED)
        if (
            path.is_dir()
            and not path.is_symlink()
            and ((path / "info/index.json").is_file() or any(item.is_file() for item in beside))
        ):
            yield path


def _unlink_matching(directory: Path, pattern: re.Pattern[str]) -> None:
    for path in directory.iterdir():
        if pattern.fullmatch(path.name) and (path.is_symlink() or path.is_file()):
            path.unlink()
