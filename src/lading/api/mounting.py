"""Run programs in images and in environments from a store; mount them for people."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lading.api.project import AnyPath, AnyProject, Project, as_project
from lading.errors import UsageError
from lading.format import (
    Image,
    image_prefix,
    is_image,
    is_tarball_named,
    local_place,
    read_image,
    tarball_place,
)
from lading.node import (
    Entered,
    How,
    MountedImage,
    check_machine,
    enter_image,
    mount_image,
    unmount_image,
)
from lading.system import nearest_directory

if TYPE_CHECKING:  # not for images, whose programs shall start soon
    from lading.node import StoredEnvironment, Watch


def enter(  # noqa: PLR0913  # one parameter for each choice
    artifact: AnyPath,
    *,
    project: AnyProject = ".",
    store: AnyPath | None = None,
    prefix: AnyPath | None = None,
    how: str | None = None,
    sha256: str | None = None,
    manifest_sha256: str | None = None,
    anyway: bool = False,
    watch: "Watch | None" = None,
) -> Entered | None:
    """Let this process, and the programs that it starts or becomes, see an environment.

    It is mounted once for all processes of the user on this node, and unmounted when the last of
    them has ended. The packages of a tarball are kept by a store, which first gets those that it
    lacks.

    Args:
        artifact: Path of an image; path or URL of a tarball; or the path of a bill whose packages
            the store has.
        project: The project, or its directory.
        store: For a tarball: directory of the store; None means `$LADING_STORE`, or
            `~/.cache/lading/store`.
        prefix: For a tarball: where programs see it; None means `/opt/lading/<environment>`.
        how: See `How`; None tries all ways that there are, the fastest first.
        sha256: The digest that an image must have, hexadecimal; all of it is read, once a node.
        manifest_sha256: The digest that the bill must have, hexadecimal; every file of an image is
            compared with that bill, once a node.
        anyway: Do it even where the machine lacks what the environment needs.
        watch: Told of what is unpacked.

    Returns:
        None where `artifact` is neither image nor tarball: an environment that lies there, perhaps.

    Raises:
        InputError: There is no such file.
        IntegrityError: It is not what was asked for, or damaged.
        FetchError: It cannot be read.
        PrefixError: It cannot be mounted, will not run here, or the store cannot be used.
        UsageError: An option does not fit `artifact`.
    """
    project, chosen = as_project(project), _how(how)
    if _is_tarball(project, artifact, sha256):
        from lading.node import enter_stored, unwatched  # noqa: PLC0415  # not for images

        given = _stored(project, artifact, store, prefix, manifest_sha256, anyway=anyway)
        with given as environment:
            return enter_stored(environment, project.environment, chosen, watch or unwatched)
    if store or prefix:
        raise UsageError(f"not a tarball: {artifact}", hint="leave out --store and --prefix")
    if not is_image(project.path(os.fspath(artifact))):
        if how or sha256 or manifest_sha256:
            raise UsageError(f"not an image: {artifact}", hint="leave out the options for images")
        return None
    opened = _image(project, artifact, manifest_sha256, anyway=anyway)
    check = partial(_check, project, opened, sha256, manifest_sha256)
    checked = ":".join(filter(None, (sha256, manifest_sha256))).lower()
    return enter_image(opened, project.environment, chosen, check, checked)


def mount(  # noqa: PLR0913  # one parameter for each choice
    artifact: AnyPath,
    directory: AnyPath | None = None,
    *,
    project: AnyProject = ".",
    store: AnyPath | None = None,
    how: str | None = None,
    sha256: str | None = None,
    manifest_sha256: str | None = None,
    anyway: bool = False,
    watch: "Watch | None" = None,
) -> MountedImage:
    """Mount an image, or the environment of a tarball, for everybody, until `unmount`.

    Args:
        artifact: As of `enter`; what is not an image only root may mount.
        directory: Where; None means the prefix of the image. A tarball fits anywhere.
        project: The project, or its directory.
        store: See `enter`.
        how: `kernel` or `fuse` for an image, `overlay` for a tarball; None tries what there is.
        sha256: See `enter`.
        manifest_sha256: See `enter`.
        anyway: See `enter`.
        watch: See `enter`.

    Raises:
        InputError: There is no such artifact.
        IntegrityError: It is not what was asked for.
        FetchError: It cannot be read.
        PrefixError: It cannot be mounted, or will not run here; the details say why.
        UsageError: There is no such way.
    """
    project, chosen = as_project(project), _how(how)
    if _is_tarball(project, artifact, sha256):
        from lading.node import mount_stored, unwatched  # noqa: PLC0415  # not for images

        given = _stored(project, artifact, store, directory, manifest_sha256, anyway=anyway)
        with given as environment:
            return mount_stored(environment, project.environment, chosen, watch or unwatched)
    if store is not None:
        raise UsageError(f"not a tarball: {artifact}", hint="leave out --store")
    opened = _image(project, artifact, manifest_sha256, anyway=anyway)
    _check(project, opened, sha256, manifest_sha256)
    place = project.path(os.fspath(directory)) if directory is not None else None
    return mount_image(opened, place, project.environment, chosen)


def store_place(project: Project, store: AnyPath | None) -> Path:
    """The directory of a store: the one that was named, or the one that this user has anyway.

    Raises:
        UsageError: None was named, and this user has no home.
    """
    variables = project.environment
    chosen = store or variables.get("LADING_STORE")
    if chosen:
        return project.path(os.fspath(chosen))
    home = variables.get("HOME")
    if not home:
        raise UsageError("no store is named", hint="use --store DIR, or set LADING_STORE")
    return project.path(home) / ".cache/lading/store"


def _is_tarball(project: Project, artifact: AnyPath, sha256: str | None) -> bool:
    """Whether a user named a tarball or a bill; of one no digest of an image can be required."""
    is_named = is_tarball_named(tarball_place(os.fspath(artifact), project.path))
    if is_named and sha256 is not None:
        raise UsageError("--sha256 is for images", hint="use --manifest-sha256")
    return is_named


@contextmanager
def _stored(
    project: Project,
    tarball: AnyPath,
    store: AnyPath | None,
    prefix: AnyPath | None,
    manifest_sha256: str | None,
    *,
    anyway: bool,
) -> "Iterator[StoredEnvironment]":
    from lading.format import open_tarball  # noqa: PLC0415  # not for images
    from lading.node import Store, StoredEnvironment  # noqa: PLC0415  # the same

    kept = Store(store_place(project, store))
    with open_tarball(
        tarball_place(os.fspath(tarball), project.path),
        expected=manifest_sha256,
        environment=project.environment,
        spool=nearest_directory(kept.directory),
    ) as source:
        billed = source.bill.manifest
        if not anyway:
            check_machine(source.name, billed.platform, billed.requirements)
        place = None if prefix is None else str(project.path(os.fspath(prefix)))
        chosen = Path(image_prefix(place, billed.environment))
        yield StoredEnvironment(
            source=source, store=kept, prefix=chosen, workers=project.processors
        )


def unmount(directory: AnyPath, *, project: AnyProject = ".") -> None:
    """Unmount the image at `directory`, and remove the directory.

    Raises:
        NotAPrefixError: Nothing is mounted there.
        PrefixError: It is in use.
    """
    project = as_project(project)
    unmount_image(project.path(os.fspath(directory)), project.environment)


def _image(project: Project, image: AnyPath, manifest_sha256: str | None, *, anyway: bool) -> Image:
    path = local_place(os.fspath(image), project.path)
    opened = read_image(path, manifest_sha256)
    if not anyway:
        check_machine(os.fspath(image), opened.label.platform, opened.label.requirements)
    return opened


def _check(project: Project, image: Image, sha256: str | None, manifest_sha256: str | None) -> None:
    """Refuse an image that is not what was asked for; all of it is read."""
    if sha256 is not None:
        image.check_digest(sha256)
    if manifest_sha256 is not None:
        from lading.verify import verify_image  # noqa: PLC0415  # only where it is asked for

        verify_image(image, project.environment).require_clean("fetch the image again")


def _how(name: str | None) -> How | None:
    try:
        return How(name) if name is not None else None
    except ValueError as error:
        raise UsageError(
            f"there is no way {name!r} to mount an environment", hint=f"choose {', '.join(How)}"
        ) from error
