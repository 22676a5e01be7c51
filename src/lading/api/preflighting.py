"""Ask this machine whether an environment will run on it."""

import os
from pathlib import Path

from lading.api.project import AnyPath, AnyProject, as_project
from lading.format import Label, is_image, label_of, open_tarball, read_image, tarball_place
from lading.node import How, Preflight, Subject, Way, assess, look_at_host, look_at_site, tried_ways


def preflight(
    subject: AnyPath,
    *,
    project: AnyProject = ".",
    prefix: str | None = None,
    store: str | None = None,
) -> Preflight:
    """Whether `subject` will run here, and how it would be brought here; `is_ready` is the answer.

    Nothing stays of what is tried.

    Args:
        subject: Path of a tarball, an image or a bill; or the URL of a tarball.
        project: The project, or its directory.
        prefix: Where it would be unpacked; None means the directory for temporary files.
        store: Directory of the store that a tarball would be run from; None if it is unpacked.

    Raises:
        InputError: There is no such file.
        IntegrityError: It is damaged.
        FetchError: The server does not send it.
    """
    project = as_project(project)
    text = os.fspath(subject)
    variables = project.environment
    place = project.path(prefix) if prefix else Path(variables.get("TMPDIR") or "/tmp")  # noqa: S108  # only looked at
    named = tarball_place(text, project.path)
    if isinstance(named, Path) and is_image(named):
        image = read_image(named)
        ways = tuple(Way(name=name, reason=why) for name, why in tried_ways(image, variables))
        asked = _subject(text, image.label, is_image=True)
        return assess(asked, look_at_host(), look_at_site(place, variables), ways)
    with open_tarball(named, environment=variables) as source:
        asked = _subject(text, label_of(source.bill, 0), is_image=False)
    host, unpack = look_at_host(), Way(name=How.UNPACK, reason="")
    if store is None:
        return assess(asked, host, look_at_site(place, variables), (unpack,))
    ways = (Way(name=How.OVERLAY, reason=host.overlay), unpack)
    return assess(asked, host, look_at_site(project.path(store), variables), ways)


def _subject(name: str, label: Label, *, is_image: bool) -> Subject:
    return Subject(
        name=name,
        environment=label.environment,
        platform=label.platform,
        unpacked=label.unpacked,
        files=label.files,
        requirements=label.requirements,
        is_image=is_image,
    )
