"""A directory that only this user may write to, such as a cache that is believed what it says."""

import errno
from pathlib import Path

from lading.system.removal import remove_tree
from lading.system.untrusted import is_trusted_owner, reason_to_distrust


def make_private_directory(path: Path) -> None:
    """Create a directory that is closed to other users, mode 0700, where it is missing.

    One of our own that others may write to is emptied first: what is in it may be theirs.

    Raises:
        PermissionError: It belongs to another user.
        OSError: It cannot be created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)
    place = path.resolve()
    reason = reason_to_distrust(place)
    if not reason:
        return
    if not is_trusted_owner(place.stat()):
        raise PermissionError(errno.EPERM, reason, str(path))
    place.chmod(0o700)
    for item in place.iterdir():
        if item.is_dir() and not item.is_symlink():
            remove_tree(item)
        else:
            item.unlink()
