"""The ways of bringing an image to a program, the fastest first.

Each is found possible by trying it: what a kernel's version, a distribution or a file's mode
promises is not what a site allows. A way that is not possible says why.
"""

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

from lading.errors import EngineError, LadingError
from lading.format import Image, read_state
from lading.node.keeper import Delivery, Place, Refused
from lading.node.loop import mount_squashfs
from lading.node.namespace import expose, mount_fuse, own_mounts
from lading.system import Run, run, run_checked

STATE = "conda-meta/lading/state.json"


class How(StrEnum):
    """A way of bringing an image to a program."""

    KERNEL = "kernel"
    NAMESPACE = "namespace"
    FUSE = "fuse"
    APPTAINER = "apptainer"
    UNPACK = "unpack"


def deliveries(
    image: Image, variables: Mapping[str, str], how: How | None = None
) -> tuple[Delivery, ...]:
    """The ways to try for `image`, in order; only `how` where it is given."""
    found: dict[How, Delivery] = {
        How.KERNEL: Kernel(image=image, variables=variables),
        How.NAMESPACE: Namespace(image=image, variables=variables),
        How.FUSE: Fuse(image=image, variables=variables),
        How.APPTAINER: Apptainer(image=image, variables=variables),
        How.UNPACK: Unpack(image=image, variables=variables),
    }
    return tuple(item for key, item in found.items() if how in {None, key})


def is_here(image: Image) -> bool:
    """Whether the environment of `image` lies at its prefix already, mounted by somebody.

    It must belong to root, as everything in an image does, or to this user.
    """
    prefix = Path(image.label.prefix)
    with suppress(OSError, LadingError):
        owner = (prefix / STATE).stat().st_uid
        return owner in {0, os.geteuid()} and is_promised(image, prefix)
    return False


def is_promised(image: Image, prefix: Path) -> bool:
    """Whether what lies at `prefix` names the bill that the label of `image` names."""
    state = read_state(prefix)
    return state is not None and (state.prefix, state.manifest) == (
        image.label.prefix,
        image.label.manifest,
    )


def _program(name: str, package: str, variables: Mapping[str, str]) -> str:
    """The path of a program, or why there is none, which begins with a space."""
    path = f"{variables.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    return shutil.which(name, path=path) or f" there is no {name} (package {package})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """The kernel's own squashfs, in a mount namespace of its own: for root."""

    image: Image
    variables: Mapping[str, str]
    name: str = How.KERNEL

    def refusal(self) -> str:
        """Only root may."""
        return "only root may mount a squashfs" if os.geteuid() != 0 else ""

    def deliver(self, scratch: Path) -> Place:
        """Mount through a loop device, which goes with the mount."""
        prefix = Path(self.image.label.prefix)
        own_mounts(user=False)
        expose(prefix, scratch)
        mount_squashfs(self.image.path, prefix)
        return Place(prefix=prefix, namespace=True, is_right=partial(is_promised, self.image))

    def end(self, place: Place) -> None:
        """Nothing: the mount ends with its namespace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """`squashfuse_ll`, at the image's own prefix, in user and mount namespaces of its own."""

    image: Image
    variables: Mapping[str, str]
    name: str = How.NAMESPACE

    def refusal(self) -> str:
        """Whether the program is missing, or the device closed."""
        return _fuse_refusal(self.variables)

    def deliver(self, scratch: Path) -> Place:
        """Mount, and let the program outside serve it."""
        prefix = Path(self.image.label.prefix)
        user = os.geteuid() != 0
        try:
            own_mounts(user=user)
        except OSError as error:
            raise Refused(f"namespaces are not allowed: {error.strerror}") from error
        expose(prefix, scratch)
        descriptor = mount_fuse(prefix)
        return Place(
            prefix=prefix,
            namespace=True,
            user=user,
            serve=_squashfuse(self.image, "/dev/fd/{}", self.variables),
            descriptor=descriptor,
            is_right=partial(is_promised, self.image),
        )

    def end(self, place: Place) -> None:
        """Nothing: the mount ends with its namespace, and the program with the mount."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fuse:
    """`squashfuse_ll` by way of `fusermount3`, at the image's own prefix, for everybody to see."""

    image: Image
    variables: Mapping[str, str]
    name: str = How.FUSE

    def refusal(self) -> str:
        """Whether a program is missing, or the device closed."""
        return _fuse_refusal(self.variables) or _reason(
            _program("fusermount3", "fuse3", self.variables)
        )

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
            serve=_squashfuse(self.image, str(prefix), self.variables),
            is_right=partial(is_promised, self.image),
        )

    def end(self, place: Place) -> None:
        """Unmount, and remove the directory."""
        unmount(place.prefix, self.variables)
        remove_empty(place.prefix)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpack:
    """Everything unpacked to a local disk and relocated: always slow, seldom impossible."""

    image: Image
    variables: Mapping[str, str]
    name: str = How.UNPACK

    def refusal(self) -> str:
        """Whether the program is missing."""
        return _reason(_program("unsquashfs", "squashfs-tools", self.variables))

    def deliver(self, scratch: Path) -> Place:
        """Unpack below `scratch`."""
        free = shutil.disk_usage(scratch).free
        if free < self.image.label.unpacked:
            raise Refused(
                f"{scratch} has {free >> 20} MiB free, {self.image.label.unpacked >> 20} are needed"
            )
        prefix = scratch / self.image.label.environment
        program = _program("unsquashfs", "squashfs-tools", self.variables)
        argv = (program, "-no-progress", "-no-xattrs", "-d", str(prefix), str(self.image.path))
        completed = run(Run(argv=argv, environment={}))
        if completed.returncode != 0:
            raise Refused(f"unsquashfs failed: {' '.join(completed.last_lines()[-1:])}")
        if not is_promised(self.image, prefix):
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


