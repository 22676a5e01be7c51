"""Namespaces of Linux that a child of the tests enters before it runs: no network, another /etc."""

import ctypes
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = [
    "NOBODY",
    "cut_off",
    "forbid_user_namespaces",
    "is_possible",
    "unprivileged",
    "with_etc",
]

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000
CLONE_NEWUSER = 0x10000000
PR_SET_DUMPABLE = 4
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000


def cut_off() -> None:
    """Take every network away from this process and its children."""
    _unshare(CLONE_NEWNET)


def forbid_user_namespaces() -> None:
    """Let this process, and its children, make no user namespace any more, as some sites do."""
    user, group = os.geteuid(), os.getegid()
    _unshare(CLONE_NEWUSER)
    # Who changed its user may not write to its own files below /proc, unless it is dumpable.
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
    for name, text in (
        ("self/setgroups", "deny"),
        ("self/uid_map", f"{user} {user} 1"),
        ("self/gid_map", f"{group} {group} 1"),
        ("sys/user/max_user_namespaces", "0"),
    ):
        Path("/proc", name).write_text(text)


def with_etc(additions: Path, scratch: Path) -> Callable[[], None]:
    """What gives a process an /etc that has the entries of a directory besides its own.

    Args:
        additions: The directory.
        scratch: A directory that may be filled; nothing outside of it is changed.
    """
    real, shown = scratch / "real", scratch / "shown"
    real.mkdir(parents=True)
    shown.mkdir()
    for path in Path("/etc").iterdir():
        (shown / path.name).symlink_to(real / path.name)
    for path in additions.iterdir():
        (shown / path.name).unlink(missing_ok=True)
        (shown / path.name).symlink_to(path)

    def prepare() -> None:
        _unshare(CLONE_NEWNS)
        _mount("none", "/", MS_REC | MS_PRIVATE)
        _mount("/etc", real, MS_BIND | MS_REC)
        _mount(shown, "/etc", MS_BIND)

    return prepare


NOBODY = 65534
FUSE_DEVICE = os.makedev(10, 229)


@contextmanager
def unprivileged(scratch: Path, *, fuse: bool = True) -> Iterator[Callable[[], None] | None]:
    """What makes a process of root one of nobody, on a node where users may open /dev/fuse or not.

    All such processes see one file tree, in which /dev/fuse is another. None where this machine
    allows no mount namespace, or no device.

    Args:
        scratch: An empty directory; nothing outside of it is changed.
        fuse: Whether `/dev/fuse` is open to everybody, as it is on most machines.
    """
    device = scratch / "fuse"

    def hold() -> None:
        _unshare(CLONE_NEWNS)
        _mount("none", "/", MS_REC | MS_PRIVATE)
        os.mknod(device, 0o020000, FUSE_DEVICE)
        device.chmod(0o666 if fuse else 0o600)
        _mount(device, "/dev/fuse", MS_BIND)

    try:
        holder = subprocess.Popen(["sleep", "600"], preexec_fn=hold)  # noqa: PLW1509  # as above
    except subprocess.SubprocessError:
        yield None
        return

    def prepare() -> None:
        descriptor = os.open(f"/proc/{holder.pid}/ns/mnt", os.O_RDONLY)
        directory = Path.cwd()
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNS) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        os.close(descriptor)
        os.chdir(directory)
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)

    try:
        yield prepare
    finally:
        holder.kill()
        holder.wait()


def is_possible(preparation: Callable[[], None]) -> bool:
    """Whether this machine lets a process do that."""
    try:
        return subprocess.run(["true"], preexec_fn=preparation, check=False).returncode == 0
    except subprocess.SubprocessError:
        return False


def _unshare(kinds: int) -> None:
    if os.geteuid() != 0:
        kinds |= CLONE_NEWUSER
    if ctypes.CDLL(None, use_errno=True).unshare(kinds) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


def _mount(source: object, target: object, flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    words = [os.fsencode(str(item)) for item in (source, target)]
    if libc.mount(*words, None, ctypes.c_ulong(flags), None) != 0:
        raise OSError(ctypes.get_errno(), f"mount {target}")
