"""What this machine is and allows: found out by looking and by trying, for `preflight`.

Nothing stays of what is tried: namespaces end with a child, files are made and removed.
"""

import ctypes
import fcntl
import os
import resource
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from lading.node.machine import Machine, look_at_machine
from lading.node.namespace import own_mounts
from lading.node.overlay import mount_overlay
from lading.node.quota import Quota, kernel_quota, least, program_quota
from lading.system import file_system_type, nearest_directory

FICLONE = 0x40049409


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """The place where an environment would lie.

    Attributes:
        path: Absolute; need not exist.
        nearest: Its nearest directory that exists.
        file_system: Type, such as `ext4`.
        free: Bytes that this user may write.
        inodes: Files that this user may make; None where the file system does not count them.
        quota: What a quota leaves to this user; None where there is none.
        writable: Whether this user may write there.
        noexec: Whether programs there cannot be run.
        reflink: Whether a file can be cloned there.
    """

    path: str
    nearest: str
    file_system: str
    free: int
    inodes: int | None
    quota: Quota | None
    writable: bool
    noexec: bool
    reflink: bool


class Host(Machine, frozen=True, kw_only=True):
    """What a machine allows, too.

    Attributes:
        cuda: The newest CUDA that the driver serves, such as `12.4`, or empty.
        cuda_arch: The least compute capability of its devices, or empty.
        open_files: Soft limit.
        user_namespaces: Why none can be made, or empty.
        overlay: Why an overlay cannot be mounted in one, or empty.
        fuse: Why `/dev/fuse` cannot be opened, or empty.
    """

    cuda: str
    cuda_arch: str
    open_files: int
    user_namespaces: str
    overlay: str
    fuse: str


def look_at_host() -> Host:
    """This machine, as this process finds it."""
    cuda, cuda_arch = _cuda()
    return Host(
        **msgspec.structs.asdict(look_at_machine()),
        cuda=cuda,
        cuda_arch=cuda_arch,
        open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        user_namespaces=_reason(lambda: own_mounts(user=True)),
        overlay=overlay_refusal(),
        fuse=_fuse(),
    )


def look_at_site(path: Path, variables: Mapping[str, str]) -> Site:
    """The place `path`; a file is made and removed where that is possible.

    Args:
        path: Absolute; need not exist.
        variables: Environment variables: `PATH`, for the programs that know quotas.
    """
    nearest = nearest_directory(path)
    status = os.statvfs(nearest)
    quotas = (kernel_quota(nearest), program_quota(nearest, variables))
    writable = os.access(nearest, os.W_OK | os.X_OK)
    return Site(
        path=str(path),
        nearest=str(nearest),
        file_system=file_system_type(nearest),
        free=status.f_bavail * status.f_frsize,
        inodes=status.f_favail if status.f_files else None,
        quota=least([item for item in quotas if item is not None]),
        writable=writable,
        noexec=bool(status.f_flag & os.ST_NOEXEC),
        reflink=writable and _can_clone(nearest),
    )


def in_child(work: Callable[[], str]) -> str:
    """What `work` returns in a child process, which may enter namespaces for it.

    An `OSError` of it is returned as its reason.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            try:
                answer = work()
            except OSError as error:
                answer = error.strerror or str(error)
            os.write(writing, answer.encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        answer = stream.read().decode()
    os.waitpid(child, 0)
    return answer


def _reason(attempt: Callable[[], None]) -> str:
    """Why something is not possible, tried in a child; empty where it is."""

    def work() -> str:
        attempt()
        return ""

    return in_child(work)


def overlay_refusal() -> str:
    """Why no overlay can be mounted by this user, tried in a child; empty where one can be."""
    with tempfile.TemporaryDirectory() as directory:
        place, *layers = (Path(directory, name) for name in ("place", "upper", "lower"))
        for path in (place, *layers):
            path.mkdir()

        def attempt() -> None:
            own_mounts(user=os.geteuid() != 0)
            mount_overlay(layers, place, Path(directory))

        return _reason(attempt)


def _fuse() -> str:
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _cuda() -> tuple[str, str]:
    """Version and least compute capability that the driver's own library tells."""
    try:
        library = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "", ""
    version, count = ctypes.c_int(), ctypes.c_int()
    if library.cuInit(0) or library.cuDriverGetVersion(ctypes.byref(version)):
        return "", ""
    text = f"{version.value // 1000}.{version.value % 1000 // 10}"
    library.cuDeviceGetCount(ctypes.byref(count))
    capabilities = []
    for number in range(count.value):
        major, minor = ctypes.c_int(), ctypes.c_int()
        # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR.
        library.cuDeviceGetAttribute(ctypes.byref(major), 75, number)
        library.cuDeviceGetAttribute(ctypes.byref(minor), 76, number)
        capabilities.append((major.value, minor.value))
    return text, ".".join(map(str, min(capabilities))) if capabilities else ""


def _can_clone(directory: Path) -> bool:
    with (
        suppress(OSError),
        tempfile.TemporaryFile(dir=directory) as source,
        tempfile.TemporaryFile(dir=directory) as target,
    ):
        source.write(bytes(4096))
        source.flush()
        fcntl.ioctl(target.fileno(), FICLONE, source.fileno())
        return True
    return False
