"""Many directories shown as one: the kernel's overlay file system, read-only.

Layers are named by open descriptors, relative to `/proc/self/fd`. So the names of 500 layers fit
into the 4096 bytes that mount(2) takes, wherever the directories lie, with every kernel that has
overlays in user namespaces (5.11 and later). `lowerdir+` of fsconfig(2) would need 6.8.

Source: the kernel's filesystems/overlayfs; mount(2).
"""

import os
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from lading.node.namespace import MS_NODEV, MS_NOSUID, MS_RDONLY, mount, unmount_lazily

MOST_LAYERS = 500
"""What the kernel takes at once."""


def mount_overlay(layers: Sequence[Path], place: Path, scratch: Path) -> None:
    """Mount `layers` at the directory `place`; of files at the same path the first one is seen.

    More layers than the kernel takes at once are merged by overlays that are layers themselves:
    250,000 are possible.

    Args:
        layers: At least two directories, none inside of another.
        place: Absolute.
        scratch: A directory for mount points; nothing of them stays.

    Raises:
        OSError: The kernel or a site forbids it.
    """
    with ExitStack() as stack:
        if len(layers) > MOST_LAYERS:
            starts = range(0, len(layers), MOST_LAYERS)
            layers = [
                _merged(layers[start : start + MOST_LAYERS], scratch, stack) for start in starts
            ]
        _mount(layers, place)


def _merged(layers: Sequence[Path], scratch: Path, stack: ExitStack) -> Path:
    """One directory that shows `layers`, until `stack` is closed."""
    if len(layers) == 1:
        return layers[0]
    place = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=scratch)))
    _mount(layers, place)
    # An overlay above keeps it, wherever it is in the tree.
    stack.callback(unmount_lazily, place)
    return place


def _mount(layers: Sequence[Path], place: Path) -> None:
    flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
    directory = os.open(".", flags)
    descriptors: list[int] = []
    try:
        descriptors += (os.open(layer, flags) for layer in layers)
        os.chdir("/proc/self/fd")
        names = ":".join(map(str, descriptors))
        # Without `userxattr` it would need rights that a user namespace does not give.
        options = f"userxattr,lowerdir={names}"
        mount("overlay", place, "overlay", MS_RDONLY | MS_NOSUID | MS_NODEV, options)
    finally:
        os.fchdir(directory)
        for descriptor in (directory, *descriptors):
            os.close(descriptor)
