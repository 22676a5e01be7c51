"""Remove a directory tree of any depth.

`shutil.rmtree` descends by recursion, with an open directory for each level: what a program or a
hostile package nests a thousand levels deep would stay for ever.
"""

import errno
import os
import stat
from pathlib import Path


def remove_tree(path: Path | str, above: int | None = None) -> None:
    """Remove a directory and everything below it, however deep; symbolic links are not followed.

    `above` is the descriptor of the directory that `path` is relative to, if it is.

    Raises:
        OSError: Something cannot be removed, or there is no directory at `path`.
    """
    import shutil  # noqa: PLC0415  # slow to load, and not for who removes nothing

    try:
        shutil.rmtree(path, dir_fd=above)
    except RecursionError:
        _remove_deep_tree(path, above)
    except OSError as error:
        # It holds one descriptor for each level.
        if error.errno != errno.EMFILE:
            raise
        _remove_deep_tree(path, above)


def _remove_deep_tree(path: Path | str, above: int | None) -> None:
    """Remove a tree by moving the directories of the second level up, until there are none."""
    top = _open_directory(path, above)
    try:
        while names := os.listdir(top):  # noqa: PTH208  # a descriptor
            for name in names:
                if _is_directory(name, top):
                    _move_up(name, top)
                    os.rmdir(name, dir_fd=top)
                else:
                    os.unlink(name, dir_fd=top)
    finally:
        os.close(top)
    os.rmdir(path, dir_fd=above)


def _move_up(name: str, top: int) -> None:
    """Move the directories below `name` beside it, and remove everything else below it."""
    below = _open_directory(name, top)
    try:
        for child in os.listdir(below):  # noqa: PTH208  # a descriptor
            if _is_directory(child, below):
                os.rename(child, os.urandom(16).hex(), src_dir_fd=below, dst_dir_fd=top)
            else:
                os.unlink(child, dir_fd=below)
    finally:
        os.close(below)


def _open_directory(path: Path | str, above: int | None = None) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)


def _is_directory(name: str, above: int) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode)
