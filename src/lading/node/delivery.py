"""The ways of bringing an image to a program, the fastest first; those of a store are elsewhere.

Each is found possible by trying it: what a kernel's version, a distribution or a file's mode
promises is not what a site allows. A way that is not possible says why.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

import msgspec

from lading.format import STATE_PATH, Image
from lading.node.keeper import Delivery, Place, Refused
from lading.node.loop import mount_squashfs
from lading.node.namespace import expose, mount_fuse, own_mounts
from lading.node.promise import Promise
from lading.system import Run, find_program

_OF_APPTAINER = {Path("/proc"), Path("/sys"), Path("/dev")}
"""What it mounts itself."""


class How(StrEnum):
    """A way of bringing an environment to a program."""

    OVERLAY = "overlay"
    KERNEL = "kernel"
    NAMESPACE = "namespace"
    FUSE = "fuse"
    APPTAINER = "apptainer"
    UNPACK = "unpack"


def deliveries(image: Image, variables: Mapping[str, str]) -> tuple[Delivery, ...]:
    """The ways to try for `image`, in order."""
    return (
        Kernel(image=image),
        Namespace(image=image, variables=variables),
        Fuse(image=image, variables=variables),
        Apptainer(image=image, variables=variables),
        Unpack(image=image, variables=variables),
    )


def promise_of(image: Image) -> Promise:
    """What the label of `image` says is in it."""
    return Promise(prefix=Path(image.label.prefix), manifest=image.label.manifest)


def _program(name: str, package: str, variables: Mapping[str, str]) -> str:
    """The path of a program.

    Raises:
        Refused: There is none.
    """
    path = f"{variables.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    found = find_program(name, path)
    if found is None:
        raise Refused(f"there is no {name} (package {package})")
    return found


def _squashfuse(variables: Mapping[str, str]) -> str:
    """The program that serves an image by FUSE.

    Raises:
        Refused: There is none, or the device is closed.
    """
    program = _program("squashfuse_ll", "squashfuse", variables)
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        raise Refused(f"/dev/fuse: {error.strerror}") from error
    return program


def own_place(prefix: Path, scratch: Path) -> bool:
    """Give this process a file tree of its own with an empty directory at `prefix`.

    Returns:
        Whether it took a user namespace, since this user is not root.

    Raises:
        Refused: It is not allowed.
    """
    user = os.geteuid() != 0
    try:
        own_mounts(user=user)
    except OSError as error:
        raise Refused(f"namespaces are not allowed: {error.strerror}") from error
    expose(prefix, scratch)
    return user


class Kernel(msgspec.Struct, frozen=True, kw_only=True):
    """The kernel's own squashfs, in a mount namespace of its own: for root."""

    image: Image
    name: str = How.KERNEL

    def check(self) -> None:
        """Only root may."""
        if os.geteuid() != 0:
            raise Refused("only root may mount a squashfs")

    def deliver(self, scratch: Path) -> Place:
        """Mount through a loop device, which goes with the mount."""
        prefix = Path(self.image.label.prefix)
        own_place(prefix, scratch)
        mount_squashfs(self.image.path, prefix)
        return Place(prefix=prefix, namespace=True, is_right=promise_of(self.image).is_kept)

    def end(self, place: Place) -> None:
        """Nothing: the mount ends with its namespace."""


class Namespace(msgspec.Struct, frozen=True, kw_only=True):
    """`squashfuse_ll`, at the image's own prefix, in user and mount namespaces of its own."""

    image: Image
    variables: Mapping[str, str]
    name: str = How.NAMESPACE

    def check(self) -> None:
        """The program may be missing, or the device closed."""
        _squashfuse(self.variables)

    def deliver(self, scratch: Path) -> Place:
        """Mount, and let the program outside serve it."""
        prefix = Path(self.image.label.prefix)
        program = _squashfuse(self.variables)
        user = own_place(prefix, scratch)
        descriptor = mount_fuse(prefix)
        return Place(
            prefix=prefix,
            namespace=True,
            user=user,
            serve=(program, "-f", str(self.image.path), "/dev/fd/{}"),
            descriptor=descriptor,
            is_right=promise_of(self.image).is_kept,
        )

    def end(self, place: Place) -> None:
        """Nothing: the mount ends with its namespace, and the program with the mount."""


class Fuse(msgspec.Struct, frozen=True, kw_only=True):
    """`squashfuse_ll` by way of `fusermount3`, at the image's own prefix, for everybody to see."""

    image: Image
    variables: Mapping[str, str]
    name: str = How.FUSE

    def check(self) -> None:
        """A program may be missing, or the device closed."""
        _squashfuse(self.variables)
        _program("fusermount3", "fuse3", self.variables)

    def deliver(self, scratch: Path) -> Place:  # noqa: ARG002  # of the protocol
        """Make the prefix and mount there."""
        prefix = Path(self.image.label.prefix)
        try:
            prefix.mkdir(parents=True, exist_ok=True)
            is_empty = next(prefix.iterdir(), None) is None
        except OSError as error:
            raise Refused(f"cannot make {prefix}: {error.strerror}") from error
        if not is_empty:
            raise Refused(f"there is something else at {prefix}")
        return Place(
            prefix=prefix,
            serve=(_squashfuse(self.variables), "-f", str(self.image.path), str(prefix)),
            is_right=promise_of(self.image).is_kept,
        )

    def end(self, place: Place) -> None:
        """Unmount, and remove the directory."""
        unmount(place.prefix, self.variables)
        remove_empty(place.prefix)