def _fuse_refusal(variables: Mapping[str, str]) -> str:
    reason = _reason(_program("squashfuse_ll", "squashfuse", variables))
    if not reason:
        try:
            os.close(os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC))
        except OSError as error:
            reason = f"/dev/fuse: {error.strerror}"
    return reason


def _squashfuse(image: Image, place: str, variables: Mapping[str, str]) -> tuple[str, ...]:
    return (_program("squashfuse_ll", "squashfuse", variables), "-f", str(image.path), place)


def _reason(program: str) -> str:
    return program.strip() if program.startswith(" ") else ""


def mount_by_fuse(image: Image, directory: Path, variables: Mapping[str, str]) -> None:
    """Mount an image by `squashfuse_ll`, which stays in the background.

    Raises:
        Refused: It cannot.
        EngineError: The same.
    """
    reason = _fuse_refusal(variables)
    if reason:
        raise Refused(reason)
    program = _program("squashfuse_ll", "squashfuse", variables)
    argv = (program, str(image.path), str(directory))
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
    words = (
        (_program("umount", "mount", variables),)
        if os.geteuid() == 0
        else (_program("fusermount3", "fuse3", variables), "-u")
    )
    run_checked(
        Run(argv=(*words, str(directory)), environment={}), f"{directory} cannot be unmounted"
    )


class Wrapped(Exception):  # noqa: N818  # it is an answer, and nothing went wrong
    """Another program does it all, if it stands before the command.

    Attributes:
        words: That program and its arguments.
    """

    def __init__(self, words: tuple[str, ...]) -> None:
        """An answer that leaves the search for a way at once."""
        super().__init__()
        self.words = words


@dataclass(frozen=True, slots=True, kw_only=True)
class Apptainer:
    """Apptainer or Singularity: each process has a container, and a mount, of its own."""

    image: Image
    variables: Mapping[str, str]
    name: str = How.APPTAINER

    def refusal(self) -> str:
        """Whether there is none, or it cannot do it.

        Raises:
            Wrapped: It can.
        """
        path = self.variables.get("PATH", os.defpath)
        names = (shutil.which(name, path=path) for name in ("apptainer", "singularity"))
        program = next(filter(None, names), None)
        if program is None:
            return "there is no apptainer"
        prefix = self.image.label.prefix
        bound = f"{self.image.path}:{prefix}:image-src=/"
        words = (program, "--silent", "exec", "--bind", bound, "/")
        probe = (*words, "test", "-e", f"{prefix}/{STATE}")
        try:
            completed = run(Run(argv=probe, environment=self.variables, timeout=60))
        except EngineError as error:
            return error.message
        if completed.returncode != 0:
            return " ".join(completed.last_lines()[-1:]) or "apptainer failed"
        raise Wrapped(words)

    def deliver(self, scratch: Path) -> Place:
        """Never: see `refusal`."""
        raise NotImplementedError

    def end(self, place: Place) -> None:
        """Never: see `refusal`."""
        raise NotImplementedError
