"""What kind of file system a directory lies on: on some, locks hang or do not hold.

Source: statfs(2); the numbers are those of linux/magic.h and of the file systems themselves.
"""

import ctypes
import os
import sys
from collections.abc import Callable
from pathlib import Path

__all__ = ["network_file_system", "read_type"]

STATFS_BYTES = 512
TYPE_MASK = 0xFFFFFFFF

NETWORK_TYPES = {
    0x6969: "NFS",
    0x517B: "SMB",
    0xFF534D42: "CIFS",
    0xFE534D42: "SMB",
    0x0BD00BD0: "Lustre",
    0x47504653: "GPFS",
    0x65735546: "FUSE",
    0x00C36400: "Ceph",
    0x5346414F: "AFS",
    0x6B414653: "AFS",
    0x19830326: "BeeGFS",
    0xAAD7AAEA: "PanFS",
    0x01021997: "9P",
    0x73757245: "Coda",
    0x7461636F: "OCFS2",
    0x01161970: "GFS2",
}


def read_type(directory: Path) -> int:
    """The `f_type` of the file system that `directory` lies on; 0 where that cannot be told."""
    if not sys.platform.startswith("linux"):
        return 0
    # Its first member, and of the size of a long, on every architecture of Linux that conda has.
    buffer = ctypes.create_string_buffer(STATFS_BYTES)
    if ctypes.CDLL(None).statfs(os.fsencode(directory), buffer) != 0:
        return 0
    return ctypes.c_long.from_buffer(buffer).value & TYPE_MASK


def network_file_system(directory: Path, read: Callable[[Path], int] = read_type) -> str:
    """The name of the network file system that `directory` lies on, or empty.

    Args:
        directory: Absolute; of one that does not exist yet, the nearest that does counts.
        read: Tells the `f_type` of an existing directory.
    """
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    return NETWORK_TYPES.get(read(existing), "")
