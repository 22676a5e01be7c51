"""Which lockfile, or which prefix, a user means."""

from pathlib import Path

from lading.cli.context import Context
from lading.conda import is_path_separator_free
from lading.errors import LockError, NotAPrefixError, UsageError
from lading.install import read_install_record
from lading.lock import LOCK_SUFFIX, lock_path

__all__ = ["find_lock", "find_prefix"]


def find_lock(context: Context, environment: str, platform: str | None) -> tuple[Path, str]:
    """The lockfile of an environment, and the name of the environment.

    Args:
        context: The world.
        environment: Name of an environment, or the path of a lockfile.
        platform: Subdir, or None for this machine's.

    Raises:
        UsageError: `environment` can be neither.
        LockError: There is no such lockfile; the hint says how to make it.
    """
    if environment.endswith((".yml", ".yaml")):
        path = context.path(environment)
        return path, path.parent.name if path.name.endswith(LOCK_SUFFIX) else path.stem
    if not is_path_separator_free(environment):
        raise UsageError(
            f"{environment!r} is no name of an environment", hint="name it, or name a lockfile"
        )
    path = lock_path(context.directory, environment, context.platform(platform))
    if not path.is_file():
        locked = sorted(item.name for item in (context.directory / "locks").glob("*/"))
        known = f"locked are {', '.join(locked)}" if locked else "nothing is locked yet"
        raise LockError(
            f"{environment} is not locked for {context.platform(platform)} ({known})",
            hint="run `lading lock` on its environment.yml",
        )
    return path, environment


def find_prefix(context: Context, environment: str) -> tuple[Path, str]:
    """The prefix of an environment, absolute, and what it is called.

    Args:
        context: The world.
        environment: Name of an installed environment, or the path of a prefix.

    Raises:
        NotAPrefixError: There is none, or its installation was not completed.
    """
    path = context.path(environment)
    if (path / "conda-meta").is_dir():
        return path, path.name
    bill = None
    if is_path_separator_free(environment):
        bill = read_install_record(context.tree.build(environment, context.platform(None)))
    if bill is None:
        raise NotAPrefixError(
            f"there is no environment {environment}",
            hint=f"run `lading install {environment}`, or name a prefix",
        )
    return Path(bill.prefix), environment
