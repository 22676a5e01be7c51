"""Environments on a node: enter one to run a program in it, mount one for people, unmount it.

entered = enter_image(read_image(path), os.environ)
os.execv(entered.prefix / "bin/python", ["python"])
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path

import msgspec

from lading.errors import (
    EngineError,
    LadingError,
    NotAPrefixError,
    PrefixError,
    PrefixExistsError,
    UsageError,
)
from lading.format import Image
from lading.node.delivery import How, deliveries, mount_by_fuse, promise_of, remove_empty, unmount
from lading.node.keeper import Delivery, Refused
from lading.node.loop import mount_squashfs
from lading.node.promise import Promise
from lading.node.session import join, session_directory

SHARED = ("SLURM_JOB_ID", "SLURM_STEP_ID")
"""A mount is shared inside of a step: its processes are ended together, by the scheduler."""


class Entered(msgspec.Struct, frozen=True, kw_only=True):
    """An environment that this process, and what it becomes, can use.

    Attributes:
        prefix: Where the environment lies, for this process.
        how: See `How`; or `here`, mounted before.
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
        UsageError: `how` is not a way for images.
        LadingError: `check` refused it.
    """
    promise = promise_of(image)
    if how is None and not checked and promise.is_here():
        return Entered(prefix=promise.prefix, how="here", delivered=False)
    words = (str(image.path), image.identity, promise.manifest, checked)
    return enter_by(words, deliveries(image, variables), variables, how, check)


def enter_by(
    words: Sequence[str],
    ways: Sequence[Delivery],
    variables: Mapping[str, str],
    how: How | None,
    check: Callable[[], None],
) -> Entered:
    """Join the session that `words` name, in which one of `ways` delivers.

    Raises:
        UsageError: `how` is none of them.
        PrefixError: None is possible; the details say why.
        LadingError: As of `check`.
    """
    chosen = tuple(way for way in ways if how in {None, way.name})
    if not chosen:
        names = ", ".join(way.name for way in ways)
        raise UsageError(f"{how} is not a way to bring this to a program", hint=f"choose {names}")
    whole = (*words, how or "", *surroundings(variables))
    key = sha256("\0".join(whole).encode()).hexdigest()[:24]
    session = join(session_directory(variables, key), chosen, check)
    return Entered(
        prefix=session.prefix,
        how=session.how,
        delivered=session.delivered,
        refusals=session.refusals,
        wrapper=session.wrapper,
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
    from lading.node.host import in_child  # noqa: PLC0415  # not to run a program

    found = [("here", "")] if promise_of(image).is_here() else []
    for way in deliveries(image, variables):
        attempt = partial(_check, way)
        if way.name != How.UNPACK:
            attempt = partial(_try, image, variables, How(way.name))
        found.append((way.name, in_child(attempt)))
    return tuple(found)


def _check(way: Delivery) -> str:
    try:
        way.check()
    except Refused as answer:
        return str(answer)
    return ""


def _try(image: Image, variables: Mapping[str, str], how: How) -> str:
    try:
        enter_image(image, variables, how)
    except LadingError as error:
        reason = error.details[0] if error.details else error.message
        return reason.removeprefix(f"{how}: ")
    return ""


class MountedImage(msgspec.Struct, frozen=True, kw_only=True):
    """An environment that was mounted for everybody who may look there.

    Attributes:
        directory: Where.
        how: `kernel`, `fuse` or `overlay`; or `here`, mounted before.
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
    promise = promise_of(image)
    place = directory or promise.prefix
    ways: dict[How, Callable[[], None]] = {
        How.KERNEL: partial(mount_squashfs, image.path, place),
        How.FUSE: partial(mount_by_fuse, image, place, variables),
    }
    return mount_by(promise, place, ways, variables, how)


def mount_by(
    promise: Promise,
    place: Path,
    ways: Mapping[How, Callable[[], None]],
    variables: Mapping[str, str],
    how: How | None,
) -> MountedImage:
    """Mount at `place` by the first of `ways` that is possible.

    Raises:
        UsageError: `how` is none of them.
        PrefixExistsError: Something else lies there.
        PrefixError: None is possible; the details say why.
    """
    if how is not None and how not in ways:
        raise UsageError(
            f"{how} is for a program, not for a directory", hint="use `lading run --how`"
        )
    refusals: list[tuple[str, str]] = []
    found = partial(MountedImage, directory=place, is_at_prefix=place == promise.prefix)
    if place.is_mount() and promise.is_kept(place):
        return found(how="here", refusals=())
    made = _make_directory(place)
    for name, mount in ways.items():
        if how not in {None, name}:
            continue
        try:
            mount()
        except (Refused, LadingError, OSError) as error:
            refusals.append((name, getattr(error, "strerror", None) or str(error)))
            continue
        if promise.is_kept(place):
            return found(how=name, refusals=tuple(refusals))
        unmount(place, variables)
        refusals.append((name, "another environment was there than the one that was asked for"))
    if made:
        remove_empty(place)
    raise PrefixError(
        f"it cannot be mounted at {place}",
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
