"""Run programs in images, and mount images."""

import os

from lading.api.project import AnyPath, AnyProject, Project, as_project
from lading.errors import UsageError
from lading.format import Image, local_place, read_image
from lading.node import (
    Entered,
    How,
    MountedImage,
    check_machine,
    enter_image as enter,
    mount_image,
    unmount_image,
)


def enter_image(
    image: AnyPath,
    *,
    project: AnyProject = ".",
    how: str | None = None,
    sha256: str | None = None,
    manifest_sha256: str | None = None,
    anyway: bool = False,
) -> Entered:
    """Let this process, and the programs that it starts or becomes, see the environment of `image`.

    The image is mounted once for all processes of the user on this node, and unmounted when the
    last of them has ended.

    Args:
        image: Path of an image.
        project: The project, or its directory.
        how: `kernel`, `namespace`, `fuse`, `apptainer` or `unpack`; None tries them in this order.
        sha256: The digest that the image must have, hexadecimal; it is read once a node.
        manifest_sha256: The digest that its bill must have, hexadecimal; every file is compared
            with that bill once a node.
        anyway: Do it even where the machine lacks what the environment needs.

    Raises:
        InputError: There is no such image.
        IntegrityError: It is not what was asked for.
        PrefixError: It cannot be mounted, or will not run here; the details say why.
        UsageError: There is no such way.
    """
    project = as_project(project)
    opened = _image(project, image, manifest_sha256, anyway=anyway)

    def check() -> None:
        _check(project, opened, sha256, manifest_sha256)

    return enter(
        opened,
        project.environment,
        _how(how),
        check,
        ":".join(filter(None, (sha256, manifest_sha256))).lower(),
    )


def mount(  # noqa: PLR0913  # one parameter for each choice
    image: AnyPath,
    directory: AnyPath | None = None,
    *,
    project: AnyProject = ".",
    how: str | None = None,
    sha256: str | None = None,
    manifest_sha256: str | None = None,
    anyway: bool = False,
) -> MountedImage:
    """Mount an image for everybody, until `unmount`.

    Args:
        image: Path of an image.
        directory: Where; None means the prefix of the image.
        project: The project, or its directory.
        how: `kernel` or `fuse`; None tries both.
        sha256: See `enter_image`.
        manifest_sha256: See `enter_image`.
        anyway: See `enter_image`.

    Raises:
        InputError: There is no such image.
        IntegrityError: It is not what was asked for.
        PrefixError: It cannot be mounted, or will not run here; the details say why.
        UsageError: There is no such way.
    """
    project = as_project(project)
    opened = _image(project, image, manifest_sha256, anyway=anyway)
    _check(project, opened, sha256, manifest_sha256)
    place = project.path(os.fspath(directory)) if directory is not None else None
    return mount_image(opened, place, project.environment, _how(how))


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
            f"there is no way {name!r} to mount an image", hint=f"choose {', '.join(How)}"
        ) from error
