"""How much a user may still write where quotas hold: asked of the kernel, or of a program.

The kernel knows the quotas of local file systems. Those of NFS and Lustre are known to their
servers, and `quota` and `lfs` ask these. Where there is no quota, or nobody tells, there is none.

Source: quotactl(2); quota(1); lfs-quota(1).
"""

import ctypes
import errno
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from lading.errors import EngineError
from lading.system import Run, file_system_type, run

_GET = 0x800007
"""Q_GETQUOTA."""

_KINDS = {0: os.geteuid, 1: os.getegid}
"""USRQUOTA and GRPQUOTA, and whose."""

_SYSCALL = 443
"""quotactl_fd, of Linux 5.14: the same number on every architecture. Before, a device is named."""

_BLOCK = 1024
_PROGRAM_SECONDS = 5.0
_COLUMNS = 9
"""Of what `quota` and `lfs` write of a file system: its name, four of blocks, four of files."""


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """What a user may still write.

    Attributes:
        space: Bytes; None without a limit.
        files: How many; None without a limit.
    """

    space: int | None
    files: int | None


class _Limits(ctypes.Structure):
    """`struct if_dqblk`: limits in blocks of 1024 bytes, usage in bytes; 0 is no limit."""

    _fields_ = (
        ("space_hard", ctypes.c_uint64),
        ("space_soft", ctypes.c_uint64),
        ("space_used", ctypes.c_uint64),
        ("files_hard", ctypes.c_uint64),
        ("files_soft", ctypes.c_uint64),
        ("files_used", ctypes.c_uint64),
        ("space_time", ctypes.c_uint64),
        ("files_time", ctypes.c_uint64),
        ("valid", ctypes.c_uint32),
    )


def kernel_quota(directory: Path) -> Quota | None:
    """What this user may still write on the file system of `directory`, by what the kernel knows.

    Root is not limited.
    """
    if os.geteuid() == 0 or os.uname().sysname != "Linux":
        return None
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            found = [_asked(descriptor, kind, whose()) for kind, whose in _KINDS.items()]
            return least([item for item in found if item is not None])
        finally:
            os.close(descriptor)
    return None


def _asked(descriptor: int, kind: int, identity: int) -> Quota | None:
    """What the kernel says of one user or group; None where it has no quota for it."""
    library = ctypes.CDLL(None, use_errno=True)
    limits = _Limits()
    command = ctypes.c_uint(_GET << 8 | kind)
    rest = (ctypes.c_int(identity), ctypes.byref(limits))
    failed = library.syscall(ctypes.c_long(_SYSCALL), ctypes.c_uint(descriptor), command, *rest)
    if failed and ctypes.get_errno() == errno.ENOSYS:
        device = os.fstat(descriptor).st_dev
        name = f"/dev/block/{os.major(device)}:{os.minor(device)}"
        failed = library.quotactl(command, name.encode(), *rest)
    if failed:
        return None
    return Quota(
        space=_left(limits.space_hard, limits.space_soft, limits.space_used, _BLOCK),
        files=_left(limits.files_hard, limits.files_soft, limits.files_used),
    )


def program_quota(directory: Path, variables: Mapping[str, str]) -> Quota | None:
    """The same for a network file system, by the program that asks its server."""
    kind = file_system_type(directory)
    name = {"lustre": "lfs", "nfs": "quota", "nfs4": "quota"}.get(kind)
    program = shutil.which(name, path=variables.get("PATH", os.defpath)) if name else None
    if program is None:
        return None
    words = ("-w", "-p", "-f") if name == "quota" else ("quota", "-q", "-u", str(os.geteuid()))
    # `quota` wants the mount point.
    place = next(path for path in (directory, *directory.parents) if path.is_mount())
    argv = (program, *words, str(place))
    with suppress(EngineError):
        return parse_quota(run(Run(argv=argv, environment={}, timeout=_PROGRAM_SECONDS)).stdout)
    return None


def parse_quota(text: str) -> Quota | None:
    """What `quota -wp` or `lfs quota -q` writes of one file system; None where it is no table."""
    # An asterisk marks what is over its limit.
    fields = [field.rstrip("*") for field in text.split()[-_COLUMNS:]]
    try:
        used, soft, hard, files_used, files_soft, files_hard = (
            int(fields[number]) for number in (1, 2, 3, 5, 6, 7)
        )
    except (IndexError, ValueError):
        return None
    space = _left(hard, soft, used * _BLOCK, _BLOCK)
    return least([Quota(space=space, files=_left(files_hard, files_soft, files_used))])


def least(quotas: list[Quota]) -> Quota | None:
    """What all of `quotas` allow together; None where none of them limits anything."""
    spaces = [item.space for item in quotas if item.space is not None]
    files = [item.files for item in quotas if item.files is not None]
    if not spaces and not files:
        return None
    return Quota(space=min(spaces, default=None), files=min(files, default=None))


def _left(hard: int, soft: int, used: int, unit: int = 1) -> int | None:
    limit = hard or soft
    return max(0, limit * unit - used) if limit else None