class Unpack(msgspec.Struct, frozen=True, kw_only=True):
    """Everything unpacked to a local disk and relocated: always slow, seldom impossible."""

    image: Image
    variables: Mapping[str, str]
    name: str = How.UNPACK

    def check(self) -> None:
        """The program may be missing."""
        _program("unsquashfs", "squashfs-tools", self.variables)

    def deliver(self, scratch: Path) -> Place:
        """Unpack below `scratch`."""
        from lading.system import run  # noqa: PLC0415  # slow to load, as below

        status = os.statvfs(scratch)
        free = status.f_bavail * status.f_frsize
        if free < self.image.label.unpacked:
            raise Refused(
                f"{scratch} has {free >> 20} MiB free, {self.image.label.unpacked >> 20} are needed"
            )
        # Of the label only its prefix was checked to be a plain path.
        prefix = scratch / promise_of(self.image).prefix.name
        program = _program("unsquashfs", "squashfs-tools", self.variables)
        argv = (program, "-no-progress", "-no-xattrs", "-d", str(prefix), str(self.image.path))
        completed = run(Run(argv=argv, environment={}))
        if completed.returncode != 0:
            raise Refused(f"unsquashfs failed: {' '.join(completed.last_lines()[-1:])}")
        if not promise_of(self.image).is_kept(prefix):
            raise Refused("another environment was in the image than its label says")
        from lading.node.relocate import (  # noqa: PLC0415  # slow to load, and seldom needed
            apply_relocate,
            plan_relocate,
        )

        # Its state names the new prefix from now on.
        apply_relocate(plan_relocate(prefix))
        return Place(prefix=prefix)

    def end(self, place: Place) -> None:
        """Nothing: what lies below `scratch` is removed."""


def _host_entries(above: Path, prefix: Path, root: Path) -> Iterator[Path]:
    """The directories of the host to be bound into `root`, which is made with places for them.

    Apptainer refuses the host's own root. All is bound but what stands above `prefix`, which is
    made as well, and what Apptainer mounts itself.
    """
    place = root / above.relative_to("/")
    place.mkdir()
    if above == prefix:
        return
    for entry in sorted(above.iterdir()) if above.is_dir() else ():
        target = place / entry.name
        if entry.is_symlink():
            target.symlink_to(entry.readlink())
        elif entry in {prefix, *prefix.parents} or not entry.is_dir() or {*":,"} & {*entry.name}:
            continue
        else:
            target.mkdir()
            if entry not in _OF_APPTAINER:
                yield entry
    yield from _host_entries(above / prefix.relative_to(above).parts[0], prefix, root)


def mount_by_fuse(image: Image, directory: Path, variables: Mapping[str, str]) -> None:
    """Mount an image by `squashfuse_ll`, which stays in the background.

    Raises:
        Refused: It cannot.
        EngineError: The same.
    """
    from lading.system import run_checked  # noqa: PLC0415  # slow to load

    argv = (_squashfuse(variables), str(image.path), str(directory))
    run_checked(Run(argv=argv, environment=dict(variables)), "squashfuse_ll failed")


def remove_empty(directory: Path) -> None:
    """Remove a mount point, and the directory `lading` above it where that is empty."""
    with suppress(OSError):
        directory.rmdir()
        if directory.parent.name == "lading":
            directory.parent.rmdir()


def unmount(directory: Path, variables: Mapping[str, str]) -> None:
    """Unmount what is mounted at `directory`.

    Raises:
        EngineError: It is in use, or not mounted.
    """
    from lading.system import run_checked  # noqa: PLC0415  # slow to load

    words = (
        (_program("umount", "mount", variables),)
        if os.geteuid() == 0
        else (_program("fusermount3", "fuse3", variables), "-u")
    )
    run_checked(
        Run(argv=(*words, str(directory)), environment={}), f"{directory} cannot be unmounted"
    )


class Apptainer(msgspec.Struct, frozen=True, kw_only=True):
    """Apptainer or Singularity: each process has a container, and a mount, of its own."""

    image: Image
    variables: Mapping[str, str]
    name: str = How.APPTAINER

    def check(self) -> None:
        """There may be none."""
        self._program()

    def _program(self) -> str:
        path = self.variables.get("PATH", os.defpath)
        names = (find_program(name, path) for name in ("apptainer", "singularity"))
        program = next(filter(None, names), None)
        if program is None:
            raise Refused("there is no apptainer")
        return program

    def deliver(self, scratch: Path) -> Place:
        """Ask it to look into the image; if it can, it stands before every program."""
        from lading.system import run  # noqa: PLC0415  # slow to load

        prefix, root = promise_of(self.image).prefix, scratch / "root"
        shown = (f"--bind={path}" for path in _host_entries(Path("/"), prefix, root))
        image = f"--bind={self.image.path}:{prefix}:image-src=/"
        words = (self._program(), "--silent", "exec", *shown, image, str(root))
        probe = (*words, "test", "-e", f"{prefix}/{STATE_PATH}")
        completed = run(Run(argv=probe, environment=self.variables, timeout=60))
        if completed.returncode != 0:
            raise Refused(" ".join(completed.last_lines()[-1:]) or "apptainer failed")
        return Place(prefix=prefix, wrapper=words)

    def end(self, place: Place) -> None:
        """Nothing: each of its mounts ends with a program."""
