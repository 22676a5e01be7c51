"""Images on a node: enter one to run a program in it, mount one for people, unmount it.

entered = enter_image(read_image(path), os.environ)
os.execv(entered.prefix / "bin/python", ["python"])
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

from lading.errors import (
    EngineError,
    LadingError,
    NotAPrefixError,
    PrefixError,
    PrefixExistsError,
    UsageError,
)
from lading.format import Image
from lading.node.delivery import (
    How,
    Wrapped,
    deliveries,
    is_here,
    is_promised,
    mount_by_fuse,
    remove_empty,
    unmount,
)
from lading.node.host import in_child
from lading.node.keeper import Refused
from lading.node.loop import mount_squashfs
from lading.node.session import join, session_directory

SHARED = ("SLURM_JOB_ID", "SLURM_STEP_ID")
"""A mount is shared inside of a step: its processes are ended together, by the scheduler."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """An image that this process, and what it becomes, can use.

    Attributes:
        prefix: Where the environment lies, for this process.
        how: `kernel`, `namespace`, `fuse`, `apptainer`, `unpack`; or `here`, mounted before.
        delivered: Whether this process was the first on the node.
        refusals: Name and reason of each faster way that is not possible.
        wrapper: What must stand before the program; empty but for Apptainer.
    """

    prefix: Path
    how: str
    delivered: bool
    refusals: tuple[tuple[str, str], ...] = ()
    wrapper: tuple[str, ...] = ()


def enter_image(
    image: Image,
    variables: Mapping[str, str],
    how: How | None = None,
    check: Callable[[], None] = lambda: None,
    checked: str = "",
) -> Entered:
    """Let this process see the environment of `image`, mounted once for all of the user's.

    It may enter namespaces, and must have one thread only. The mount ends with its last user.

    Args:
        image: Its label is read.
        variables: Environment variables: `PATH`, `TMPDIR`, Slurm's.
        how: The one way to try; None tries all, the fastest first.
        check: Called before the image is mounted, by the first process alone.
        checked: Names what `check` compares with: processes that ask for another do not join.

    Raises:
        PrefixError: No way is possible; the details say why.
        LadingError: `check` refused it.
    """
    prefix = Path(image.label.prefix)
    if how is None and not checked and is_here(image):
        return Entered(prefix=prefix, how="here", delivered=False)
    words = (str(image.path), image.identity, image.label.manifest, checked, how or "")
    key = sha256("\0".join((*words, *surroundings(variables))).encode()).hexdigest()[:24]
    try:
        session = join(session_directory(variables, key), deliveries(image, variables, how), check)
    except Wrapped as answer:
        return Entered(prefix=prefix, how=How.APPTAINER, delivered=True, wrapper=answer.words)
    return Entered(
        prefix=session.prefix,
        how=session.how,
        delivered=session.delivered,
        refusals=session.refusals,
    )


def surroundings(variables: Mapping[str, str]) -> list[str]:
    """What processes that share a mount must have in common besides the image.

    Containers and jobs may share a directory for temporary files, but neither the numbers of
    processes nor the view of the file tree; a scheduler ends the processes of a step together.
    """
    spaces = [str(Path("/proc/self/ns", name).readlink()) for name in ("mnt", "pid", "user")]
    return [*spaces, *(f"{name}={variables.get(name, '')}" for name in SHARED)]


def tried_ways(image: Image, variables: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Name of each way and why it is not possible, or empty; each but unpacking is tried.

    It happens in child processes: what they mount is gone with them.
    """
    found = [("here", "")] if is_here(image) else []
    for way in deliveries(image, variables):
        if way.name == How.UNPACK:
            found.append((way.name, way.refusal()))
        else:
            found.append((way.name, in_child(partial(_try, image, variables, How(way.name)))))
    return tuple(found)


def _try(image: Image, variables: Mapping[str, str], how: How) -> str:
    try:
        enter_image(image, variables, how)
    except LadingError as error:
        reason = error.details[0] if error.details else error.message
        return reason.removeprefix(f"{how}: ")
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MountedImage:
    """An image that was mounted for everybody who may look there.

    Attributes:
        directory: Where.
        how: `kernel` or `fuse`.
        refusals: Name and reason of each way that is not possible.
        is_at_prefix: Whether that is the prefix that its files name.
    """

    directory: Path
    how: str
    refusals: tuple[tuple[str, str], ...]
    is_at_prefix: bool


def mount_image(
    image: Image, directory: Path | None, variables: Mapping[str, str], how: How | None = None
) -> MountedImage:
    """Mount `image` for people and for jobs that come later, until `unmount_image`.

    Mounting it again where it is mounted changes nothing.

    Args:
        image: Its label is read.
        directory: Empty, or not there yet; absolute. None means the prefix of the image.
        variables: Environment variables: `PATH`.
        how: `kernel` or `fuse`; None tries both.

    Raises:
        UsageError: `how` is a way that serves one program only.
        PrefixExistsError: Something else lies there.
        PrefixError: It is not possible; the details say why.
    """
    place = directory or Path(image.label.prefix)
    ways: dict[How, Callable[[], None]] = {
        How.KERNEL: partial(mount_squashfs, image.path, place),
        How.FUSE: partial(mount_by_fuse, image, place, variables),
    }
    if how is not None and how not in ways:
        raise UsageError(
            f"{how} is for a program, not for a directory", hint="use `lading run --how`"
        )
    refusals: list[tuple[str, str]] = []
    is_at_prefix = str(place) == image.label.prefix
    if place.is_mount() and is_promised(image, place):
        return MountedImage(directory=place, how="here", refusals=(), is_at_prefix=is_at_prefix)
    made = _make_directory(place)
    for name, mount in ways.items():
        if how not in {None, name}:
            continue
        try:
            mount()
        except (Refused, LadingError, OSError) as error:
            refusals.append((name, getattr(error, "strerror", None) or str(error)))
            continue
        if is_promised(image, place):
            return MountedImage(
                directory=place, how=name, refusals=tuple(refusals), is_at_prefix=is_at_prefix
            )
        unmount(place, variables)
        refusals.append((name, "another environment was in the image than its label says"))
    if made:
        remove_empty(place)
    raise PrefixError(
        f"{image.path} cannot be mounted at {place}",
        hint="run a program in it instead: lading run IMAGE -- PROGRAM",
        details=tuple(f"{name}: {reason}" for name, reason in refusals),
    )


def _make_directory(place: Path) -> bool:
    """Make the directory `place` where it is not there; whether it was not."""
    try:
        if place.is_dir() and next(place.iterdir(), None) is None:
            return False
        place.mkdir(parents=True)
    except FileExistsError as error:
        raise PrefixExistsError(
            f"there is something else at {place}", hint="name an empty directory"
        ) from error
    except OSError as error:
        raise PrefixError(
            f"cannot make {place}: {error.strerror}",
            hint="name a directory of yours, or run a program: lading run IMAGE -- PROGRAM",
        ) from error
    return True


def unmount_image(directory: Path, variables: Mapping[str, str]) -> None:
    """Unmount the image at `directory`, and remove the directory.

    Raises:
        NotAPrefixError: No image is mounted there.
        PrefixError: It is in use.
    """
    if not directory.is_mount():
        raise NotAPrefixError(
            f"nothing is mounted at {directory}",
            hint="images that `lading run` mounted go with their last user",
        )
    try:
        unmount(directory, variables)
    except EngineError as error:
        raise PrefixError(
            error.message, hint="end what uses it first", details=error.details
        ) from error
    remove_empty(directory)
