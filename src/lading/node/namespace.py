"""Namespaces of Linux: a place in the file tree that this process and its kin see, and nobody else.

A process may give itself a mount namespace; without root it needs a user namespace of its own for
that, in which it is root. Others of the same user join by the process's number. After joining, a
process gives itself its own user id back, so programs see the user that started them.

Everything here raises `OSError` where the kernel or a site forbids it: that is how it is found out.

Source: user_namespaces(7), mount_namespaces(7), pivot_root(2), fuse(4).
"""

import ctypes
import errno
import os
from contextlib import suppress
from pathlib import Path

from lading.system import nearest_directory

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_BIND = 1, 2, 4, 0x1000
MS_REC, MS_SLAVE = 0x4000, 0x80000
_MNT_DETACH = 2
PR_SET_DUMPABLE = 4

_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "ppc64le": 203, "s390x": 217, "riscv64": 41}


def own_mounts(*, user: bool) -> None:
    """Give this process a mount namespace; mounts made outside still appear in it.

    Args:
        user: Also give it a user namespace, in which it is root: needed without root.
    """
    uid, gid = os.geteuid(), os.getegid()
    _call("unshare", ctypes.c_int(CLONE_NEWNS | (CLONE_NEWUSER if user else 0)))
    if user:
        _map(f"0 {uid} 1", f"0 {gid} 1")
        # The kernel hides what gained capabilities from others of the same user, who shall join.
        _call("prctl", ctypes.c_int(PR_SET_DUMPABLE), ctypes.c_ulong(1), *[ctypes.c_ulong(0)] * 3)
    mount(None, "/", None, MS_REC | MS_SLAVE)


def enter(process: int, *, user: bool) -> None:
    """Join the namespaces of `process`; the current directory stays, where it exists in there."""
    directory = Path.cwd()
    kinds = (("user", CLONE_NEWUSER), ("mnt", CLONE_NEWNS)) if user else (("mnt", CLONE_NEWNS),)
    descriptors = [
        (os.open(f"/proc/{process}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC), kind)
        for name, kind in kinds
    ]
    try:
        for descriptor, kind in descriptors:
            _call("setns", ctypes.c_int(descriptor), ctypes.c_int(kind))
    finally:
        for descriptor, _ in descriptors:
            os.close(descriptor)
    with suppress(OSError):
        os.chdir(directory)


def regain_identity(uid: int, gid: int) -> None:
    """Be `uid` and `gid` again, as root of a user namespace that maps them to 0."""
    _call("unshare", ctypes.c_int(CLONE_NEWUSER))
    _map(f"{uid} 0 1", f"{gid} 0 1")


def expose(prefix: Path, scratch: Path) -> None:
    """Have an empty directory at `prefix` in this mount namespace, whatever the host has there.

    What lies beside it and beside its parents stays visible. The nearest existing directory above
    gets a new, empty file system in front of it, into which its entries are bound.

    Args:
        prefix: Absolute.
        scratch: An empty directory, for the case that no parent but the root exists.
    """
    nearest = nearest_directory(prefix)
    if nearest == prefix:
        return
    if nearest == Path("/"):
        _new_root(scratch)
    else:
        _bind_entries(nearest, nearest)
    prefix.mkdir(parents=True)


def _new_root(scratch: Path) -> None:
    _bind_entries(Path("/"), scratch)
    os.chdir(scratch)
    number = _PIVOT_ROOT.get(os.uname().machine)
    if number is None:
        raise OSError(errno.ENOSYS, "the root cannot be changed on this architecture")
    # Both names the same: the old root lies in front of the new one, and is taken away.
    _call("syscall", ctypes.c_long(number), b".", b".")
    unmount_lazily(Path())
    os.chdir("/")


def _bind_entries(source: Path, target: Path) -> None:
    """Mount an empty file system at `target`, with the entries of `source` bound into it."""
    names = os.listdir(source)  # noqa: PTH208  # names are what is used
    # Through its descriptor it is reached even when something lies in front of it.
    descriptor = os.open(source, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        mount("tmpfs", target, "tmpfs", 0, "mode=0755")
        for name in names:
            _bind_entry(Path(f"/proc/self/fd/{descriptor}/{name}"), target / name)
    finally:
        os.close(descriptor)


def _bind_entry(source: Path, target: Path) -> None:
    if source.is_symlink():
        target.symlink_to(source.readlink())
        return
    if source.is_dir():
        target.mkdir()
    else:
        target.touch()
    try:
        mount(str(source), target, None, MS_BIND | MS_REC)
    except OSError:
        # What not even its owner may see is not missed.
        with suppress(OSError):
            target.rmdir() if target.is_dir() else target.unlink()


def mount_fuse(prefix: Path) -> int:
    """Mount a FUSE file system at `prefix`; the descriptor by which a program will serve it.

    Until some process does, whoever looks into `prefix` waits; when the last one closes the
    descriptor, all is over. The program may live outside of this namespace: then the namespace ends
    with its last user, and the program with the namespace.
    """
    descriptor = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={descriptor},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}"
    try:
        mount(
            "squashfuse_ll",
            prefix,
            "fuse.squashfuse_ll",
            MS_RDONLY | MS_NOSUID | MS_NODEV,
            f"{options},allow_other",
        )
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _map(uids: str, gids: str) -> None:
    for name, text in (("setgroups", "deny"), ("uid_map", uids), ("gid_map", gids)):
        # Written by one call, as the kernel asks for.
        descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)


def mount(
    source: str | None, target: Path | str, kind: str | None, flags: int, options: str = ""
) -> None:
    """Attach a file system at `target`, by the system call of this name.

    Raises:
        OSError: It cannot; `filename` says where.
    """
    words = [os.fsencode(item) if item is not None else None for item in (source, target, kind)]
    try:
        _call("mount", *words, ctypes.c_ulong(flags), options.encode() or None)
    except OSError as error:
        raise OSError(error.errno, error.strerror, f"mount {target}") from error


def unmount_lazily(place: Path) -> None:
    """Take the file system at `place` out of the tree; whoever uses it already keeps it."""
    _call("umount2", os.fsencode(place), ctypes.c_int(_MNT_DETACH))


def _call(name: str, *arguments: object) -> None:
    """Call a function of the C library; a result of -1 is an error."""
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
