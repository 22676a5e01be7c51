"""Which lock the questions about a lock are put to."""

from pathlib import Path

from lading.cli.context import Context
from lading.cli.environments import find_lock
from lading.conda import native_platform
from lading.errors import UsageError
from lading.lock import Lockfile, LockGraph, lock_graph, locked_platforms, read_lockfile

__all__ = ["read_graph", "read_one_lock"]


def read_one_lock(
    context: Context, environment: str | None, platform: str | None
) -> tuple[Path, Lockfile]:
    """The lockfile meant: of the only environment that is locked, where none is named.

    The platform is the one named, this machine's where it is locked, else the first that is.

    Raises:
        UsageError: Several environments are locked, and none is named.
        LockError: There is none, or it cannot be read.
    """
    name = environment or _only_environment(context)
    if platform is None and not name.endswith((".yml", ".yaml")):
        locked = locked_platforms(context.directory, name)
        if locked and native_platform() not in locked:
            platform = locked[0].value
    path, _ = find_lock(context, name, platform)
    return path, read_lockfile(path, context.platform(platform) if platform else None)


def read_graph(context: Context, environment: str | None, platform: str | None) -> LockGraph:
    """What needs what in the lock meant, see `read_one_lock`."""
    path, lock = read_one_lock(context, environment, platform)
    return lock_graph(lock, path.parent)


def _only_environment(context: Context) -> str:
    names = sorted(item.name for item in (context.directory / "locks").glob("*/") if item.is_dir())
    if len(names) != 1:
        known = f"locked are {', '.join(names)}" if names else "nothing is locked yet"
        raise UsageError(f"no environment is named ({known})", hint="name one with -e")
    return names[0]
