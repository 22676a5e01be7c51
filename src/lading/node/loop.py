"""An image as a block device, and the kernel's squashfs on it: for root.

The device keeps the very file that it was given, so that what is asked of that file holds for every
read: no read-ahead. A program touches a sixth of an image, here and there; some disks read 8 MiB
ahead, which made it half of the image. squashfs reads ahead by itself.

Source: loop(4); posix_fadvise(2); linux/loop.h.
"""

import errno
import fcntl
import os
import struct
from pathlib import Path

from lading.node.namespace import MS_NODEV, MS_NOSUID, MS_RDONLY, mount

_GET_FREE, _CONFIGURE, _SET_FD, _CLEAR_FD, _SET_STATUS = 0x4C82, 0x4C0A, 0x4C00, 0x4C01, 0x4C04
_READ_ONLY, _AUTOCLEAR = 1, 4
_STATUS = struct.Struct("=52xI176x")
_CONFIG = struct.Struct("=2I232s64x")
_ATTEMPTS = 50


def mount_squashfs(image: Path, directory: Path) -> None:
    """Mount `image` read-only; the device goes with the mount.

    Raises:
        OSError: The kernel forbids it, or knows no squashfs, or no device is free.
    """
    descriptor = os.open(image, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
        device = _attach(descriptor)
    finally:
        os.close(descriptor)
    try:
        name = Path(f"/proc/self/fd/{device}").readlink()
        mount(str(name), directory, "squashfs", MS_RDONLY | MS_NOSUID | MS_NODEV)
    finally:
        # Unless it is mounted, nobody has it open any more, and it is free again.
        os.close(device)


def _attach(image: int) -> int:
    """Give a free loop device the file `image`; the device, open. Its last user frees it."""
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    try:
        for _ in range(_ATTEMPTS):
            number = fcntl.ioctl(control, _GET_FREE)
            device = os.open(f"/dev/loop{number}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                _configure(device, image)
            except OSError as error:
                os.close(device)
                if error.errno != errno.EBUSY:
                    raise
                # Somebody else was faster.
                continue
            return device
    finally:
        os.close(control)
    raise OSError(errno.EBUSY, "no loop device is free")


def _configure(device: int, image: int) -> None:
    """Give a loop device its file and its flags."""
    status = _STATUS.pack(_READ_ONLY | _AUTOCLEAR)
    try:
        # One call instead of two: the second waits for 15 ms until the device is at rest.
        fcntl.ioctl(device, _CONFIGURE, _CONFIG.pack(image, 0, status))
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTTY}:
            raise
    else:
        return
    # Before Linux 5.8.
    fcntl.ioctl(device, _SET_FD, image)
    try:
        fcntl.ioctl(device, _SET_STATUS, status)
    except OSError:
        fcntl.ioctl(device, _CLEAR_FD)
        raise
